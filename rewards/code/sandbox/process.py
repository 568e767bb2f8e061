"""The parent's handle on a zygote: fork, reap, kill; whatever fails here is our own failure."""

from __future__ import annotations

import array
import contextlib
import marshal
import math
import os
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewards.code.sandbox import launch
from rewards.code.sandbox.types import Limits, SandboxError

_HELLO_S = 30.0
_ANSWER_S = 30.0
"""The zygote answers in a millisecond; a machine that swaps may need longer."""
_MESSAGE_BYTES = 4096
_ASSUMED_VM_MB = 256
"""The zygote's own address space where /proc does not say."""
_MEGABYTE = 1 << 20


class StartError(Exception):
    """A zygote did not come to life; the text is the last line of what it printed."""


@dataclass(frozen=True, slots=True)
class Fork:
    """A candidate's process: its number as the zygote knows it, and a pidfd to kill it by."""

    pid: int
    pidfd: int


@dataclass(frozen=True, slots=True)
class Exit:
    """How a candidate ended: exit code or minus the signal, CPU seconds, peak MiB."""

    code: int
    cpu_s: float
    max_rss_mb: float


class Zygote:
    """A running zygote."""

    def __init__(self, **arguments: Any) -> None:
        """Start it (`launch.start` has the arguments) and wait for its hello.

        Raises StartError when it does not come to life, InputError as `launch.start` does.
        """
        try:
            started = launch.start(**arguments)
        except OSError as error:
            raise StartError(str(error)) from error
        self._control, self._process = started.control, started.process
        self._pidfd: int | None = None
        self._shares_user = os.geteuid() != 0
        self.alive = True
        try:
            self._control.settimeout(_HELLO_S)
            hello, self._pidfd = self._receive()
        except SandboxError as error:
            self.kill()
            started.errors.seek(0)
            lines = started.errors.read(20_000).decode("utf-8", "replace").strip().splitlines()
            raise StartError(lines[-1] if lines else str(error)) from error
        finally:
            started.errors.close()
        self._control.settimeout(_ANSWER_S)
        self.landlock, self.seccomp = bool(hello["landlock"]), bool(hello["seccomp"])
        self.pid = _outer_pid(self._pidfd)
        self._own_bytes = _address_space(self.pid)

    @property
    def launched_pid(self) -> int:
        """The process that was started: the zygote, or bubblewrap around it."""
        return self._process.pid

    def fork(self, limits: Limits, descriptors: list[int]) -> Fork:
        """Fork a candidate that gets the descriptors; it confines itself before all else.

        Raises SandboxError; the zygote is dead by then, unless it merely could not fork.
        """
        message = {
            "op": "fork",
            "cpu_s": math.ceil(limits.cpu_s),
            "as_bytes": self._own_bytes + limits.memory_mb * _MEGABYTE,
            "output_bytes": limits.output_bytes,
            "processes": limits.processes,
            "tasks": _tasks() if limits.processes > 1 and self._shares_user else 0,
        }
        answer, pidfd = self._ask(message, descriptors)
        if pidfd is None:
            raise SandboxError(f"the zygote could not fork: {answer.get('error')}")
        return Fork(answer["pid"], pidfd)

    def reap(self, fork: Fork) -> Exit:
        """Kill a candidate, if it still runs, and reap it. Raises SandboxError."""
        try:
            # Reaped by nobody else, so that the pidfd stands for this process whatever happens.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(fork.pidfd, signal.SIGKILL)
        finally:
            os.close(fork.pidfd)
        answer, _ = self._ask({"op": "reap", "pid": fork.pid}, [])
        return Exit(answer["exit"], answer["cpu_s"], answer["max_rss_mb"])

    def kill(self) -> None:
        """Kill it and with it, by the kernel, every candidate; reap it; safe to call twice."""
        self.alive = False
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            os.close(self._pidfd)
            self._pidfd = None
        self._control.close()
        try:
            # Bubblewrap ends when what it wraps does; an end of its own would orphan that.
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(
        self, message: dict[str, Any], descriptors: list[int]
    ) -> tuple[dict[str, Any], int | None]:
        if not self.alive:
            raise SandboxError("the zygote has ended")
        rights = array.array("i", descriptors)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if descriptors else []
        try:
            self._control.sendmsg([marshal.dumps(message)], ancillary)
            return self._receive()
        except OSError as error:
            self.kill()
            raise SandboxError(f"the zygote does not listen: {error}") from error
        except SandboxError:
            self.kill()
            raise

    def _receive(self) -> tuple[dict[str, Any], int | None]:
        space = socket.CMSG_SPACE(array.array("i").itemsize)
        try:
            text, ancillary, _, _ = self._control.recvmsg(_MESSAGE_BYTES, space)
        except TimeoutError:
            raise SandboxError("the zygote does not answer") from None
        except OSError as error:
            raise SandboxError(f"the zygote died: {error}") from error
        if not text:
            raise SandboxError("the zygote died")
        rights = array.array("i")
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                rights.frombytes(data)
        return marshal.loads(text), rights[0] if rights else None


def _outer_pid(pidfd: int | None) -> int:
    """Return a process's number in our own namespace; 0 where /proc does not say."""
    try:
        lines = Path(f"/proc/self/fdinfo/{pidfd}").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pid:")), 0)


def _tasks() -> int:
    """Return how many threads there are on the machine; 0 where /proc does not say.

    A limit on a user's threads counts all that this user has, at most these.
    """
    try:
        return int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].split("/")[1])
    except (OSError, IndexError, ValueError):
        return 0


def _address_space(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[0])
    except (OSError, IndexError, ValueError):
        return _ASSUMED_VM_MB * _MEGABYTE
    return pages * os.sysconf("SC_PAGE_SIZE")
