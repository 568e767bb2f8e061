"""Exceptions as data: what a program raised, raised again beside the test that asked for it.

`described` gives the built-in and standard classes that an exception is of, its arguments, its
fields and its text, as far as they are plain values. `rebuilt` makes an exception of the nearest of
those classes that it knows, so that `except ValueError` catches a program's own subclass of it, and
`str`, `args` and fields say what they said. Of the program's class its name alone comes along.

An exception that would end a loop of the test's own and let it pass is a RuntimeError, as PEP 479
has it for generators: StopIteration, StopAsyncIteration, GeneratorExit and their subclasses.

The file imports the standard library alone, as values.py does.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from typing import Any

ENDS_LOOPS = (StopIteration, StopAsyncIteration, GeneratorExit)
_STANDARD = {
    "json.decoder": ("JSONDecodeError",),
    "decimal": (
        *("DecimalException", "InvalidOperation", "DivisionByZero", "Overflow", "Underflow"),
        *("Inexact", "FloatOperation", "ConversionSyntax", "DivisionUndefined"),
    ),
    "re": ("error",),
    "sre_constants": ("error",),
    "re._constants": ("error",),
    "struct": ("error",),
    "zlib": ("error",),
    "binascii": ("Error", "Incomplete"),
    "queue": ("Empty", "Full"),
    "_queue": ("Empty",),
    "statistics": ("StatisticsError",),
    "csv": ("Error",),
    "_csv": ("Error",),
    "copy": ("Error",),
    "pickle": ("PickleError", "PicklingError", "UnpicklingError"),
    "_pickle": ("PickleError", "PicklingError", "UnpicklingError"),
    "dataclasses": ("FrozenInstanceError",),
    "graphlib": ("CycleError",),
    "zoneinfo": ("ZoneInfoNotFoundError",),
    "concurrent.futures._base": ("Error", "CancelledError"),
    "asyncio.exceptions": ("CancelledError", "InvalidStateError"),
}
"""Module -> exceptions of the standard library that may be made again."""
_MOST = 40
"""Classes, and fields, that are looked at."""
_TEXT = 2000


class RaisedError(Exception):
    """Stands for an exception of which no class is known here."""


def described(error: BaseException, encode: Callable[[Any], Any]) -> dict[str, Any]:
    """Return an exception as data; `encode` makes tagged JSON of a value, or raises ValueError.

    Runs beside the program: its classes may do anything when they are looked at.
    """
    kinds = type.mro(type(error))[:_MOST]
    found: dict[str, Any] = {
        "name": str(type(error).__name__)[:100],
        "kinds": [[str(kind.__module__)[:60], str(kind.__qualname__)[:60]] for kind in kinds],
    }
    values: dict[str, Callable[[], Any]] = {
        "args": lambda: list(error.args),
        "text": lambda: str(error)[:_TEXT],
    }
    for name, value in values.items():
        try:
            found[name] = encode(value())
        except BaseException:  # whatever its methods raise: then the other side does without
            found[name] = None
    found["fields"] = fields = {}
    for name in [*vars(error), *_own_fields(error)][:_MOST]:
        try:
            fields[name] = encode(getattr(error, name))
        except BaseException:  # as above
            continue
    return found


def _own_fields(error: BaseException) -> list[str]:
    """Return the fields that a built-in exception keeps outside its `__dict__`."""
    return [
        name
        for kind in type.mro(type(error))
        if kind.__module__ == "builtins"
        for name, member in vars(kind).items()
        if type(member).__name__ in ("member_descriptor", "getset_descriptor")
        and not name.startswith("_")
        and name not in ("args", "errno", "strerror", "filename2", "exceptions")
    ]


def rebuilt(data: Any, decode: Callable[[Any], Any], detail: str) -> BaseException:
    """Return the exception that `described` made data of; the data may be anybody's invention.

    `detail`, "ValueError: no", stands in for data that is None, and is the text of an exception
    that cannot be made again. Raises nothing.
    """
    if data is None:
        name, _, text = detail.partition(": ")
        kinds = [["builtins", name]]
        data = {"name": name, "kinds": kinds, "args": [text], "text": text, "fields": {}}
    try:
        return _rebuilt(data, decode)
    except Exception:  # data that no exception is made of
        return RaisedError(detail)


def _rebuilt(data: dict[str, Any], decode: Callable[[Any], Any]) -> BaseException:
    classes = [_known(module, name) for module, name in data["kinds"][:_MOST]]
    base = next(kind for kind in classes if kind is not None)
    if issubclass(base, ENDS_LOOPS):
        return RuntimeError(f"the program raised {base.__name__}")
    arguments = None if data["args"] is None else decode(data["args"])
    text = None if data["text"] is None else str(decode(data["text"]))
    name = str(data["name"])
    kind = base if name == base.__name__ else _subclass(base, name)
    made = _instance(kind, arguments, text)
    _set_fields(made, data["fields"], decode)
    if text is not None and str(made) != text:
        shown = _subclass(type(made), name, text)
        made = _instance(shown, arguments, text)
        _set_fields(made, data["fields"], decode)
    return made


def _known(module: str, name: str) -> type[BaseException] | None:
    """Return the class if it is a built-in or listed exception."""
    if module == "builtins":
        kind = vars(builtins).get(name)
    elif name in _STANDARD.get(module, ()):
        # Loaded by the test, or by nobody who could name it: then its base does.
        kind = getattr(sys.modules.get(module), name, None)
    else:
        return None
    return kind if isinstance(kind, type) and issubclass(kind, BaseException) else None


def _subclass(base: type[BaseException], name: str, text: str | None = None) -> Any:
    members: dict[str, Any] = {"__init__": lambda self, *args: None}
    if text is not None:
        members["__str__"] = lambda self: text
    return type(name, (base,), members)


def _instance(kind: type[BaseException], arguments: Any, text: str | None) -> BaseException:
    """Return an instance with these arguments, of a class that may want others."""
    given = arguments if type(arguments) is list else [] if text is None else [text]
    try:
        return kind(*given)
    except Exception:
        return kind.__new__(kind, *given)


def _set_fields(made: BaseException, fields: Any, decode: Callable[[Any], Any]) -> None:
    for name, value in list(fields.items())[:_MOST]:
        if type(name) is str and name.isidentifier() and not name.startswith("_"):
            try:
                setattr(made, name, decode(value))
            except (AttributeError, TypeError, ValueError):
                continue  # a field that this class does not let be set
