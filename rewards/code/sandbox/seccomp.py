"""A seccomp filter as classic BPF: an allow-list with checks on the arguments of a few calls.

The kernel runs it before every system call of a candidate; it cannot be taken off again. Built by
hand since libseccomp is not everywhere; `ctypes` loads it.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import NamedTuple

from rewards.code.sandbox.syscalls import (
    AUDIT_ARCH,
    CHECKED,
    NAMES_FILES,
    NEWEST_KNOWN,
    X86_64,
    numbers,
)

_LOAD, _JUMP_EQ, _JUMP_GE, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000
_NR, _ARCH, _ARGS = 0, 4, 16
"""Offsets in `struct seccomp_data`; both architectures are little-endian, low word first."""
_X32_BIT = 0x40000000

_O_CHANGING = 0o3 | 0o100 | 0o1000
"""O_WRONLY, O_RDWR, O_CREAT, O_TRUNC."""
_F_ALLOWED = (0, 1, 2, 3, 1030)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC; not F_SETOWN, which signals others."""
_IOCTL_ALLOWED = (0x5401, 0x5450, 0x5451)
"""TCGETS (isatty), FIONCLEX, FIOCLEX."""
_OWN_PID = 0x7FFF_FFF7
"""Stands in a filter for the pid of the process that puts it on; no process can have it."""
_CLOCKS = (*range(12), 0xFFFF_FFFA, 0xFFFF_FFFE)
"""The fixed clocks (linux/time.h), and the CPU clocks of the calling process and thread: others are
made of the number of a process, and say whether it lives and what it uses."""
_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020080
"""Every CLONE_NEW* flag."""
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2


class Instruction(NamedTuple):
    """One `struct sock_filter`."""

    code: int
    k: int
    jt: int = 0
    jf: int = 0


Block = list[Instruction]


def _ret(action: int) -> Block:
    return [Instruction(_RETURN, action)]


_ALLOWED = _ret(_ALLOW)
_DENIED = _ret(_ERRNO | errno.EPERM)
_UNKNOWN = _ret(_ERRNO | errno.ENOSYS)


def _low_word(argument: int) -> Instruction:
    return Instruction(_LOAD, _ARGS + 8 * argument)


def _one_of(argument: int, values: tuple[int, ...]) -> Block:
    """Allow where the low word of an argument is one of the values."""
    block = [_low_word(argument)]
    for place, value in enumerate(values):
        block.append(Instruction(_JUMP_EQ, value, jt=len(values) - place))
    return block + _DENIED + _ALLOWED


def _masked(argument: int, mask: int, wanted: int, otherwise: Block) -> Block:
    """Allow where the low word of an argument, under a mask, is `wanted`."""
    compare = Instruction(_JUMP_EQ, wanted, jt=len(otherwise))
    return [_low_word(argument), Instruction(_AND, mask), compare, *otherwise, *_ALLOWED]


def _checks(threads: bool) -> dict[str, Block]:
    refused = _ret(_ERRNO | errno.EACCES)
    thread = _masked(0, _CLONE_THREAD | _CLONE_NEW, _CLONE_THREAD, _DENIED)
    return {
        "open": _masked(1, _O_CHANGING, 0, refused),
        "openat": _masked(2, _O_CHANGING, 0, refused),
        "fcntl": _one_of(1, _F_ALLOWED),
        "ioctl": _one_of(1, _IOCTL_ALLOWED),
        "prlimit64": _one_of(0, (0, _OWN_PID)),
        "sched_getaffinity": _one_of(0, (0, _OWN_PID)),
        "kill": _one_of(0, (_OWN_PID,)),
        "tgkill": _one_of(0, (_OWN_PID,)),
        **dict.fromkeys(("clock_gettime", "clock_getres", "clock_nanosleep"), _one_of(0, _CLOCKS)),
        "clone": thread if threads else _DENIED,
        "clone3": _UNKNOWN,
    }


def _search(segments: list[tuple[int, Block]]) -> Block:
    """Return a binary search for the last segment whose start is no larger than the number."""
    if len(segments) == 1:
        return segments[0][1]
    middle = len(segments) // 2
    below, above = _search(segments[:middle]), _search(segments[middle:])
    if len(below) > 255:
        raise ValueError(f"a BPF jump over {len(below)} instructions")
    return [Instruction(_JUMP_GE, segments[middle][0], jt=len(below)), *below, *above]


def build(machine: str, *, files: bool, threads: bool) -> Block:
    """Return the filter's instructions for `os.uname().machine`.

    `files`: whether paths may be looked at and opened for reading, which is safe under Landlock
    alone. `threads`: whether threads may be started. Raises ValueError for other machines.
    """
    if machine not in AUDIT_ARCH:
        raise ValueError(f"no system-call table for {machine}")
    checks = _checks(threads)
    known = {
        number: checks[name] if name in CHECKED else _ALLOWED
        for name, number in numbers(machine).items()
        if files or name not in NAMES_FILES
    }
    segments: list[tuple[int, Block]] = []
    for number in range(NEWEST_KNOWN + 1):
        block = known.get(number, _DENIED)
        if not segments or segments[-1][1] is not block:
            segments.append((number, block))
    segments.append((NEWEST_KNOWN + 1, _UNKNOWN))
    killed = _ret(_KILL_PROCESS)
    head = [
        Instruction(_LOAD, _ARCH),
        Instruction(_JUMP_EQ, AUDIT_ARCH[machine], jt=1),
        *killed,
        Instruction(_LOAD, _NR),
    ]
    if machine == X86_64:
        head += [Instruction(_JUMP_GE, _X32_BIT, jf=1), *killed]
    return head + _search(segments)


class _SockFilter(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_uint16),
        ("jt", ctypes.c_uint8),
        ("jf", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    ]


class _SockFprog(ctypes.Structure):
    _fields_ = [
        ("len", ctypes.c_uint16),
        ("filter", ctypes.POINTER(_SockFilter)),
    ]


class Filter:
    """A filter, laid out once and put on by every fork."""

    def __init__(self, instructions: Block) -> None:
        """Lay the instructions out as the kernel wants them."""
        self._array = (_SockFilter * len(instructions))(
            *(_SockFilter(one.code, one.jt, one.jf, one.k) for one in instructions)
        )
        start, size = ctypes.addressof(self._array), ctypes.sizeof(_SockFilter)
        self._own = [
            ctypes.c_uint32.from_address(start + place * size + _SockFilter.k.offset)
            for place, one in enumerate(instructions)
            if one.k == _OWN_PID
        ]
        self._program = _SockFprog(len(instructions), self._array)
        self._prctl = ctypes.CDLL(None, use_errno=True).prctl
        self._arguments = [
            ctypes.c_ulong(one)
            for one in (_SECCOMP_MODE_FILTER, ctypes.addressof(self._program), 0, 0)
        ]

    def apply(self) -> None:
        """Put the filter on the calling process, for good; it must have no_new_privs.

        Raises OSError.
        """
        pid = os.getpid()
        for number in self._own:
            number.value = pid
        if self._prctl(_PR_SET_SECCOMP, *self._arguments) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP)")
