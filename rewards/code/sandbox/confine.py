"""How the zygote confines itself, and its forks more still, before a candidate's first word."""

from __future__ import annotations

import ctypes
import os
import resource
import struct
from typing import Any

from rewards.code.sandbox import landlock, procfs, seccomp
from rewards.code.sandbox.syscalls import AUDIT_ARCH

REQUEST_FD, REPLY_FD = 3, 4
"""The lowest that are free in the zygote, and so where a candidate's descriptors come to lie."""
_STDIN_FD, _STDOUT_FD = 5, 6
OPEN_FILES = 64
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_SIGKILL = 9
_CAPABILITY_VERSION = 0x20080522
_CAP_KILL, _CAP_SETUID = 5, 7

_libc = ctypes.CDLL(None, use_errno=True)


class Confinement:
    """The layers that work here: some put on the zygote at once, the rest on each fork.

    Landlock, capabilities and the limits that are the same for all are inherited through the
    fork: once for the zygote is cheaper than once per candidate.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        """Confine the calling process, the zygote. `config` is the launcher's (launch.py)."""
        self._uid: int | None = config["uid"]
        self._pid = os.getpid()
        machine = os.uname().machine
        self.seccomp: bool = config["seccomp"] and machine in AUDIT_ARCH
        self.landlock: bool = config["landlock"] and self.seccomp and landlock.abi() > 0
        self._filters: dict[bool, seccomp.Filter] = {}
        if self.seccomp:
            for threads in (False, True):
                instructions = seccomp.build(machine, files=self.landlock, threads=threads)
                self._filters[threads] = seccomp.Filter(instructions)
        for which in ("CORE", "FSIZE", "MEMLOCK", "MSGQUEUE"):
            resource.setrlimit(getattr(resource, f"RLIMIT_{which}"), (0, 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
        if self._uid is not None:
            procfs.hide_processes()
            os.setgroups([])
            os.setresgid(self._uid, self._uid, self._uid)
        self._keep_what_forks_need()
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _prctl(_PR_SET_DUMPABLE, 0)
        if self.landlock:
            ruleset = landlock.make_ruleset(config["readable"], config["listable"])
            landlock.restrict(ruleset)
            os.close(ruleset)

    def enter(self, fork: dict[str, Any]) -> None:
        """Confine the calling process, a fork, for good. Raises OSError where a layer fails.

        Its descriptors lie where the zygote received them: requests to read, replies to write
        and, for a program, its stdin and stdout.
        """
        self._limit(fork)
        if self._uid is not None:
            # Out of reach of every other user; the kernel drops the capabilities with it.
            os.setresuid(self._uid, self._uid, self._uid)
        if self._pid != 1:
            # What the kernel does for the first process of a namespace anyway.
            _prctl(_PR_SET_PDEATHSIG, _SIGKILL)
            if os.getppid() != self._pid:
                raise ProcessLookupError("the zygote died before its fork was tied to it")
        if self.seccomp:
            self._filters[fork["processes"] > 1].apply()

    def _keep_what_forks_need(self) -> None:
        """Give up all capabilities but those to change a fork's uid and to end it.

        The kernel asks the dying zygote's rights before it delivers the signal of its death to
        forks, which have another uid: without CAP_KILL they would live on. Where a container
        withholds it the zygote's real uid is theirs, which is the other way to be allowed.
        """
        if self._uid is None:
            _keep_capabilities(0)
            return
        try:
            _keep_capabilities(1 << _CAP_SETUID | 1 << _CAP_KILL)
        except PermissionError:
            os.setresuid(self._uid, -1, -1)
            _keep_capabilities(1 << _CAP_SETUID)

    def _limit(self, fork: dict[str, Any]) -> None:
        cpu, memory, threads = int(fork["cpu_s"]), fork["as_bytes"], fork["processes"]
        _lower(resource.RLIMIT_CPU, cpu, cpu + 1)
        _lower(resource.RLIMIT_AS, memory, memory)
        # Counted over all of a user's processes: an ordinary user has others besides.
        most = 0 if threads == 1 else threads + fork["tasks"]
        _lower(resource.RLIMIT_NPROC, most, most)


def _lower(which: int, soft: int, hard: int) -> None:
    """Set a limit, or leave the one that whoever started us has set, where that is lower."""
    given = resource.getrlimit(which)[1]
    if given != resource.RLIM_INFINITY:
        soft, hard = min(soft, given), min(hard, given)
    resource.setrlimit(which, (soft, hard))


def arrange(program: bool) -> None:
    """Leave 0 to 4 open, where they belong, and nothing else: what a fork does first of all."""
    os.dup2(_STDIN_FD if program else 2, 0)
    if program:
        os.dup2(_STDOUT_FD, 1)
    os.closerange(REPLY_FD + 1, OPEN_FILES)


def _keep_capabilities(bits: int) -> None:
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    # Effective and permitted, low words; inheritable none; no high words.
    if _libc.capset(header, struct.pack("=6I", bits, bits, 0, 0, 0, 0)) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")
