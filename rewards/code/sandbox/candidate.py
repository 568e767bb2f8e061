"""Candidate: one program in a process of its own, driven by the parent through two pipes."""

from __future__ import annotations

import json
import marshal
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, cast

from envs.code.values import Unsupported, decode, encode
from rewards.closing import Closes
from rewards.code.sandbox.channel import Channel, ClosedError, DeadlineError, FloodError, Sink
from rewards.code.sandbox.process import Exit, Zygote
from rewards.code.sandbox.types import (
    DETAIL_CHARS,
    GONE,
    Call,
    Limits,
    Outcome,
    SandboxError,
    Status,
    Usage,
)

_READY_S = 30.0
_AHEAD_BYTES = 32_768
"""Half of what a pipe holds; a candidate keeps in memory what it has read and not yet answered."""
_decoder = json.JSONDecoder()
_FROM_GUEST: frozenset[Status] = frozenset(
    {"ok", "exception", "memory", "output", "unsupported", "missing", "syntax"}
)


@dataclass
class Doing:
    """What a sandbox is working on, shared with its candidates."""

    text: str = "idle"


class Candidate(Closes):
    """A program loaded in a process of its own; a context manager that kills and reaps it."""

    load: Outcome
    """What came of executing the module's body."""

    def __init__(self, zygote: Zygote, limits: Limits, doing: Doing, extra: list[int]) -> None:
        """Fork. `extra`: a program's stdin and stdout, or nothing. Raises SandboxError."""
        self._zygote, self._limits, self._doing = zygote, limits, doing
        self._began = time.monotonic()
        self._usage: Usage | None = None
        self._exit: Exit | None = None
        self._why = ""
        request_read, request_write = os.pipe()
        reply_read, reply_write = os.pipe()
        try:
            self._fork = zygote.fork(limits, [request_read, reply_write, *extra])
        except BaseException:
            os.close(request_write)
            os.close(reply_read)
            raise
        finally:
            os.close(request_read)
            os.close(reply_write)
        self._channel = Channel(request_write, reply_read, limits.output_bytes)
        self._ready = False
        self._ahead: list[Call] = []
        self._raw: dict[str, Any] = {}
        self.load = Outcome("missing", detail="not loaded")

    def load_source(self, source: str, seed: int, ahead: Iterable[Call] = ()) -> None:
        """Execute the module's body; `load` says what came of it. Raises SandboxError.

        Calls that will be made next, in this order, may be sent `ahead`: the candidate then goes
        from one to the next without waiting for us. `call` still has to be called for each that
        matters, with the same `args` object; a call that is left out is made in vain.
        """
        self._doing.text = f"loading a program of {len(source)} characters"
        requests = [marshal.dumps({"op": "load", "source": source, "seed": seed})]
        room = _AHEAD_BYTES
        for call in ahead:
            request = _marshalled(call)
            room -= len(request)
            if room < 0:
                break
            requests.append(request)
            self._ahead.append(call)
        self.load = self._ask(requests, self._limits.wall_s)

    def run(self, source: str, seed: int, sink: Sink) -> Outcome:
        """Run a whole program to its end, its stdout into the sink. Raises SandboxError."""
        self._doing.text = f"running a program of {len(source)} characters"
        request = marshal.dumps({"op": "program", "source": source, "seed": seed})
        outcome = self._ask([request], self._limits.wall_s, sink=sink)
        if outcome.status == "crash" and self._exit is not None and self._exit.code >= 0:
            # os._exit, or a stray close of descriptors: for a program that is an end like others.
            code = self._exit.code
            detail = f"exit status {code}" if code else ""
            return replace(outcome, status="exception" if code else "ok", detail=detail)
        return outcome

    def call(
        self,
        function: str,
        args: list[Any],
        kwargs: dict[str, Any] | None = None,
        *,
        wall_s: float | None = None,
    ) -> Outcome:
        """Call a function of the candidate's module, within `wall_s` seconds (limits.wall_s).

        Raises SandboxError when the sandbox failed, Unsupported for arguments that cannot cross.
        """
        self._doing.text = f"calling {function} of a program"
        requests, before = self._due(Call(function, args, kwargs or {}))
        return self._ask(requests, self._limits.wall_s if wall_s is None else wall_s, before)

    def do(self, what: str, args: Any, kwargs: Any, *, wall_s: float) -> dict[str, Any]:
        """Do what executed test code asks (objects.py); the values are tagged and unchecked.

        Return the program's answer, whose `status` alone is sure to be one. Raises SandboxError.
        """
        self._doing.text = f"calling {what} of a program"
        before = len(self._ahead)
        self._ahead.clear()
        request = {"op": "answer" if what == "answer" else "do", "what": what}
        frame = marshal.dumps(request | {"args": args, "kwargs": kwargs})
        self._raw = {}
        outcome = self._ask([frame], wall_s, before, raw=True)
        found = self._raw if outcome.status in ("ok", "exception", "callback") else {}
        return found | {"status": outcome.status, "detail": outcome.detail}

    def close(self) -> Usage:
        """Kill and reap the process, and say what it used; safe to call twice.

        Raises SandboxError when the zygote, and so the candidate, was dead before.
        """
        if self._usage is None:
            wall_s = time.monotonic() - self._began
            self._usage = Usage(0.0, wall_s, 0.0)
            try:
                # Before the pipes close, which would wake it for nothing.
                self._exit = self._zygote.reap(self._fork)
            finally:
                self._channel.close()
            self._usage = Usage(self._exit.cpu_s, wall_s, self._exit.max_rss_mb)
        return self._usage

    def _await_ready(self) -> None:
        """Wait until the fork is confined. Raises SandboxError: no candidate can speak so early."""
        try:
            hello = json.loads(self._channel.receive(time.monotonic() + _READY_S))
        except (DeadlineError, ClosedError, FloodError) as error:
            raise SandboxError(f"a fork did not get ready ({type(error).__name__})") from error
        if hello["status"] != "ready":
            raise SandboxError(f"a fork could not be confined: {hello.get('detail')}")
        self._ready = True

    def _due(self, call: Call) -> tuple[list[bytes], int]:
        """Return what has to be sent for a call, and how many answers come before its own."""
        for before, sent in enumerate(self._ahead):
            if sent.args is call.args and sent == call:
                del self._ahead[: before + 1]
                return [], before
        before = len(self._ahead)
        self._ahead.clear()
        return [_marshalled(call)], before

    def _ask(
        self,
        requests: list[bytes],
        wall_s: float,
        before: int = 0,
        sink: Sink | None = None,
        raw: bool = False,
    ) -> Outcome:
        if self._usage is not None:
            self._doing.text = "idle"
            return Outcome("crash", detail=f"ended before: {self._why or 'closed'}")
        status: Status
        value, detail, error = None, "", None
        began = time.monotonic()
        try:
            for _ in range(before):
                self._channel.receive(began + wall_s)
            if requests:
                self._send(requests)
            if not self._ready:
                self._await_ready()
                began = time.monotonic()
            frame = self._channel.receive(began + wall_s, sink)
            status, value, detail, error = _parse(frame, self._raw if raw else None)
        except DeadlineError:
            status, detail = "timeout", f"no answer in {wall_s:g} s"
        except FloodError:
            status, detail = "output", f"more than {self._limits.output_bytes} bytes"
        except ClosedError as closed:
            status, detail = "crash", str(closed)
        finally:
            self._doing.text = "idle"
        seconds = time.monotonic() - began
        if status in GONE:
            self._why = status
            self.close()
            status, detail = self._explained(status, detail)
        return Outcome(status, value, detail, seconds, error)

    def _send(self, requests: list[bytes]) -> None:
        try:
            self._channel.send(*requests)
        except ClosedError:
            if not self._ready:
                # A fork that could not be confined may have ended before it is asked anything.
                self._await_ready()
            raise

    def _explained(self, status: Status, detail: str) -> tuple[Status, str]:
        """Say of a crash which signal it was, and whether that was the limit on CPU time."""
        ended = self._exit
        if status != "crash" or ended is None:
            return status, detail
        if ended.code == -signal.SIGXCPU or ended.cpu_s >= self._limits.cpu_s:
            return "timeout", f"more than {self._limits.cpu_s:g} s of CPU"
        if ended.code < 0 and ended.code != -signal.SIGKILL:
            return status, f"ended by {signal.strsignal(-ended.code)}"
        return status, detail


def _marshalled(call: Call) -> bytes:
    """Return the request for a call. Raises Unsupported for arguments that cannot cross."""
    function, args, kwargs = call
    request = {"op": "call", "function": function, "args": args, "kwargs": kwargs}
    try:
        # Exact built-in types alone can be marshalled, and there is nobody to fear on our side.
        return marshal.dumps(request)
    except ValueError:
        tagged = encode([args, kwargs])
        return marshal.dumps({"op": "call", "function": function, "tagged": tagged})


def _parse(frame: bytes, raw: dict[str, Any] | None = None) -> tuple[Status, Any, str, Any]:
    """Return status, value, detail and error of a frame, which may be a candidate's invention."""
    try:
        text = str(frame, "ascii")
        reply, end = _decoder.raw_decode(text)  # without the search for white space around
    except (ValueError, RecursionError):
        return "crash", None, "answered no JSON", None
    if end != len(text):
        return "crash", None, "answered more than JSON", None
    status = reply.get("status") if type(reply) is dict else None
    if type(status) is str and raw is not None and status in ("ok", "callback", "exception"):
        raw.update(reply)
        if status != "exception":
            return cast(Status, status), None, "", None
    if type(status) is not str or status not in _FROM_GUEST:
        return "crash", None, "answered out of turn", None
    if status == "ok":
        try:
            return "ok", decode(reply.get("value")), "", None
        except Unsupported as error:
            return "unsupported", None, str(error)[:DETAIL_CHARS], None
    detail = reply.get("detail")
    detail = detail[:DETAIL_CHARS] if type(detail) is str else ""
    return status, None, detail, reply.get("error")
