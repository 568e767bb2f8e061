"""The test's side of what does not cross: numbers for its own objects, deputies of the program's.

A deputy (`Remote`) asks the program when it is called, iterated or asked for an attribute. It is
equal to itself alone and has no operator, so no method of the program's ever decides a comparison.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from envs.code.raised import described
from envs.code.values import Unsupported, decode, encode

_SINGLE, _MANY = 16, 256
"""So many items of an iterator are asked for one by one; then as many as are quickly had."""
Ask = Callable[[str, list[Any], dict[str, Any]], Any]


class Remote:
    """An object that stays in the program's process."""

    def __init__(self, ask: Ask, number: int, name: str) -> None:
        vars(self).update(_ask=ask, _number=number, _name=name, _items=deque(), _had=0, _all=False)

    def _do(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        return self._ask(f"object:{self._number}:{verb}", list(args), kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it in its own process."""
        return self._do("call", *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in ("__name__", "__doc__"):
            raise AttributeError(name)
        return self._do("get", name)

    def __str__(self) -> str:
        return str(self._do("text"))

    def __repr__(self) -> str:
        return f"<{self._name!s} of the program>"

    def __bool__(self) -> bool:
        return True


def _iterate(self: Any) -> Any:
    return self._do("iter")


def _itself(self: Any) -> Any:
    return self


def _next(self: Any) -> Any:
    if not self._items and not self._all:
        items, vars(self)["_all"] = self._do("next", 1 if self._had < _SINGLE else _MANY)
        self._items.extend(items)
        vars(self)["_had"] += len(items)
    if not self._items:
        raise StopIteration
    return self._items.popleft()


_METHODS: dict[str, tuple[str, Any]] = {
    "i": ("__iter__", _iterate),
    "n": ("__next__", _next),
    "l": ("__len__", lambda self: self._do("len")),
    "g": ("__getitem__", lambda self, key: self._do("item", key)),
}


class Stub:
    """The candidate as the test sees it: a function whose name and text are the program's."""

    def __init__(self, ask: Ask, name: str) -> None:
        self._ask, self.__name__, self.__qualname__ = ask, name, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the program's function."""
        return self._ask(self.__name__, list(args), kwargs)

    @property
    def __doc__(self) -> Any:  # type: ignore[override]
        return self._ask(f"of:{self.__name__}", ["__doc__"], {})


class Desk:
    """The numbers of the test's objects, and the deputies of the program's."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._remotes: dict[int, Remote] = {}
        self._objects: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._sent_now: set[int] = set()

    def encoded(self, value: Any) -> Any:
        """Return arguments as tagged JSON. Raises Unsupported."""
        self._sent_now = set()
        return encode(value, self._sent)

    def decoded(self, data: Any) -> Any:
        """Return what the program sent. Raises Unsupported."""
        return decode(data, self._received)

    def _sent(self, value: Any) -> Any:
        if isinstance(value, Remote):
            return ["mine", value._number]
        kind = type(value)
        own = kind.__module__ == "tests" and hasattr(value, "__dict__") and kind is not type
        if not own and not callable(value):
            return None
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._objects)
            self._objects.append(value)
        if number in self._sent_now:
            return ["again", number]
        self._sent_now.add(number)
        if own:
            return ["object", number, kind.__name__, encode(dict(vars(value)), self._sent)]
        return ["function", number, str(getattr(value, "__name__", kind.__name__))]

    def _received(self, content: list[Any]) -> Any:
        what, number = content[0], content[1]
        if type(number) is not int:
            raise Unsupported("a number that is none")
        if what == "yours":
            return self._objects[number]
        name, flags = str(content[2]), str(content[3])
        if number not in self._remotes:
            members = dict(_METHODS[flag] for flag in flags if flag in _METHODS)
            if "n" in flags:
                members["__iter__"] = _itself
            self._remotes[number] = type("Remote", (Remote,), members)(self._ask, number, name)
        return self._remotes[number]

    def result(self, reply: dict[str, Any], args: list[Any]) -> Any:
        """Return what a call has returned: one of its arguments, or what came."""
        same = reply.get("same")
        if same is None:
            return self.decoded(reply.get("value"))
        if type(same) is not int or not 0 <= same < len(args):
            raise Unsupported("an argument that was not given")
        return args[same]

    def answer(self, reply: dict[str, Any]) -> list[Any]:
        """Do what the program asks of one of the test's objects; return `[value, error]`, encoded.

        What the test's function raises goes to the program, but for what stops the test.
        """
        args, kwargs = self.decoded(reply["args"]), self.decoded(reply["kwargs"])
        one = self._objects[int(reply["id"])]
        try:
            name = reply["name"]
            value = one(*args, **kwargs) if name is None else getattr(one, str(name))
        except Exception as error:
            return [None, encode(described(error, encode))]
        return [self.encoded(value), None]

    def update(self, reply: dict[str, Any], args: list[Any]) -> None:
        """Change the test's own objects as the program has changed what it was given."""
        if "args" in reply:
            for old, new in zip(args, self.decoded(reply["args"]), strict=True):
                _update(old, new)
        for number, attributes in reply.get("objects", []):
            if attributes is not None:
                vars(self._objects[number]).update(self.decoded(attributes))


def _update(old: Any, new: Any) -> None:
    """Give a container the contents of another, its members kept where they are equal."""
    if type(old) is not type(new):
        return
    if type(old) in (list, deque):
        kept = [a if type(a) is type(b) and a == b else b for a, b in _paired(old, new)]
        old.clear()
        old.extend(kept)
    elif isinstance(old, dict):
        held = {k: old[k] if k in old and old[k] == v else v for k, v in new.items()}
        old.clear()
        old.update(held)
    elif type(old) in (set, bytearray):
        old.clear()
        old.extend(new) if type(old) is bytearray else old.update(new)


def _paired(old: Any, new: Any) -> Iterator[tuple[Any, Any]]:
    before = list(old)
    for place, item in enumerate(new):
        yield (before[place] if place < len(before) else None), item
