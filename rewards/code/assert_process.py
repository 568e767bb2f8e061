"""AssertProcess: the processes that run a data set's test code, as their parent sees them."""

from __future__ import annotations

import json
import marshal
import math
import os
import re
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from envs.code.values import MAX_BYTES
from rewards.closing import Closes
from rewards.code.compiled import compile_plain, compile_test
from rewards.code.draws import derived, hash_seed, new_secret
from rewards.code.sandbox import Limits, Sandbox, SandboxError
from rewards.code.sandbox.channel import Channel, ClosedError, DeadlineError, FloodError
from rewards.code.sandbox.process import Fork, Zygote

SERVER = ("rewards.code.assert_worker", "rewards.code.seeded", "rewards.code.remote")
MEMORY_MB = 1024
_NUMPY = re.compile(r"^[ \t]{0,40}(?:import|from)[ \t]{1,8}numpy\b", re.MULTILINE)
_READY_S = 30.0
_MAX_MESSAGE = 4 * MAX_BYTES
_RESULTS = frozenset(
    {"pass", "wrong", "exception", "error", "setup", "timeout", "memory", "output", "crash"}
    | {"unsupported", "missing", "syntax"}
)

Call = Callable[[str, Any, Any], dict[str, Any]]
"""Answers a call of the stub: name, encoded arguments, encoded keyword arguments."""


class AssertProcessError(Exception):
    """The process died, or wrote rubbish, in the middle of a test."""


class AssertTimeoutError(Exception):
    """The test was still busy at its deadline; its process has ended."""


class AssertProcess(Closes):
    """A process for each test, forked from a zygote of the tests' own, which runs no test itself.

    They are confined as the sandbox's candidates are: no file but the standard library, no socket,
    no other process, limits on time and memory. Tests that import numpy, as HumanEval+'s do, find
    it where it is installed, whatever programs may use; they have a zygote of their own. What a
    test draws at random follows from `secret` and the test. A zygote starts at the first test and
    again whenever it was lost. Use it as a context manager or call `close`. Not thread-safe.
    """

    def __init__(self, sandbox: Sandbox, secret: bytes | None = None) -> None:
        """Start nothing yet; `secret` None: one that nobody knows."""
        self._sandbox = sandbox
        self._secret = secret or new_secret()
        self._zygotes: dict[bool, Zygote] = {}

    @property
    def pid(self) -> int | None:
        """The zygote that lives, or bubblewrap around it; None while there is none."""
        return next((z.launched_pid for z in self._zygotes.values() if z.alive), None)

    def run(self, test: dict[str, Any], call: Call, seconds: float) -> dict[str, Any]:
        """Return the result of one test, `{"kind", "setup", "reference", "entry", "code"}`.

        assert_worker.py says what stands in the result; `args` and `kwargs`, encoded, are those of
        the last call. A test that compares nothing of what came back does not pass. Raises
        AssertTimeoutError after `seconds`, AssertProcessError, and SandboxError where no process
        can be started.
        """
        request = self._request(test)
        if "result" in request:
            return request
        until = time.monotonic() + seconds
        numpy = self.needs_numpy(test["setup"], test["code"], test["reference"] or "")
        with _Run(*self._fork(seconds, numpy)) as run:
            result = run.through(request, call, until)
        if result["result"] == "pass" and not (run.calls and result["compared"] > 0):
            return {"result": "error", "detail": "the test compared nothing that came back"}
        return result

    def needs_numpy(self, *code: str) -> bool:
        """Return whether test code finds numpy: where it imports it, or every program may."""
        if self._sandbox.limits.numpy:
            return True
        return any(map(_NUMPY.search, code)) and find_spec("numpy") is not None

    def start(self, *, numpy: bool = False) -> None:
        """Start the zygote unless it runs, which `run` does too.

        Raises SandboxError where no process can be started.
        """
        self._started(numpy)

    def _started(self, numpy: bool) -> Zygote:
        zygote = self._zygotes.get(numpy)
        if zygote is None or not zygote.alive:
            zygote = self._sandbox.beside(SERVER, hash_seed(self._secret), numpy=numpy)
            self._zygotes[numpy] = zygote
        return zygote

    def close(self) -> None:
        """Kill and reap the zygote; the next test starts another."""
        zygotes, self._zygotes = self._zygotes, {}
        for zygote in zygotes.values():
            zygote.kill()

    def _request(self, test: dict[str, Any]) -> dict[str, Any]:
        """Return what the process gets, or the result of a test that does not even compile."""
        where = "setup"
        try:
            setup = compile_test(test["setup"]) if test["setup"].strip() else None
            where = "error"
            code = compile_test(test["code"])
            own = test["kind"] == "check" and test["entry"] in code.names
            plain = compile_plain(test["reference"]) if own and test["reference"] else None
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
            return {"result": where, "detail": f"{type(error).__name__}: {error}"[:300]}
        return {
            "kind": test["kind"],
            "setup": setup.code if setup else None,
            "code": code.code,
            "reference": plain,
            "entry": test["entry"],
            "raises": code.raises or bool(setup and setup.raises),
            "key": derived(self._secret, *(str(test[name]) for name in sorted(test))),
        }

    def _fork(self, seconds: float, numpy: bool) -> tuple[Zygote, Fork, Channel]:
        limits = Limits(
            cpu_s=math.ceil(seconds) + 1,
            memory_mb=MEMORY_MB,
            output_bytes=_MAX_MESSAGE,
            processes=1,
            numpy=numpy,
        )
        try:
            return _forked(self._started(numpy), limits)
        except SandboxError:
            # It was lost between two tests, which is nobody's failure.
            return _forked(self._started(numpy), limits)


def _forked(zygote: Zygote, limits: Limits) -> tuple[Zygote, Fork, Channel]:
    request_read, request_write = os.pipe()
    reply_read, reply_write = os.pipe()
    try:
        fork = zygote.fork(limits, [request_read, reply_write])
    except BaseException:
        os.close(request_write)
        os.close(reply_read)
        raise
    finally:
        os.close(request_read)
        os.close(reply_write)
    return zygote, fork, Channel(request_write, reply_read, limits.output_bytes)


class _Run(Closes):
    """One test in its process; a context manager that kills and reaps it."""

    def __init__(self, zygote: Zygote, fork: Fork, channel: Channel) -> None:
        self._zygote, self._fork, self._channel = zygote, fork, channel
        self.calls = 0

    def close(self) -> None:
        """Kill and reap the process. Raises SandboxError."""
        try:
            self._zygote.reap(self._fork)
        finally:
            self._channel.close()

    def through(self, request: dict[str, Any], call: Call, until: float) -> dict[str, Any]:
        """Return the test's result; what its process says is not to be trusted further than that.

        Raises AssertTimeoutError and AssertProcessError.
        """
        try:
            self._channel.send(marshal.dumps(request))
            if not self._receive(max(until, time.monotonic() + _READY_S)).get("ready"):
                raise AssertProcessError("the tests' process could not be confined")
            asked: dict[str, Any] = {}
            while "call" in (message := self._receive(until)):
                asked = {name: message.get(name) for name in ("args", "kwargs")}
                reply = call(str(message["call"]), *asked.values())
                self.calls += reply["status"] in ("ok", "exception")
                self._channel.send(marshal.dumps(reply))
        except DeadlineError:
            raise AssertTimeoutError("the test was still busy at its deadline") from None
        except (ClosedError, FloodError) as error:
            text = str(error) or f"a message of more than {_MAX_MESSAGE} bytes"
            raise AssertProcessError(f"the tests' process {text}") from error
        return _checked(message) | asked

    def _receive(self, until: float) -> dict[str, Any]:
        try:
            message = json.loads(self._channel.receive(until))
        except (ValueError, RecursionError) as error:
            raise AssertProcessError(f"the tests' process wrote no JSON: {error}") from None
        if not isinstance(message, dict):
            raise AssertProcessError("the tests' process wrote a message that is no object")
        return message


def _checked(message: dict[str, Any]) -> dict[str, Any]:
    """Return a result with fields of the right types only. Raises AssertProcessError."""
    result, compared = message.get("result"), message.get("compared")
    if result not in _RESULTS or type(compared) is not int:
        raise AssertProcessError("the tests' process gave no result")
    texts = {name: message[name] for name in ("detail", "expected", "got") if name in message}
    if not all(type(text) is str for text in texts.values()):
        raise AssertProcessError("the tests' process gave no texts")
    return {"result": result, "compared": compared} | texts
