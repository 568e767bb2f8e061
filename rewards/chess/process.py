"""A child process talked to in lines: no wait without a deadline, no orphan."""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

MAX_LINE = 1 << 20
"""Bytes without a line break after which the output is taken for rubbish."""
REAP_S = 5.0
"""How long a killed process may take to disappear before we go on without it."""
_CHUNK = 1 << 16
_PR_SET_PDEATHSIG = 1


class ProcessEndedError(Exception):
    """The process closed its output or ended; the message says how."""


class RubbishError(Exception):
    """The process writes what cannot be lines of a protocol."""


def _die_with_parent() -> Callable[[], None] | None:
    """Return the hook that asks Linux to kill the child when its creator ends (None elsewhere).

    libc is loaded before the fork: between fork and exec nothing may import or take a lock.
    Elsewhere the end of file on its standard input makes an engine quit.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def hook() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return hook


class LineProcess:
    """One child process in a process group of its own, read and written in lines.

    A keeper thread starts the child and lives exactly as long: Linux sends the parent-death
    signal when the *thread* that forked ends, so a short-lived caller must not do the fork.
    """

    def __init__(self, path: Path, deadline: float) -> None:
        """Start `path`; `deadline` is in time.monotonic() seconds.

        Raises OSError when it cannot be executed, TimeoutError when that takes too long.
        """
        self._path = path
        self._born: queue.SimpleQueue[subprocess.Popen[bytes] | OSError] = queue.SimpleQueue()
        self._abandoned = threading.Event()
        self._exited = threading.Event()
        self._lines: deque[bytes] = deque()
        self._rest = b""
        threading.Thread(target=self._keep, name=f"keeper of {path.name}", daemon=True).start()
        try:
            born = self._born.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            self._abandoned.set()
            self._disown()
            raise TimeoutError(f"{path} did not start in time") from None
        if isinstance(born, OSError):
            raise born
        self._popen = born
        assert born.stdin is not None and born.stdout is not None
        self._stdin, self._stdout = born.stdin, born.stdout
        self.pid = born.pid
        self._poll = select.poll()
        self._poll.register(self._stdout, select.POLLIN)

    def _keep(self) -> None:
        try:
            popen = subprocess.Popen(
                [str(self._path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                start_new_session=True,
                preexec_fn=_die_with_parent(),
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self._born.put(OSError(str(error)))
            return
        self._born.put(popen)
        if self._abandoned.is_set():
            self._disown()
        if hasattr(os, "waitid"):
            # WNOWAIT leaves the zombie, so the pid cannot be another's when kill() signals it.
            os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)
        else:
            popen.wait()
        self._exited.set()

    def _disown(self) -> None:
        """Kill a process that was born too late; whichever thread finds it does it."""
        with contextlib.suppress(queue.Empty):
            born = self._born.get_nowait()
            if isinstance(born, subprocess.Popen):
                born.kill()

    @property
    def alive(self) -> bool:
        """Whether the process has not ended yet."""
        return not self._exited.is_set()

    def send(self, text: str) -> None:
        """Write `text` (whole lines). Raises ProcessEndedError when nobody reads any more.

        One call writes far less than a pipe holds and the next waits for an answer, so this
        cannot block on a process that has stopped reading.
        """
        try:
            self._stdin.write(text.encode())
        except (OSError, ValueError) as error:
            raise ProcessEndedError(self.ending()) from error

    def read_line(self, deadline: float) -> bytes:
        """Return the next line without its line break.

        Raises TimeoutError at `deadline` (time.monotonic() seconds), ProcessEndedError at the end
        of the output, RubbishError for a line that has no end.
        """
        while not self._lines:
            left = deadline - time.monotonic()
            if left <= 0 or not self._poll.poll(left * 1000):
                raise TimeoutError
            try:
                chunk = os.read(self._stdout.fileno(), _CHUNK)
            except OSError as error:
                raise ProcessEndedError(self.ending()) from error
            if not chunk:
                raise ProcessEndedError(self.ending())
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            self._lines.extend(lines)
            if len(self._rest) > MAX_LINE:
                raise RubbishError(f"a line of more than {MAX_LINE} bytes")
        return self._lines.popleft().rstrip(b"\r")

    def ending(self) -> str:
        """Say how the process ended; it is given a moment, since its output ends first."""
        if not self._exited.wait(0.5):
            return "closed its output"
        code = self._popen.wait()
        return f"died of signal {-code}" if code < 0 else f"ended with exit code {code}"

    def interrupt(self) -> None:
        """Kill the process group; safe from any thread, the reader then finds the end of file."""
        if self._popen.returncode is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                return

    def kill(self) -> None:
        """Kill the process group, reap the process and close its pipes; twice does no harm."""
        self.interrupt()
        if self._exited.wait(REAP_S):
            self._popen.wait()
        self._stdin.close()
        self._stdout.close()
