"""What a file or folder given as a model is, by its content, and what is wrong with it."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from envs.errors import InputError

WEIGHTS, SETTINGS = "adapter_model.safetensors", "adapter_config.json"
"""Of a LoRA adapter, as peft names them."""
_INDEX = "model.safetensors.index.json"
_POINTER = b"version https://git-lfs"
_KINDS = (
    (b"PK\x03\x04", "a pickle of torch (or another archive)"),
    (b"\x80", "a pickle"),
    (b"{", "JSON"),
    (b"ggml", "GGML, GGUF's forerunner"),
    (b"ggjt", "GGML, GGUF's forerunner"),
)
_PARTIAL = (".part", ".partial", ".incomplete", ".crdownload", ".download", ".tmp")


def gguf_file(path: Path) -> Path:
    """Return a file that is GGUF by its first bytes, whatever its name.

    Raises:
        InputError: it is something else; the message says what, and what to give instead.
    """
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise InputError(f"model: {path}: cannot be read: {error.strerror}") from error
    if start.startswith(b"GGUF"):
        if "-of-" in path.stem and not path.stem.endswith("-00001-of-00001"):
            raise InputError(f"model: {path}: one part of a split GGUF; merge the parts first")
        return path
    if start.startswith(_POINTER):
        raise InputError(f"model: {path}: a pointer of Git LFS, not the file; type: git lfs pull")
    if is_safetensors(path):
        raise InputError(
            f"model: {path}: weights alone; give the folder that also holds config.json and the "
            "tokenizer"
        )
    kind = next((name for mark, name in _KINDS if start.startswith(mark)), "of no known kind")
    kind = "an empty file" if not start else kind
    raise InputError(
        f"model: {path}: {kind}; give a GGUF file, or a folder with config.json, *.safetensors and "
        "a tokenizer"
    )


def refuse_missing(spec: str, path: Path) -> None:
    """Raise InputError for a name that can only be a file's and is none."""
    if path.is_symlink():
        raise InputError(f"model: {spec}: a broken link to {path.readlink()}")
    if path.suffix.lower() == ".gguf":
        partial = next((p for end in _PARTIAL if (p := Path(f"{path}{end}")).exists()), None)
        why = f"; {partial.name} beside it is half a download" if partial else ""
        raise InputError(f"model: {spec}: no such GGUF file{why}")
    if path.suffix.lower() in (".safetensors", ".bin", ".pt", ".pth"):
        raise InputError(f"model: {spec}: no such file; a model is a folder or a GGUF file")


def checked_folder(path: Path) -> Path:
    """Return a folder that holds a config and whole safetensors.

    Raises:
        InputError: something is missing or broken off; the message names it.
    """
    if not (path / "config.json").is_file():
        inside = sorted(p.name for p in path.iterdir() if p.suffix.lower() == ".gguf")
        mend = f"; give the file: {path / inside[0]}" if inside else ""
        raise InputError(f"model: {path}: no config.json in this folder{mend}")
    _check_index(path)
    files = sorted(path.glob("*.safetensors"))
    if not files:
        others = [p.name for end in ("*.bin", "*.pt", "*.pth") for p in sorted(path.glob(end))]
        why = f" (only {others[0]})" if others else ""
        raise InputError(
            f"model: {path}: no *.safetensors in this folder{why}; other weight formats are "
            "refused since loading them can run code"
        )
    for file in files:
        _check_whole(file)
    return path


def _check_index(path: Path) -> None:
    index = path / _INDEX
    if not index.is_file() or (path / "model.safetensors").exists():
        return
    try:
        named = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError(f"model: {index}: cannot be read: {type(error).__name__}") from error
    missing = [name for name in named if not (path / str(name)).is_file()]
    if missing:
        raise InputError(
            f"model: {path}: {len(missing)} of {len(named)} weight files are missing, such as "
            f"{missing[0]}; download them again"
        )


def _check_whole(file: Path) -> None:
    """Raise InputError for a file that is a pointer or ends before its header says."""
    if not file.exists():
        raise InputError(f"model: {file}: a broken link")
    with file.open("rb") as opened:
        start = opened.read(64)
    if start.startswith(_POINTER):
        raise InputError(f"model: {file}: a pointer of Git LFS, not the file; type: git lfs pull")
    header = _header(file)
    if header is None:
        return  # what is no safetensors at all fails where it is loaded
    size, due = file.stat().st_size, header
    if size < due:
        raise InputError(f"model: {file}: ends after {size:,} of {due:,} bytes; download it again")


def is_safetensors(path: Path) -> bool:
    """Return whether a file begins as safetensors do."""
    return _header(path) is not None


def _header(path: Path) -> int | None:
    """Return how many bytes a safetensors file must have; None for what has no such header."""
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= 100_000_000:
            return None
        text = file.read(length)
    if not text.startswith(b"{"):
        return None
    if len(text) < length:
        return 8 + length
    try:
        header: dict[str, Any] = json.loads(text)
        ends = [int(v["data_offsets"][1]) for k, v in header.items() if k != "__metadata__"]
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    return 8 + length + max(ends, default=0)


def is_adapter(path: Path) -> bool:
    """Return whether a folder holds a LoRA adapter and no model of its own."""
    return (path / SETTINGS).is_file() and not (path / "config.json").exists()


def adapter_base(path: Path) -> str:
    """Return the model that an adapter was trained on, as `model:` takes it.

    Raises:
        InputError: the adapter names none, or has no weights that are safe to load.
    """
    if not (path / WEIGHTS).is_file():
        raise InputError(f"model: {path}: a LoRA adapter with no {WEIGHTS}")
    try:
        base = json.loads((path / SETTINGS).read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"model: {path / SETTINGS}: names no base model") from error
    if not isinstance(base, str) or not base:
        raise InputError(f"model: {path / SETTINGS}: names no base model")
    if base.startswith(("/", ".", "~")) and not Path(base).expanduser().exists():
        raise InputError(
            f"model: {path}: its base model {base} is not there; put it back, or write its place "
            f"into {SETTINGS} (base_model_name_or_path)"
        )
    return base
