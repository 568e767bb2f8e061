"""The tests' own process: runs a data set's test code with the candidate behind a stub.

Run as a script, `python -s -S -P -B assert_worker.py VALUES_PY`, where VALUES_PY is
envs/code/values.py; it imports nothing else of the project. Lines of JSON on the standard streams:

    out   {"ready": true}                               once, at the start
    in    {"kind", "setup", "reference", "entry", "code", "alarm_s"}             one test
    out   {"call": name, "args": ..., "kwargs": ...}    a call of the stub, values encoded
    in    {"status": "ok", "value": ...} or {"status": ..., "detail": ...}       its answer
    out   {"result": status, "detail", "call", "expected", "got"}                the test's end

The candidate's program is never here: what it returns comes as plain values, what it raises as a
name and a text. The test code is the data set's and trusted as far as the data set is: it writes no
bytes to files, has 1 GiB of memory and an alarm that ends the process when nobody else does, and
runs in bubblewrap where the sandbox does (assert_process.py).
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import itertools
import json
import os
import random
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Any, BinaryIO

MEMORY_BYTES = 1 << 30
SHOWN = 300
"""Characters of a value or a test that a record keeps."""
_COMPILED_KEPT = 4096


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

    call: dict[str, Any] | None = None
    value: object = None
    has_value: bool = False
    pair: tuple[object, object] | None = None
    raised: BaseException | None = None
    stopped: Stopped | None = None


@dataclass(frozen=True)
class Compiled:
    """Test code whose asserts ask `__held__`; `names` are those that occur in it."""

    code: CodeType
    names: frozenset[str]


class _Rewrite(ast.NodeTransformer):
    """`assert T` becomes `__held__(text, T)`; `a == b` and `a == b == c` in it `__equal__(...)`."""

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        text = ast.unparse(node)
        text = text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
        call = _call("__held__", ast.Constant(text), self._compared(node.test))
        return ast.copy_location(ast.Expr(call), node)

    def _compared(self, test: ast.expr) -> ast.expr:
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            test.values = [self._compared(value) for value in test.values]
        elif isinstance(test, ast.Compare) and all(isinstance(op, ast.Eq) for op in test.ops):
            return _call("__equal__", test.left, *test.comparators)
        return test


def _call(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(args), [])


def compile_test(source: str) -> Compiled:
    """Return `source` with its asserts rewritten. Raises what `compile` raises."""
    tree = ast.parse(source)
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    tree = ast.fix_missing_locations(_Rewrite().visit(tree))
    return Compiled(compile(tree, "<test>", "exec"), frozenset(names))


class Worker:
    """Answers requests on two streams; `values` is the module envs/code/values.py."""

    def __init__(self, values: ModuleType, source: BinaryIO, sink: BinaryIO) -> None:
        self._values, self._source, self._sink = values, source, sink
        self._compiled: dict[str, Compiled] = {}
        self._record = Record()

    def serve(self) -> None:
        """Answer requests until the input ends."""
        self._send({"ready": True})
        while line := self._source.readline():
            request = json.loads(line)
            signal.setitimer(signal.ITIMER_REAL, request["alarm_s"])
            result = self._test(request)
            signal.setitimer(signal.ITIMER_REAL, 0)
            self._send(result)

    def _test(self, request: dict[str, Any]) -> dict[str, Any]:
        self._record = Record()
        random.seed(0)
        where = "setup"
        try:
            space = self._space(request)
            where = "error"
            exec(self._compile(request["code"]).code, space)
            if request["kind"] == "check":
                space["check"](self._stub(request["entry"]))
        except BaseException as error:
            # Whatever the test raised, SystemExit included, is its result and not our end.
            return self._failure(error, where)
        if self._record.stopped is not None:
            # The test code swallowed it; a stopped test never passes.
            return self._failure(self._record.stopped, where)
        return {"result": "pass"}

    def _space(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the names that the test code finds, its setup among them."""
        space: dict[str, Any] = {
            "__name__": "tests",
            "__builtins__": dict(vars(builtins)),
            "__held__": _held,
            "__equal__": self._equal,
        }
        if request["setup"].strip():
            exec(self._compile(request["setup"]).code, space)
        entry = request["entry"]
        space[entry] = self._stub(entry)
        own = request["kind"] == "check" and entry in self._compile(request["code"]).names
        if own and request["reference"]:
            # HumanEval/33 as published compares the candidate with itself, which any list passes:
            # where a check names the function, the reference is meant.
            known = {"__name__": "tests"}
            exec(compile(request["reference"], "<reference>", "exec"), known)
            space[entry] = known[entry]
        return space

    def _compile(self, source: str) -> Compiled:
        found = self._compiled.get(source)
        if found is None:
            if len(self._compiled) >= _COMPILED_KEPT:
                self._compiled.clear()
            found = self._compiled[source] = compile_test(source)
        return found

    def _equal(self, *values: object) -> bool:
        """Return `a == b == ...`, nearly where two floats meet, whoever stands on which side."""
        for left, right in itertools.pairwise(values):
            turned = right is self._record.value and left is not right
            self._record.pair = (right, left) if turned else (left, right)
            if not (bool(left == right) or bool(self._values.same(right, left))):
                return False
        return True

    def _stub(self, name: str) -> Callable[..., Any]:
        def candidate(*args: Any, **kwargs: Any) -> Any:
            return self._ask(name, args, kwargs)

        candidate.__name__ = candidate.__qualname__ = name
        return candidate

    def _ask(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        record = self._record
        record.has_value, record.pair = False, None
        try:
            call = {
                "call": name,
                "args": self._values.encode(list(args)),
                "kwargs": self._values.encode(kwargs),
            }
        except self._values.Unsupported as error:
            raise self._stop("unsupported", f"an argument of the test: {error}") from None
        record.call = call
        self._send(call)
        line = self._source.readline()
        if not line:
            os._exit(0)
        reply = json.loads(line)
        if reply["status"] == "ok":
            record.value, record.has_value = self._values.decode(reply["value"]), True
            return record.value
        if reply["status"] == "exception":
            data = reply.get("error")
            record.raised = _raised(data, self._values.decode, reply["detail"])
            raise record.raised
        raise self._stop(reply["status"], reply["detail"])

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
                found |= {"got": self._show(got), "expected": self._show(expected)}
        elif error is record.raised:
            found = {"result": "exception", "detail": _told(error)}
        else:
            found = {"result": where, "detail": _told(error)}
        if record.has_value and "got" not in found:
            found["got"] = self._show(record.value)
        if record.call is not None:
            found |= {"args": record.call["args"], "kwargs": record.call["kwargs"]}
        return found

    def _show(self, value: object) -> str:
        try:
            return str(self._values.shown(value, SHOWN))
        except Exception as error:
            return f"<{type(value).__name__}: {type(error).__name__} in repr>"

    def _send(self, message: dict[str, Any]) -> None:
        self._sink.write(json.dumps(message).encode() + b"\n")
        self._sink.flush()


def _held(text: str, truth: object) -> None:
    if not truth:
        raise Failed(text)


def _raised(error: Any, decode: Callable[[Any], Any], detail: str) -> BaseException:
    """Return what the candidate raised, made again (envs/code/raised.py)."""
    made: BaseException = vars(sys.modules["envs.code.raised"])["rebuilt"](error, decode, detail)
    return made


def _told(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = "?"
    return f"{type(error).__name__}: {text}"[:SHOWN]


def _load(path: str) -> ModuleType:
    """Return the module at `path`, which is envs/code/values.py, with those that it imports."""
    for package in ("envs", "envs.code"):
        made = sys.modules[package] = ModuleType(package)
        made.__path__ = []
    found: dict[str, ModuleType] = {}
    for name in ("rich", "values", "raised"):
        full = f"envs.code.{name}"
        file = os.path.join(os.path.dirname(path), f"{name}.py")
        spec = importlib.util.spec_from_file_location(full, file)
        assert spec is not None and spec.loader is not None
        module = found[name] = sys.modules[full] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    vars(found["rich"])["makes_arrays"] = True
    return found["values"]


def main() -> None:
    """Serve the standard streams; test code that prints or reads finds /dev/null there."""
    values = _load(sys.argv[1])
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    os.chdir("/")
    for kind, limit in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))
    Worker(values, source, sink).serve()


if __name__ == "__main__":
    main()
