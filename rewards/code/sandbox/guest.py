"""The candidate's side of the protocol: runs in the confined fork, beside hostile code.

Frames are four bytes of length, big-endian, and a marshalled request (the parent is to be trusted)
or a reply in JSON (we are not). Requests: `load`, `program`, `call`; one reply for each, in order,
however many of them lie in the pipe. Nothing here is a secret or a judge: whatever a candidate does
to these functions, it can only change which values it answers.
"""

from __future__ import annotations

import json
import marshal
import os
import random
import struct
import sys
import types
from collections.abc import Callable
from typing import Any

from envs.code.raised import described
from envs.code.values import Unsupported, decode, encode
from rewards.code.sandbox import interpreter
from rewards.code.sandbox.objects import Desk

DETAIL_CHARS = 500
Reply = dict[str, Any]

_HEAD = struct.Struct(">I")
SEEDED = 0
"""The seed that every fork starts from."""
_REHEARSALS = 20
_PIECE = 65536
_FIRST_PIECE = 4096
"""Holds most requests whole, and can be had where a program has taken nearly all memory."""
_NAME = "solution"
_REHEARSED = '''
from typing import Any, Dict, List, Optional, Set, Tuple
import collections, math, re, string

class Thing:
    """One."""
    def __init__(self, x: int = 0) -> None:
        self.x = x

def f(xs: List[int], more: Optional[Dict[str, Tuple[int, float]]] = None) -> Any:
    """Two."""
    total, seen = 0, set()
    for i, x in enumerate(sorted(xs, key=lambda x: -x)):
        if x not in seen and (x % 2 == 0 or i > 0):
            total += int(math.sqrt(x)) + len(str(x).split())
            seen.add(x)
    while total > 10:
        total //= 2
    try:
        text = "".join(chr(97 + x) for x in xs if x >= 0).upper().replace("A", "b")
    except ValueError:
        raise
    return [{"total": total, text: [x ** 2 for x in xs]}, Thing(1).x, (1.5, None, True)]
'''


def _frame(text: bytes) -> bytes:
    return _HEAD.pack(len(text)) + text


def _make_encoder() -> Callable[[Reply], str]:
    """Return `json.dumps` for replies, made once: it makes itself anew for every call."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return json.dumps
    text = json.encoder.encode_basestring_ascii
    encode = make(None, json.JSONEncoder().default, text, None, ":", ",", False, False, True)
    return lambda reply: "".join(encode(reply, 0))


_to_json = _make_encoder()
_desks: list[Desk] = []
_pipes: list[Any] = []
"""Where requests come from, where replies go, and how long they may be."""
_streams: list[Any] = []
"""The standard streams as they were opened, whatever a program puts in their places."""
_READY = _frame(b'{"status": "ready"}')
_NONE: Reply = {"status": "ok", "value": None}
_NONE_FRAME = _frame(json.dumps(_NONE).encode("ascii"))


def make_streams() -> None:
    """Open the standard streams anew, in the zygote, for the forks to inherit."""
    streams = {
        "stdin": os.fdopen(0, encoding="utf-8", errors="surrogateescape", closefd=False),
        "stdout": os.fdopen(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False),
        "stderr": os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False),
    }
    vars(sys).update(streams)
    vars(sys).update({f"__{name}__": stream for name, stream in streams.items()})
    sys.argv = ["program.py"]
    _streams[:] = streams.values()


def rehearse() -> None:
    """Go through the motions in the zygote, so that the interpreter has adapted its bytecode.

    Every page that a fork writes to is copied, and those copies are most of what a fork costs.
    """
    load = {"op": "load", "source": _REHEARSED, "seed": 0}
    call = {"op": "call", "function": "f", "args": [[1, 2]], "kwargs": {}}
    for _ in range(_REHEARSALS):
        module = types.ModuleType(_NAME)
        requests, ours = os.pipe()
        replies, theirs = os.pipe()
        os.write(ours, b"".join(_frame(marshal.dumps(request)) for request in (load, call)))
        received = _Requests(requests)
        for _ in (load, call):
            frame = received.next()
            if frame is not None:
                send(theirs, _answer(frame, module))
        for descriptor in (requests, ours, replies, theirs):
            os.close(descriptor)
    sys.modules.pop(_NAME)
    _seed_all(SEEDED)


def serve(request_fd: int, reply_fd: int, output_bytes: int) -> None:
    """Answer requests until the parent closes its end or kills us."""
    module = types.ModuleType(_NAME)
    os.write(reply_fd, _READY)
    requests = _Requests(request_fd)
    _pipes[:] = requests, reply_fd, output_bytes
    while (frame := requests.next()) is not None:
        send(reply_fd, _answer(frame, module), output_bytes)


def send(descriptor: int, reply: Reply, limit: int = 1 << 20) -> None:
    """Write one frame; one beyond `limit` bytes only says so."""
    if reply is _NONE:
        os.write(descriptor, _NONE_FRAME)
        return
    try:
        text = _to_json(reply).encode("ascii")
    except MemoryError:
        text = b'{"status": "memory", "detail": "MemoryError"}'
    if len(text) > limit:
        text = json.dumps({"status": "output", "detail": f"{len(text)} bytes"}).encode("ascii")
    view = memoryview(_frame(text))
    while view:
        view = view[os.write(descriptor, view) :]


def describe(error: BaseException) -> str:
    """Return `Type: message`, cut short, whatever the exception does to be printed."""
    try:
        name = str(type(error).__name__)
    except BaseException:  # its metaclass may raise anything
        name = "?"
    try:
        text = str(error)
    except BaseException:  # its __str__ may raise anything
        text = "(no message)"
    return f"{name[:100]}: {text[:DETAIL_CHARS]}"[:DETAIL_CHARS] if text else name[:100]


def _answer(frame: bytes, module: types.ModuleType) -> Reply:
    try:
        request = marshal.loads(frame)
        operation = request["op"]
        if operation == "load":
            return _load(request, module)
        if operation == "program":
            return _program(request)
        if operation == "do":
            return _do(request, module)
        return _call(request, module)
    except MemoryError:
        return {"status": "memory", "detail": "MemoryError"}
    except BaseException as error:  # SystemExit and what else a candidate may raise
        return {
            "status": "exception",
            "detail": describe(error),
            "error": described(error, encode),
        }


def _compile(source: str, filename: str) -> types.CodeType | Reply:
    try:
        return compile(source, filename, "exec", dont_inherit=True)
    except MemoryError:
        return {"status": "memory", "detail": "MemoryError in the parser"}
    except (SyntaxError, ValueError, RecursionError, OverflowError) as error:
        return {"status": "syntax", "detail": describe(error)}


def _seed(seed: int) -> None:
    """Seed, unless the zygote has done so already: the state of `random` is pages to be copied."""
    if seed != SEEDED:
        _seed_all(seed)


def _seed_all(seed: int) -> None:
    random.seed(seed)
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed(seed)


def _load(request: dict[str, Any], module: types.ModuleType) -> Reply:
    code = _compile(request["source"], f"{_NAME}.py")
    if isinstance(code, dict):
        return code
    _seed(request["seed"])
    sys.modules[_NAME] = module
    module.__file__ = f"/{_NAME}.py"
    exec(code, module.__dict__)
    return _NONE


def _program(request: dict[str, Any]) -> Reply:
    code = _compile(request["source"], "program.py")
    if isinstance(code, dict):
        return code
    _seed(request["seed"])
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    module.__file__ = f"/{sys.argv[0]}"
    reply: Reply = {"status": "ok", "value": None}
    try:
        exec(code, module.__dict__)
    except SystemExit as error:
        if error.code not in (None, 0):
            reply = {"status": "exception", "detail": f"exit status {error.code!s:.100}"}
    except MemoryError:
        reply = {"status": "memory", "detail": "MemoryError"}
    except BaseException as error:  # the end of the program, as the interpreter would have it
        reply = {"status": "exception", "detail": describe(error)}
    interpreter.end_program(module, tuple(_streams))
    return reply


def _desk(module: types.ModuleType) -> Desk:
    """Return the desk, made when it is first needed: most programs need none."""
    if not _desks:
        _desks.append(Desk(module, lambda reply: _asked(reply, module)))
    return _desks[0]


def _asked(reply: Reply, module: types.ModuleType) -> dict[str, Any]:
    """Ask the test, serve it until it answers, and return the answer."""
    requests, reply_fd, output_bytes = _pipes
    send(reply_fd, reply, output_bytes)
    while (frame := requests.next()) is not None:
        request: dict[str, Any] = marshal.loads(frame)
        if request["op"] == "answer":
            return request
        send(reply_fd, _answer(frame, module), output_bytes)
    os._exit(0)


def _do(request: dict[str, Any], module: types.ModuleType) -> Reply:
    """Do what test code asks that is executed, of the function or of an object of the program's."""
    desk = _desk(module)
    what = request["what"]
    if ":" not in what and not callable(module.__dict__.get(what)):
        return {"status": "missing", "detail": f"no function {what}"}
    desk.changes = {}
    try:
        return desk.do(request)
    except Unsupported as error:
        return {"status": "unsupported", "detail": str(error)[:DETAIL_CHARS]}
    except MemoryError:
        raise
    except BaseException as error:  # whatever the program raises, with what it had changed
        raised = {"detail": describe(error), "error": described(error, encode)}
        return {"status": "exception"} | raised | desk.changes


def _call(request: dict[str, Any], module: types.ModuleType) -> Reply:
    function = module.__dict__.get(request["function"])
    if not callable(function):
        return {"status": "missing", "detail": f"no function {request['function']}"}
    if "tagged" in request:
        args, kwargs = decode(request["tagged"])
    else:
        args, kwargs = request["args"], request["kwargs"]
    result = function(*args, **kwargs)
    try:
        return {"status": "ok", "value": encode(result)}
    except Unsupported as error:
        return {"status": "unsupported", "detail": str(error)[:DETAIL_CHARS]}
    except RecursionError:
        return {"status": "unsupported", "detail": "nested too deep"}


class _Requests:
    """The frames that come from the parent, in order."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""

    def next(self) -> bytes | None:
        """Return the next request, or None at the end."""
        frame = self._rest or os.read(self._descriptor, _FIRST_PIECE)
        if len(frame) < _HEAD.size:
            frame += _read(self._descriptor, _HEAD.size - len(frame))
            if len(frame) < _HEAD.size:
                return None
        end = _HEAD.size + _HEAD.unpack_from(frame)[0]
        if len(frame) < end:
            frame += _read(self._descriptor, end - len(frame))
            if len(frame) < end:
                return None
        self._rest = frame[end:]
        return frame[_HEAD.size : end]


def _read(descriptor: int, size: int) -> bytes:
    """Return `size` bytes, fewer only at the end."""
    parts = bytearray()
    while len(parts) < size:
        piece = os.read(descriptor, min(size - len(parts), _PIECE))
        if not piece:
            break
        parts += piece
    return bytes(parts)
