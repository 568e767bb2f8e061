"""Where a run may be made."""

from __future__ import annotations

import os
from pathlib import Path

from envs.errors import InputError
from selfplay.config.run import RunConfig
from selfplay.rundir.names import check_name


def free_place(config: RunConfig) -> Path:
    """Return runs_dir/name of a run to be; makes nothing.

    Raises:
        InputError: the name is no plain name, or is taken.
    """
    check_name(config.name)
    path = config.runs_dir / config.name
    writable_place(config.runs_dir)
    if path.exists() or path.is_symlink():
        raise taken(path)
    return path


def writable_place(folder: Path) -> Path:
    """Return `folder`, or the deepest folder above it that there is already; makes nothing.

    Raises:
        InputError: nothing can be made there.
    """
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    reason = "Not a directory" if not folder.is_dir() else "Permission denied"
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return folder
    raise unwritable(folder, reason)


def unwritable(folder: Path, reason: str | None) -> InputError:
    """Return the error of a place where nothing can be made."""
    return InputError(
        f"{folder}: cannot be written: {reason}; choose another place with runs_dir=FOLDER"
    )


def taken(path: Path) -> InputError:
    """Return the error of a name that something has already."""
    if not path.is_dir():
        return InputError(f"{path}: is a file, not a run folder; choose another with --name OTHER")
    return InputError(
        f"{path}: this run exists; choose another with --name OTHER, or go on with --resume"
    )
