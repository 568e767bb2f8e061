"""One process at a time in a folder: a lock file that its process's end gives back."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from envs.errors import InputError


def take(path: Path) -> IO[str]:
    """Lock the file `path` and return it open; closing it, or the process's end, unlocks it.

    Raises:
        InputError: another process has it (the message gives its pid), or it cannot be written.
    """
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path.parent}: cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        pid = file.read().strip() or "unknown"
        file.close()
        raise InputError(
            f"{path.parent}: process {pid} is running this run; wait for it or stop it"
        ) from error
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
