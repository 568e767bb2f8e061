"""File writes that are whole or absent: a temporary file in the same folder, then a rename."""

from __future__ import annotations

import errno
import json
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_atomic(path: Path, write: Callable[[Path], None], *, overwrite: bool) -> None:
    """Let `write` fill a temporary file beside `path`, then move it there in one step.

    Args:
        path: the file to appear; its folder is created.
        write: called with the temporary path; whatever it raises leaves `path` as it was.
        overwrite: false refuses to replace a file that is there.

    Raises:
        FileExistsError: `path` exists and `overwrite` is false.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o666 & ~_UMASK)  # mkstemp gives 0600, which nobody else could read
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        if overwrite:
            temporary.replace(path)
        else:
            _move_to_new(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, overwrite: bool) -> None:
    """Write `text` as UTF-8, atomically; lone surrogates become question marks."""
    data = text.encode("utf-8", errors="replace")
    write_atomic(path, lambda temporary: _put(temporary, data), overwrite=overwrite)


def write_json(path: Path, value: Any, *, overwrite: bool) -> None:
    """Write `value` as indented JSON, atomically; NaN and infinity become null."""
    text = json.dumps(plain(value), indent=2, ensure_ascii=True, allow_nan=False)
    write_text(path, text + "\n", overwrite=overwrite)


def plain(value: Any) -> Any:
    """Return `value` as strict JSON: NaN and infinity become None, array scalars numbers.

    Raises:
        TypeError: something in it has no JSON form.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):  # a numpy or torch scalar
        return plain(value.item())
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r}")


def free_name(path: Path) -> Path:
    """Return `path`, or the first of `stem.1.suffix`, `stem.2.suffix`, ... that is not taken."""
    candidate, number = path, 0
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.stem}.{number}{path.suffix}")
    return candidate


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _move_to_new(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)  # unlike a rename, fails when the target exists
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV):
            raise
        if path.exists():  # a file system without hard links: the check and the move are two steps
            raise FileExistsError(errno.EEXIST, "exists", str(path)) from error
        temporary.replace(path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _umask()
"""Read once at import: reading it means setting it, which is not safe beside other threads."""
