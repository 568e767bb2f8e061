"""AssertProcess: the process that runs a data set's test code, as its parent sees it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import envs.code.values
from envs.code.values import MAX_BYTES
from rewards.closing import Closes
from rewards.code.sandbox import SandboxError

SCRIPT = Path(__file__).with_name("assert_worker.py")
VALUES = Path(envs.code.values.__file__)
START_S = 30.0
"""How long the process may take to come up, on a machine that is busy."""
_ALARM_MARGIN_S = 5.0
_LIVES = 5000
"""Tests after which a new process is taken, so that no test's leftovers live for ever."""
_CHUNK = 1 << 16
_MAX_LINE = 4 * MAX_BYTES

Call = Callable[[str, Any, Any], dict[str, Any]]
"""Answers a call of the stub: name, encoded arguments, encoded keyword arguments."""


class AssertProcessError(Exception):
    """The process died, or wrote rubbish, in the middle of a test."""


class AssertTimeoutError(Exception):
    """The test was still busy at its deadline; the process is gone."""


class AssertProcess(Closes):
    """One process, started at the first test and again whenever it was lost.

    With `bubblewrap`, the path of that program, it sees the machine's files read-only and neither
    network nor other processes. Use it as a context manager or call `close`. Not thread-safe.
    """

    def __init__(self, bubblewrap: str | None = None) -> None:
        """Start nothing yet."""
        self._wrapped = [] if bubblewrap is None else [bubblewrap, *_namespaces(), "--"]
        self._popen: subprocess.Popen[bytes] | None = None
        self._served = 0
        self._reading = select.poll()
        self._rest = b""
        self._lines: list[bytes] = []

    @property
    def pid(self) -> int | None:
        """The process, or bubblewrap around it; None while there is none."""
        return None if self._popen is None else self._popen.pid

    def run(self, test: dict[str, Any], call: Call, seconds: float) -> dict[str, Any]:
        """Return the result of one test (assert_worker.py says what stands in both).

        Raises AssertTimeoutError behind `seconds`, AssertProcessError, and SandboxError where no
        process can be started.
        """
        try:
            popen = self._ready()
            self._served += 1
            until = time.monotonic() + seconds
            self._send(popen, test | {"alarm_s": seconds + _ALARM_MARGIN_S}, until)
            while "call" in (message := self._receive(popen, until)):
                reply = call(message["call"], message["args"], message["kwargs"])
                self._send(popen, reply, until)
        except (KeyError, TypeError, ValueError, OSError) as error:
            self.close()
            raise AssertProcessError(f"{type(error).__name__}: {error}") from error
        except BaseException:
            # A test that did not end may still be running, or have an answer on its way.
            self.close()
            raise
        return message

    def start(self) -> None:
        """Start the process unless it runs, which `run` does too.

        Raises SandboxError where no process can be started.
        """
        self._ready()

    def close(self) -> None:
        """Kill and reap the process; the next test starts another."""
        popen, self._popen = self._popen, None
        if popen is None:
            return
        # The group: bubblewrap and what it wraps. Not reaped yet, so the number is still its own.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(popen.pid, signal.SIGKILL)
        popen.wait()
        for stream in (popen.stdin, popen.stdout):
            assert stream is not None
            stream.close()

    def _ready(self) -> subprocess.Popen[bytes]:
        if self._popen is not None and (self._served >= _LIVES or self._popen.poll() is not None):
            self.close()
        if self._popen is None:
            try:
                self._popen = self._start()
            except (AssertProcessError, AssertTimeoutError, OSError) as error:
                self.close()
                if not self._wrapped:
                    raise SandboxError(f"the tests' process did not start: {error}") from error
                self._wrapped = []  # it has its limits without
                return self._ready()
        return self._popen

    def _start(self) -> subprocess.Popen[bytes]:
        popen = self._popen = subprocess.Popen(
            [*self._wrapped, sys.executable, "-s", "-S", "-P", "-B", str(SCRIPT), str(VALUES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={"PYTHONHASHSEED": "0"},  # a test that walks a set does so in one order
            start_new_session=True,
        )
        for stream in (popen.stdin, popen.stdout):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
        assert popen.stdout is not None
        self._reading = select.poll()
        self._reading.register(popen.stdout, select.POLLIN)
        self._served, self._rest, self._lines = 0, b"", []
        self._receive(popen, time.monotonic() + START_S)
        return popen

    def _send(self, popen: subprocess.Popen[bytes], message: dict[str, Any], until: float) -> None:
        assert popen.stdin is not None
        left = memoryview(json.dumps(message).encode() + b"\n")
        descriptor = popen.stdin.fileno()
        while left:
            try:
                left = left[os.write(descriptor, left) :]
            except BlockingIOError:
                writing = select.poll()
                writing.register(descriptor, select.POLLOUT)
                _wait(writing, until)

    def _receive(self, popen: subprocess.Popen[bytes], until: float) -> dict[str, Any]:
        assert popen.stdout is not None
        descriptor = popen.stdout.fileno()
        parts = [self._rest]
        while not self._lines:
            _wait(self._reading, until)
            chunk = os.read(descriptor, _CHUNK)
            if not chunk:
                raise AssertProcessError(f"the tests' process ended with {popen.wait()}")
            *lines, rest = chunk.split(b"\n")
            if lines:
                self._lines.append(b"".join([*parts, lines[0]]))
                self._lines += lines[1:]
                parts = []
            parts.append(rest)
            if sum(map(len, parts)) > _MAX_LINE:
                raise AssertProcessError(f"a line of more than {_MAX_LINE} bytes")
        self._rest = b"".join(parts)
        message = json.loads(self._lines.pop(0))
        if not isinstance(message, dict):
            raise AssertProcessError("a message that is no object")
        return message


def _namespaces() -> list[str]:
    """Return bubblewrap's arguments. No /proc is mounted: many containers do not allow it."""
    words = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    words += ["--die-with-parent", "--ro-bind", "/", "/", "--dev-bind", "/dev/null", "/dev/null"]
    return [*words, "--cap-drop", "ALL"] if os.geteuid() == 0 else [*words, "--unshare-user"]


def _wait(poll: select.poll, until: float) -> None:
    left = until - time.monotonic()
    if left <= 0 or not poll.poll(left * 1000):
        raise AssertTimeoutError("the test was still busy at its deadline")
