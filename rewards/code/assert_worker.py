"""The tests' own process: runs one test of a data set with a stub in the place of the candidate.

A fork of a zygote of its own (sandbox/zygote.py), confined as a candidate's process is, before it
has read a word; it runs one test and ends. Whatever a program's answer makes of the test code, it
reaches no other test and nothing outside. Frames are those of the sandbox's guest: marshalled from
the judge, who is to be trusted, and JSON to it:

    out   {"ready": true}                                                 once it is confined
    in    {"kind", "setup", "code", "reference", "entry", "raises", "key"}       the test
    out   {"call": name, "args": ..., "kwargs": ...}    a call of the stub, values encoded
    in    {"status": "ok", "value": ...} or {"status": ..., "detail": ...}       its answer
    in    {"status": "callback", "id", "name", "args", "kwargs"}     it asks the test (remote.py)
    out   {"result": status, "detail", "expected", "got", "compared": n}         the test's end

The candidate's program is never here: what it returns and raises comes as plain data, made anew, or
as the number of an object that stays there (remote.py).
"""

from __future__ import annotations

import builtins
import itertools
import json
import marshal
import os
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType
from typing import Any

from envs.code import rich
from envs.code.raised import rebuilt
from envs.code.values import Unsupported, decode, same, shown
from rewards.code import remote, seeded

SHOWN = 300
"""Characters of a value or a text that a record keeps."""
_HEAD = struct.Struct(">I")
_REHEARSALS = 20
_REHEARSED = """
def check(candidate):
    for x in (1, 1):
        "\\0held"("assert", "\\0equal"(candidate(x), 2))
"""


class Stopped(BaseException):
    """The test cannot go on: no exception of the candidate's, so `except Exception` misses it."""

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class Failed(AssertionError):
    """An assert of the test code does not hold; the message is its text."""


@dataclass
class Record:
    """What happened last in the test that runs, for whoever asks why it failed."""

    asked: bool = False
    value: object = None
    has_value: bool = False
    pair: tuple[object, object] | None = None
    raised: BaseException | None = None
    stopped: Stopped | None = None
    compared: int = 0
    """Comparisons since the first answer, and exceptions of the candidate's that were expected."""


class Worker:
    """Runs one test; requests come on one descriptor and replies go to another."""

    def __init__(self, source: int, sink: int) -> None:
        self._source, self._sink = source, sink
        self._record = Record()
        self._desk = remote.Desk(self._ask)

    def serve(self) -> None:
        """Run the test that comes, and send its result."""
        request = self._receive()
        if request is not None:
            self._send(self._test(request) | {"compared": self._record.compared})

    def _test(self, request: dict[str, Any]) -> dict[str, Any]:
        seeded.start(request["key"])
        where = "setup"
        try:
            space = self._space(request)
            where = "error"
            exec(self._code(request["code"]), space)
            if request["kind"] == "check":
                space["check"](self._stub(request["entry"]))
        except BaseException as error:
            # Whatever the test raised, SystemExit included, is its result and not our end.
            return self._failure(error, where)
        record = self._record
        if record.stopped is not None:
            # The test code swallowed it; a stopped test never passes.
            return self._failure(record.stopped, where)
        if request["raises"] and record.raised is not None:
            record.compared += 1  # `assertRaises` and the like have no `except` of the test's
        return {"result": "pass"}

    def _space(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the names that the test code finds, its setup among them."""
        space: dict[str, Any] = {"__name__": "tests", "__builtins__": dict(vars(builtins))}
        if request["setup"] is not None:
            exec(self._code(request["setup"]), space)
        entry = request["entry"]
        space[entry] = self._stub(entry)
        if request["reference"] is not None:
            # HumanEval/33 as published compares the candidate with itself, which any list passes:
            # where a check names the function, the reference is meant.
            known = {"__name__": "tests"}
            exec(marshal.loads(request["reference"]), known)
            space[entry] = known[entry]
        return space

    def _code(self, marshalled: bytes) -> CodeType:
        """Return test code with the functions that count put in."""
        record = self._record

        def held(text: str, truth: object) -> None:
            if not truth:
                raise Failed(text)
            record.compared += record.asked

        def equal(*values: object) -> bool:
            """Return `a == b == ...`, nearly where two floats meet, on whichever side."""
            for left, right in itertools.pairwise(values):
                turned = right is record.value and left is not right
                record.pair = (right, left) if turned else (left, right)
                if not (bool(left == right) or same(right, left)):
                    return False
            return True

        def noted(value: object) -> object:
            record.compared += record.asked
            return value

        def caught() -> None:
            record.compared += sys.exception() is record.raised

        functions = (("held", held), ("equal", equal), ("noted", noted), ("caught", caught))
        return bound(marshal.loads(marshalled), {f"\0{name}": one for name, one in functions})

    def _stub(self, name: str) -> Callable[..., Any]:
        return remote.Stub(self._ask, name)

    def _ask(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        record = self._record
        record.has_value, record.pair = False, None
        try:
            encoded = self._desk.encoded([args, kwargs])
            call = {"call": name, "args": encoded[0], "kwargs": encoded[1]}
        except Unsupported as error:
            raise self._stop("unsupported", f"an argument of the test: {error}") from None
        reply = self._answered(call)
        record.asked = True
        try:
            # What came is the program's word alone, and may be no answer at all.
            if reply["status"] in ("ok", "exception"):
                self._desk.update(reply, args)
            if reply["status"] == "ok":
                record.value, record.has_value = self._desk.result(reply, args), True
                return record.value
        except Exception as error:
            raise self._stop("unsupported", f"{type(error).__name__}: {error}") from None
        if reply["status"] == "exception":
            record.raised = rebuilt(reply.get("error"), decode, reply["detail"])
            raise record.raised
        raise self._stop(reply["status"], reply["detail"])

    def _answered(self, call: dict[str, Any]) -> dict[str, Any]:
        """Return the program's answer; on the way it may ask for functions of the test's."""
        self._send(call)
        while True:
            reply = self._receive()
            if reply is None:
                os._exit(0)
            if reply["status"] != "callback":
                return reply
            try:
                answer = self._desk.answer(reply)
            except Exception as error:
                raise self._stop("unsupported", f"{type(error).__name__}: {error}") from None
            self._send({"call": "answer", "args": answer, "kwargs": {"d": []}})

    def _stop(self, status: str, detail: str) -> Stopped:
        self._record.stopped = Stopped(status, detail)
        return self._record.stopped

    def _failure(self, error: BaseException, where: str) -> dict[str, Any]:
        record = self._record
        found: dict[str, Any]
        if record.stopped is not None:
            found = {"result": record.stopped.status, "detail": record.stopped.detail}
        elif isinstance(error, Failed):
            found = {"result": "wrong", "detail": str(error)}
            if record.pair is not None:
                got, expected = record.pair
                found |= {"got": _show(got), "expected": _show(expected)}
        elif error is record.raised:
            found = {"result": "exception", "detail": _in_words(error)}
        else:
            found = {"result": where, "detail": _in_words(error)}
        if record.has_value and "got" not in found:
            found["got"] = _show(record.value)
        return found

    def _send(self, message: dict[str, Any]) -> None:
        text = json.dumps(message).encode()
        view = memoryview(_HEAD.pack(len(text)) + text)
        while view:
            view = view[os.write(self._sink, view) :]

    def _receive(self) -> dict[str, Any] | None:
        """Return the next message, None where the judge has ended."""
        head = self._read(_HEAD.size)
        if len(head) < _HEAD.size:
            return None
        message: dict[str, Any] = marshal.loads(self._read(_HEAD.unpack(head)[0]))
        return message

    def _read(self, size: int) -> bytes:
        parts = []
        while size and (part := os.read(self._source, size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def bound(code: CodeType, functions: dict[str, Callable[..., Any]]) -> CodeType:
    """Return the code with functions in the place of the constants that stand for them."""
    constants = tuple(
        bound(one, functions)
        if isinstance(one, CodeType)
        else functions.get(one, one)
        if type(one) is str
        else one
        for one in code.co_consts
    )
    return code.replace(co_consts=constants)


def serve(request_fd: int, reply_fd: int, output_bytes: int) -> None:
    """Run one test for the judge; called in a fork of the zygote, once it is confined."""
    worker = Worker(request_fd, reply_fd)
    worker._send({"ready": True})
    worker.serve()


def rehearse() -> None:
    """Go through a test in the zygote, whose bytecode adapts, and take over what is random."""
    seeded.install()
    rich.makes_arrays = True
    code = marshal.dumps(compile(_REHEARSED, "<test>", "exec"))
    test: dict[str, Any] = {"kind": "check", "setup": None, "code": code, "reference": None}
    test |= {"entry": "f", "raises": False, "key": b"rehearsed"}
    answer = {"status": "ok", "value": 2}
    for _ in range(_REHEARSALS):
        requests, ours = os.pipe()
        replies, theirs = os.pipe()
        for message in (test, answer, answer):
            text = marshal.dumps(message)
            os.write(ours, _HEAD.pack(len(text)) + text)
        Worker(requests, theirs).serve()
        for descriptor in (requests, ours, replies, theirs):
            os.close(descriptor)


def _show(value: object) -> str:
    try:
        return str(shown(value, SHOWN))
    except Exception as error:
        return f"<{type(value).__name__}: {type(error).__name__} in repr>"


def _in_words(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = "?"
    return f"{type(error).__name__}: {text}"[:SHOWN]
