"""What does not cross stays where it is, and has a number or a deputy on the other side.

Runs beside the program, for test code that is executed (assert_worker.py). A function, a generator
or an object of a class of the program's goes to the test as a number, which the test may call,
iterate, or ask for an attribute (rewards/code/remote.py). The test's own functions and objects come
as deputies: objects with their attributes, and what else they have is asked of the test.
"""

from __future__ import annotations

import time
import types
from collections.abc import Callable
from typing import Any

from envs.code.raised import rebuilt
from envs.code.values import Unsupported, decode, encode

_BATCH_S = 0.001
_MAX_HANDLES = 100_000
Ask = Callable[[dict[str, Any]], dict[str, Any]]
"""Sends a reply that asks the test for something, serves what comes between, returns the answer."""


class Desk:
    """The numbers given out, and the deputies of the test's objects."""

    def __init__(self, module: types.ModuleType, ask: Ask) -> None:
        self._module, self._ask = module, ask
        self._objects: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._given: dict[int, Any] = {}
        self._given_numbers: dict[int, int] = {}
        self._late: dict[int, BaseException] = {}
        self.changes: dict[str, Any] = {}
        """What the last call has changed, to go with its answer."""

    def do(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what the test asks; raises whatever the program raises."""
        args: list[Any] = decode(request["args"], self._received)
        kwargs: dict[str, Any] = decode(request["kwargs"], self._received)
        before = {number: self._attributes(one) for number, one in self._given.items()}
        reply: dict[str, Any] = {"status": "ok"}
        try:
            result = self._done(request["what"], args, kwargs)
            same = [n for n, arg in enumerate(args) if arg is result and type(arg) in _MUTABLE]
            reply |= {"same": same[0]} if same else {"value": encode(result, self._sent)}
        finally:
            # Also where it raises: what it had changed by then is changed.
            self.changes = self._changed(request["args"], args, before)
        return reply | self.changes

    def _changed(self, was: Any, args: list[Any], before: dict[int, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        try:
            if any(type(arg) in _MUTABLE for arg in args):
                now = encode(args, self._sent)
                if now != was:
                    found["args"] = now
            objects = [[n, self._attributes(one)] for n, one in self._given.items()]
            if objects := [[n, now] for n, now in objects if now != before.get(n)]:
                found["objects"] = objects
        except (Unsupported, RecursionError):
            return {}
        return found

    def _attributes(self, one: Any) -> Any:
        try:
            return encode(dict(vars(one)), self._sent)
        except (TypeError, Unsupported):
            return None

    def _done(self, what: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        operation, _, rest = what.partition(":")
        if not rest:
            return self._module.__dict__[what](*args, **kwargs)
        if operation == "of":
            return getattr(self._module.__dict__[rest], args[0])
        number, _, verb = rest.partition(":")
        one = self._objects[int(number)]
        if verb == "call":
            return one(*args, **kwargs)
        if verb == "get":
            return getattr(one, args[0])
        if verb == "iter":
            return iter(one)
        if verb == "next":
            return self._next(int(number), one, args[0])
        if verb == "item":
            return one[args[0]]
        return len(one) if verb == "len" else str(one)

    def _next(self, number: int, one: Any, most: int) -> list[Any]:
        """Return `[items, whether that was all]`, as many as are quickly had."""
        if (error := self._late.pop(number, None)) is not None:
            raise error
        items: list[Any] = []
        until = time.monotonic() + _BATCH_S
        while len(items) < most and (not items or time.monotonic() < until):
            try:
                items.append(next(one))
            except StopIteration:
                return [items, True]
            except BaseException as late:
                if not items:
                    raise
                self._late[number] = late
                break
        return [items, False]

    def _sent(self, value: Any) -> Any:
        """Return what stands for a value that does not cross."""
        if (given := self._given_numbers.get(id(value))) is not None:
            return ["yours", given]
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._objects)
            if number >= _MAX_HANDLES:
                raise Unsupported("too many objects that do not cross")
            self._objects.append(value)
        kind = type(value)
        flags = [
            flag
            for flag, name in (("n", "__next__"), ("i", "__iter__"), ("l", "__len__"))
            if hasattr(kind, name)
        ]
        flags += ["g"] if hasattr(kind, "__getitem__") else []
        name = getattr(value, "__name__", kind.__name__)
        return ["remote", number, str(name)[:60], "".join(flags)]

    def _received(self, content: list[Any]) -> Any:
        """Return what a number from the test stands for."""
        what, number = content[:2]
        if what == "mine":
            return self._objects[number]
        if what == "again":
            return self._given[number]
        if what == "function":
            made: Any = self._given.get(number) or self._deputy(number, content[2])
        else:
            made = self._given.get(number) or self._instance(number, content[2])
        self._given[number] = made
        self._given_numbers[id(made)] = number
        if what == "object":
            vars(made).update(decode(content[3], self._received))
        return made

    def _deputy(self, number: int, name: str) -> Any:
        def function(*args: Any, **kwargs: Any) -> Any:
            return self._asked(number, None, args, kwargs)

        function.__name__ = function.__qualname__ = name
        return function

    def _instance(self, number: int, name: str) -> Any:
        own = self._module.__dict__.get(name)
        if isinstance(own, type):
            return object.__new__(own)

        def missing(_: Any, attribute: str) -> Any:
            if attribute.startswith("__"):
                raise AttributeError(attribute)
            return self._asked(number, attribute, (), {})

        return type(name, (), {"__getattr__": missing})()

    def _asked(self, number: int, name: str | None, args: Any, kwargs: Any) -> Any:
        reply = {
            "status": "callback",
            "id": number,
            "name": name,
            "args": encode(list(args), self._sent),
            "kwargs": encode(kwargs, self._sent),
        }
        answer = self._ask(reply)
        value, error = decode(answer["args"], self._received)
        if error is not None:
            raise rebuilt(error, decode, "the test's function failed")
        return value


_MUTABLE = (list, dict, set, bytearray)
