"""Where files lie: the user's cache folder, and data sets named by a path or an id."""

from __future__ import annotations

import os
import re
from pathlib import Path

from envs.errors import InputError

CACHE = "selfplay-rlvr"
_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(:[\w.-]+)?")
_FILES = (".jsonl", ".json", ".gz", ".txt", ".parquet", ".csv")
_MEND = "set XDG_CACHE_HOME=/writable/folder"


def user_cache() -> Path:
    """Return the project's cache folder, below XDG_CACHE_HOME or ~/.cache; makes nothing.

    Raises:
        InputError: there is no home folder, as in containers and batch jobs of an unknown user.
    """
    root = os.environ.get("XDG_CACHE_HOME")
    if root and Path(root).is_absolute():
        return Path(root) / CACHE
    try:
        return Path.home() / ".cache" / CACHE
    except RuntimeError as error:
        raise InputError(
            f"no home folder (HOME is not set, and user id {os.getuid()} has none); {_MEND}"
        ) from error


def made(folder: Path) -> Path:
    """Make a folder of the user's cache and return it.

    Raises:
        InputError: it cannot be made or written; the message says what to set.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made: {error.strerror}; {_MEND}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{folder}: cannot be written; {_MEND}")
    return folder


def is_hub_id(source: Path | str) -> bool:
    """Return whether `source` is no file but a name such as `google-research-datasets/mbpp`.

    A configuration of the data set may follow after a colon: `NAME:sanitized`.
    """
    text = str(source)
    return bool(_ID.fullmatch(text)) and not text.endswith(_FILES) and not Path(text).exists()


def absolute_source(source: Path | None) -> Path | None:
    """Return a path named from the root; an id stays as it is."""
    return source if source is None or is_hub_id(source) else source.absolute()
