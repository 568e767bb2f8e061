"""The secret that a run's tests draw from: new for each run's seed, known to this user alone.

A file in the user's cache holds a key, made once, that no program in the sandbox can read. A run's
secret follows from it and the run's seed, so that the same seed asks the same; it is recorded in
the run's config.yaml (`code.secret`), from where resumes, evaluations and `selfplay verify` take
it, on any machine.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from functools import cache
from pathlib import Path

from envs.errors import InputError
from envs.places import user_cache
from rewards.code.draws import derived, new_secret

FILE = "tests.key"


def tests_secret(recorded: str | None, seed: int) -> bytes:
    """Return the secret that is recorded (in hexadecimal), or the one of the run's seed."""
    if recorded is not None:
        return bytes.fromhex(recorded)
    return derived(_user_key(), "run", str(seed))[:16]


def _user_key() -> bytes:
    try:
        folder = user_cache()
    except InputError:  # no home: then the key lasts as long as this process
        return _passing_key()
    return _key_of(folder)


@cache
def _passing_key() -> bytes:
    return new_secret()


@cache
def _key_of(folder: Path) -> bytes:
    """Return the key in a folder, made there if it is missing; one that passes where it cannot."""
    path = folder / FILE
    try:
        if not path.exists():
            _make(path)
        return path.read_bytes() or _passing_key()
    except OSError:
        return _passing_key()


def _make(path: Path) -> None:
    """Write a key that only this user can read, unless somebody else is first. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # for this user alone
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(new_secret())
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)
