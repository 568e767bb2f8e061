"""SHA256SUMS: what `sha256sum` writes and checks, for the files of a checkpoint and of a run.

Whoever can change a file can change the list as well, so a list finds accidents, not lies. But one
number, the hash of the run's list (`digest`), stands for everything in the folder: noted somewhere
else when the run is published, it finds any later change.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from envs.errors import InputError
from selfplay.rundir.writes import free_name, write_text

CHECKSUMS = "SHA256SUMS"
COMPLETE = "complete.json"
"""The last file of a checkpoint."""
TRANSIENT = "optimizer.pt"
"""What only the newest checkpoints keep; as large as all the rest, and no result."""
UNSEALED = ("report.html", "lock", "tb", "logs", "test")
"""What a run's list leaves out: written anew or added at any time, or no result."""
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def sha256_of(path: Path) -> str:
    """Return the hex sha256 of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sealed_files(run: Path) -> list[Path]:
    """Return the files of a run's list: all results; of a checkpoint its own list stands for it."""
    files = []
    for path in sorted(run.rglob("*")):
        parts = path.relative_to(run).parts
        kept = parts[0] not in UNSEALED and not parts[0].startswith(CHECKSUMS)
        if parts[0] == "checkpoints":
            kept = parts[-1] in (CHECKSUMS, COMPLETE)
        if kept and not any(part.startswith(".") for part in parts) and path.is_file():
            files.append(path)
    return files


def seal(run: Path) -> Path:
    """Write the list of a run's folder, as the last thing that the run does."""
    return write_checksums(run, sealed_files(run))


def unseal(run: Path) -> list[str]:
    """Set aside the list of a run that goes on, if there is one; return what was moved."""
    written = run / CHECKSUMS
    if not written.exists():
        return []
    written.rename(free_name(written))
    return [CHECKSUMS]


def seal_checkpoint(folder: Path) -> dict[str, str]:
    """Write the list of a checkpoint; return {"sha256sums": its hash}, for complete.json."""
    left_out = (CHECKSUMS, COMPLETE, TRANSIENT)
    files = [p for p in folder.rglob("*") if p.is_file() and p.name not in left_out]
    written = write_checksums(folder, files)
    return {"sha256sums": sha256_of(written)}


def write_checksums(folder: Path, files: Iterable[Path]) -> Path:
    """Write folder/SHA256SUMS over `files`, which lie below `folder`; return its path."""
    names = sorted(path.relative_to(folder).as_posix() for path in files)
    text = "".join(f"{sha256_of(folder / name)}  {name}\n" for name in names)
    write_text(folder / CHECKSUMS, text, overwrite=True)
    return folder / CHECKSUMS


def read_checksums(path: Path) -> dict[str, str]:
    """Return name -> hex sha256 of a list.

    Raises:
        InputError: the file cannot be read, or a line is none of `sha256sum`'s.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    found = {}
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise InputError(f"{path}:{number}: no line of sha256sum")
        found[match[2]] = match[1]
    return found
