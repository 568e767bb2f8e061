"""Values of the standard library's own types, and subclasses of built-in ones, as tagged data.

`packed` looks at a value that is of no exact built-in type and gives its kind and its plain parts;
`unpacked` makes of them an object of the standard library's own type. A subclass crosses as what
its base holds, with nothing of its class: no method of a program is ever called on the other side,
and equality is the standard library's. Kinds (see values.py for the form):

    list, dict, ...   subclasses are their base: IntEnum an int, StrEnum a str, and so on
    Counter, OrderedDict, defaultdict, deque, namedtuple (a `Named`), range, slice, dict views
    complex, bytearray, memoryview (as bytes), Decimal, Fraction, UUID, paths
    date, time, datetime (its zone as a fixed offset), timedelta
    the built-in types themselves, from a fixed list
    numpy scalars as numbers, arrays as arrays where the other side has numpy, else as lists

The file imports the standard library alone, and what a program may not have loaded only when it is
needed: the sandbox's zygote stays small.
"""

from __future__ import annotations

import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from typing import Any

MAX_FRACTION_BITS = 16_384
"""Of a fraction's parts: their greatest common divisor takes time that grows with the square."""
_FACTORIES: dict[str, Any] = {
    kind.__name__: kind for kind in (int, float, str, list, dict, set, tuple, bool)
}
TYPES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        *(bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset),
        *(range, slice, type(None)),
    )
}
"""Types that cross as themselves; and the built-in exceptions."""
_ARRAY_KINDS = "biufcU"
"""Kinds of numpy's dtypes that hold plain values: bool, integers, floats, complex, text."""
makes_arrays = False
"""Whether arrays are made where numpy is loaded: by the process of the test code alone, since the
judge, which may have numpy loaded as well, compares lists."""
_MAX_ITEM = 4096
"""Bytes of one item of an array."""
Packed = tuple[str, list[Any]]
Pack = Callable[[Any], Packed | None]


class BadParts(ValueError):
    """Parts that no value of their kind has."""


class Named(tuple[Any, ...]):
    """A namedtuple: a tuple whose items have names as well."""

    _fields: tuple[str, ...]

    def __getattr__(self, name: str) -> Any:
        fields = self.__dict__.get("_fields", ())
        if name in fields:
            return self[fields.index(name)]
        raise AttributeError(f"a namedtuple without the field {name!r:.60}")

    def _asdict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self, strict=True))


def _bases(value: Any) -> set[int]:
    """Return the identities of all classes of a value: a metaclass may claim any equality."""
    return {id(kind) for kind in type.mro(type(value))}


def plain(value: Any) -> Any:
    """Return what the base of a subclass's instance holds, of the exact built-in type.

    NotImplemented where the value is of no subclass of a built-in type. The base's own methods are
    asked, not those that a program may have overridden.
    """
    kinds = _bases(value)
    if id(int) in kinds:
        return int.__int__(value)
    if id(float) in kinds:
        return float.__float__(value)
    if id(str) in kinds:
        return str.__str__(value)
    if id(bytes) in kinds:
        return bytes(memoryview(value))
    if id(list) in kinds:
        return list(list.__iter__(value))
    if id(dict) in kinds:
        return dict(dict.items(value))
    if id(tuple) in kinds:
        return tuple(tuple.__iter__(value))
    for base in (set, frozenset):
        if id(base) in kinds:
            return base(base.__iter__(value))
    return NotImplemented


def packed(value: Any) -> Packed | None:
    """Return the kind of a value and its parts, each to be encoded in turn; None for others."""
    kinds = _bases(value)
    for base, pack in _PACKERS:
        if id(base) in kinds:
            return pack(value)
    for module, name, pack in _LAZY_PACKERS:
        lazy = getattr(sys.modules.get(module), name, None)
        if lazy is not None and id(lazy) in kinds:
            return pack(value)
    if isinstance(value, type):
        known = next((name for name, kind in TYPES.items() if kind is value), None)
        return None if known is None else ("type", [known])
    if id(tuple) in kinds and isinstance(fields := getattr(value, "_fields", None), tuple):
        return _named(value, fields)
    return None


def _named(value: Any, fields: tuple[Any, ...]) -> Packed | None:
    items = list(tuple.__iter__(value))
    names = [str(field) for field in fields]
    return ("namedtuple", [names, items]) if len(names) == len(items) else None


def _counter(value: Any) -> Packed:
    return "Counter", _pairs(value)


def _pairs(value: Any) -> list[Any]:
    return [part for pair in dict.items(value) for part in pair]


def _defaultdict(value: Any) -> Packed:
    factory = value.default_factory
    name = next((name for name, kind in _FACTORIES.items() if kind is factory), None)
    return "defaultdict", [name, *_pairs(value)]


_PACKERS: list[tuple[type, Pack]] = [
    (Counter, _counter),
    (OrderedDict, lambda value: ("OrderedDict", [p for pair in value.items() for p in pair])),
    (defaultdict, _defaultdict),
    (deque, lambda value: ("deque", [value.maxlen, *deque.__iter__(value)])),
    (range, lambda value: ("range", [value.start, value.stop, value.step])),
    (slice, lambda value: ("slice", [value.start, value.stop, value.step])),
    (type({}.keys()), lambda value: ("keys", list(value))),
    (type({}.values()), lambda value: ("values", list(value))),
    (type({}.items()), lambda value: ("items", [p for pair in value for p in pair])),
    (complex, lambda value: ("complex", [value.real, value.imag])),
    (bytearray, lambda value: ("bytearray", [bytes(value)])),
    (memoryview, lambda value: ("memoryview", [value.tobytes()])),
]


def _moment(value: Any) -> list[Any]:
    offset = value.utcoffset()
    seconds = None if offset is None else offset.days * 86400 + offset.seconds
    return [value.hour, value.minute, value.second, value.microsecond, value.fold, seconds]


def _array(value: Any) -> Packed | None:
    if value.dtype.kind not in _ARRAY_KINDS:
        return None
    return "array", [str(value.dtype), value.tolist()]


def _scalar(value: Any) -> Packed | None:
    return ("scalar", [value.item()]) if value.dtype.kind in _ARRAY_KINDS else None


_LAZY_PACKERS: list[tuple[str, str, Pack]] = [
    ("decimal", "Decimal", lambda value: ("Decimal", [str(value)])),
    ("fractions", "Fraction", lambda value: ("Fraction", [value.numerator, value.denominator])),
    # A datetime is a date as well, so it comes first.
    (
        "datetime",
        "datetime",
        lambda value: ("datetime", [value.year, value.month, value.day, *_moment(value)]),
    ),
    ("datetime", "date", lambda value: ("date", [value.year, value.month, value.day])),
    ("datetime", "time", lambda value: ("time", _moment(value))),
    (
        "datetime",
        "timedelta",
        lambda value: ("timedelta", [value.days, value.seconds, value.microseconds]),
    ),
    ("uuid", "UUID", lambda value: ("UUID", [value.int])),
    ("pathlib", "PurePath", lambda value: ("path", [str(value)])),
    ("numpy", "ndarray", _array),
    ("numpy", "generic", _scalar),
]


def unpacked(kind: str, parts: list[Any]) -> Any:
    """Return the value of a kind from its parts, which are decoded. Raises BadParts."""
    unpack = _UNPACKERS.get(kind)
    if unpack is None:
        raise BadParts(f"kind {kind!r:.20} is unknown")
    try:
        return unpack(*parts)
    except (ValueError, TypeError, KeyError, ArithmeticError, OverflowError) as error:
        raise BadParts(f"no {kind}: {type(error).__name__}") from None


def _paired(parts: tuple[Any, ...]) -> Iterator[tuple[Any, Any]]:
    if len(parts) % 2:
        raise ValueError("a key without a value")
    return zip(parts[::2], parts[1::2], strict=True)


def _make_defaultdict(factory: Any, *parts: Any) -> Any:
    return defaultdict(None if factory is None else _FACTORIES[factory], _paired(parts))


def _make_counter(*parts: Any) -> Any:
    made: Counter[Any] = Counter()
    dict.update(made, _paired(parts))
    return made


def _make_named(names: Any, items: Any) -> Named:
    if type(names) is not list or type(items) is not list or len(names) != len(items):
        raise ValueError("names and items differ in number")
    if not all(type(name) is str and name.isidentifier() for name in names):
        raise ValueError("a name that is none")
    made = Named(items)
    made._fields = tuple(names)
    return made


def _make_fraction(numerator: Any, denominator: Any) -> Any:
    from fractions import Fraction

    for part in (numerator, denominator):
        if type(part) is not int or part.bit_length() > MAX_FRACTION_BITS:
            raise ValueError("no int, or one too long")
    return Fraction(numerator, denominator)


def _make_decimal(text: Any) -> Any:
    from decimal import Decimal

    if type(text) is not str:
        raise TypeError("no text")
    return Decimal(text)


def _zone(seconds: Any) -> Any:
    from datetime import timedelta, timezone

    return None if seconds is None else timezone(timedelta(seconds=seconds))


def _make_datetime(year: int, month: int, day: int, *moment: Any) -> Any:
    from datetime import datetime

    *clock, fold, seconds = moment
    hour, minute, second, microsecond = clock
    zone = _zone(seconds)
    return datetime(year, month, day, hour, minute, second, microsecond, zone, fold=fold)


def _make_time(*moment: Any) -> Any:
    from datetime import time

    *clock, fold, seconds = moment
    hour, minute, second, microsecond = clock
    return time(hour, minute, second, microsecond, _zone(seconds), fold=fold)


def _make_date(year: int, month: int, day: int) -> Any:
    from datetime import date

    return date(year, month, day)


def _make_timedelta(days: int, seconds: int, microseconds: int) -> Any:
    from datetime import timedelta

    return timedelta(days, seconds, microseconds)


def _make_uuid(number: int) -> Any:
    from uuid import UUID

    return UUID(int=number)


def _make_path(text: str) -> Any:
    from pathlib import PurePath

    return PurePath(text)


def _make_array(dtype: Any, items: Any) -> Any:
    numpy = sys.modules.get("numpy") if makes_arrays else None
    if numpy is None or type(dtype) is not str:
        return items
    kind = numpy.dtype(dtype)
    if kind.kind not in _ARRAY_KINDS or kind.itemsize > _MAX_ITEM:
        raise ValueError("a dtype of objects, or of long texts")
    return numpy.array(items, dtype=kind)


def _make_bytearray(data: Any) -> bytearray:
    if type(data) is not bytes:
        raise TypeError("no bytes")
    return bytearray(data)


def _make_memoryview(data: Any) -> memoryview:
    if type(data) is not bytes:
        raise TypeError("no bytes")
    return memoryview(data)


_UNPACKERS: dict[str, Any] = {
    "Counter": _make_counter,
    "OrderedDict": lambda *parts: OrderedDict(_paired(parts)),
    "defaultdict": _make_defaultdict,
    "deque": lambda maxlen, *items: deque(items, maxlen),
    "namedtuple": _make_named,
    "range": range,
    "slice": slice,
    "keys": lambda *parts: dict.fromkeys(parts).keys(),
    "values": lambda *parts: dict(enumerate(parts)).values(),
    "items": lambda *parts: dict(_paired(parts)).items(),
    "complex": complex,
    "bytearray": _make_bytearray,
    "memoryview": _make_memoryview,
    "Decimal": _make_decimal,
    "Fraction": _make_fraction,
    "datetime": _make_datetime,
    "date": _make_date,
    "time": _make_time,
    "timedelta": _make_timedelta,
    "UUID": _make_uuid,
    "path": _make_path,
    "type": lambda name: TYPES[name],
    "array": _make_array,
    "scalar": lambda value: value,
}
