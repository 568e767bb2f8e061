"""Landlock through ctypes: which files a candidate may read; it can write none.

The system call is probed, not /sys/kernel/security/lsm, which containers seldom mount. Landlock
stops opening, writing, making and removing files, TCP (version 4), and signals and abstract
sockets to the outside (version 6). It stops neither stat nor UDP: seccomp has to.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
"""The same numbers on every architecture."""
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FS_BITS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""ABI version -> how many rights over files it knows."""
_NET_FROM, _SCOPE_FROM = 4, 6
_TCP = 0b11
_SCOPED = 0b11

_libc = ctypes.CDLL(None, use_errno=True)


def abi() -> int:
    """Return the kernel's Landlock version; 0 where it has none or has it switched off."""
    return max(0, int(_libc.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION_FLAG)))


def make_ruleset(readable: Iterable[str], listable: Iterable[str]) -> int:
    """Return the descriptor of a ruleset that denies everything but reading.

    `readable`: files, and folders with all inside, that may be opened for reading. `listable`:
    folders whose names, and those of the folders inside, may be read. Paths that do not exist are
    left out. Raises OSError.
    """
    version = abi()
    rights = (1 << _FS_BITS[min(version, max(_FS_BITS))]) - 1
    attributes = struct.pack("=Q", rights)
    if version >= _NET_FROM:
        attributes += struct.pack("=Q", _TCP)
    if version >= _SCOPE_FROM:
        attributes += struct.pack("=Q", _SCOPED)
    ruleset = int(_libc.syscall(_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0))
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "landlock_create_ruleset")
    try:
        for path in readable:
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
        for path in listable:
            _allow(ruleset, path, _READ_DIR)
    except BaseException:
        os.close(ruleset)
        raise
    return ruleset


def restrict(ruleset: int) -> None:
    """Put the ruleset on the calling process, which must have no_new_privs, for good.

    Raises OSError.
    """
    if _libc.syscall(_RESTRICT, ruleset, 0) != 0:
        raise OSError(ctypes.get_errno(), "landlock_restrict_self")


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _READ_FILE
        rule = struct.pack("=Qi", rights, descriptor)
        if _libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0) != 0:
            raise OSError(ctypes.get_errno(), f"landlock_add_rule {path}")
    finally:
        os.close(descriptor)
