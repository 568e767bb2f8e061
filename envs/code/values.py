"""Values as tagged JSON: built-in and standard types only, so that nothing crosses but data.

Plain JSON stands for None, bool, int (up to 63 bits), finite float, str and list; everything else
is an object with one key: `{"t": [...]}` tuple, `{"d": [[key, value], ...]}` dict, `{"S": [...]}`
set, `{"F": [...]}` frozenset, `{"b": hex}` bytes, `{"i": hex}` a longer int, `{"f": "nan"}` a float
that JSON lacks, `{"s": hex}` a str with surrogates (as UTF-8 with surrogatepass), and
`{"x": [kind, part, ...]}` the kinds of rich.py: Counter, Decimal, range and others. `{"h": [...]}`
stands for what does not cross, between sides that have agreed on it alone.

This file and rich.py import the standard library alone: the sandbox's child and the process of the
test code hold copies of them.
"""

from __future__ import annotations

import json
import math
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

from envs.code.rich import BadParts, Named, packed, plain, unpacked

MAX_DEPTH = 200
"""Containers inside each other; Python's own limit on recursion is three times as far."""
MAX_NODES = 1_000_000
"""Values in all, the contents of containers among them."""
MAX_BYTES = 8_000_000
"""Encoded text, characters of strings and bytes together."""
MAX_SAME_HASH = 64
"""Members of one set or dict with one hash: more would make it quadratic."""

_SEQUENCES: dict[str, type] = {"t": tuple, "S": set, "F": frozenset}
_KEYED = {"Counter": 0, "OrderedDict": 0, "items": 0, "defaultdict": 1}
"""Kinds of rich.py whose parts are keys and values in turn, and the place of the first key."""
_SETS: tuple[type, ...] = (set, frozenset, type({}.keys()), type({}.items()))
_FLOATS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


class Unsupported(ValueError):
    """A value that the protocol does not carry; the message says which type or limit."""


Stand = Callable[[Any], Any]
"""Makes a JSON list that stands for a value which does not cross (None: nothing does), or makes of
such a list what it stands for on this side."""


def encode(value: object, stand: Stand | None = None) -> Any:
    """Return `value` as tagged JSON; the order of a set leaves no trace in it.

    A subclass of a built-in type is encoded as its base. Raises Unsupported for other types than
    the built-in ones and those of rich.py, and for values beyond MAX_DEPTH, MAX_NODES or MAX_BYTES.
    """
    if _is_small(value) or (type(value) is float and math.isfinite(value)):
        return value
    return _Encoder(stand).encode(value, 0)


def decode(data: Any, stand: Stand | None = None) -> Any:
    """Return the value that tagged JSON stands for.

    Raises Unsupported for JSON that `encode` could not have made in kind or size.
    """
    if _is_small(data) or type(data) is float:
        return data
    return _Decoder(stand).decode(data, 0)


def _is_small(value: Any) -> bool:
    """Return whether a value stands for itself and is within every limit: most answers are."""
    kind = type(value)
    if kind is int:
        return bool(-(1 << 63) < value < 1 << 63)
    if kind is str:
        return len(value) <= MAX_BYTES and bool(value.isascii())
    return value is None or kind is bool


def pack(value: object) -> bytes:
    """Return `encode(value)` as one line of ASCII JSON without the line break."""
    return json.dumps(encode(value), separators=(",", ":"), allow_nan=False).encode("ascii")


def unpack(text: bytes) -> Any:
    """Return the value of a line that `pack` wrote; Unsupported for anything else."""
    if len(text) > 2 * MAX_BYTES:
        raise Unsupported(f"{len(text)} bytes are more than {2 * MAX_BYTES}")
    try:
        data = json.loads(text.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise Unsupported(f"not JSON ({type(error).__name__})") from None
    return decode(data)


class _Budget:
    """Counts nodes and bytes on the way through a value."""

    def __init__(self, stand: Stand | None = None) -> None:
        self._stand = stand
        self._nodes = 0
        self._bytes = 0

    def spend(self, depth: int, size: int = 0) -> None:
        self._nodes += 1
        self._bytes += size
        if depth > MAX_DEPTH:
            raise Unsupported(f"nested more than {MAX_DEPTH} deep")
        if self._nodes > MAX_NODES:
            raise Unsupported(f"more than {MAX_NODES} values")
        if self._bytes > MAX_BYTES:
            raise Unsupported(f"more than {MAX_BYTES} bytes")


class _Encoder(_Budget):
    def encode(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if value is None or kind is bool:
            self.spend(depth)
            return value
        if kind is int:
            self.spend(depth, value.bit_length() // 4)
            return value if value.bit_length() < 64 else {"i": format(value, "x")}
        if kind is float:
            self.spend(depth)
            return value if math.isfinite(value) else {"f": str(value)}
        if kind is str:
            self.spend(depth, len(value))
            return value if _plain(value) else {"s": value.encode("utf-8", "surrogatepass").hex()}
        if kind is bytes:
            self.spend(depth, len(value))
            return {"b": value.hex()}
        self.spend(depth)
        if kind is list:
            return [self.encode(item, depth + 1) for item in value]
        if kind is dict:
            return {
                "d": [[self.encode(part, depth + 1) for part in pair] for pair in value.items()]
            }
        # Identity, not a look-up: a metaclass may claim to be equal to anything.
        tag = next((tag for tag, exact in _SEQUENCES.items() if kind is exact), None)
        if tag is None:
            return self.other(value, depth)
        items = [self.encode(item, depth + 1) for item in value]
        if kind is not tuple:
            items.sort(key=lambda item: json.dumps(item, sort_keys=True))
        return {tag: items}

    def other(self, value: Any, depth: int) -> Any:
        """Encode a value of no exact built-in type. Raises Unsupported."""
        made = packed(value)
        if made is not None:
            kind, parts = made
            return {"x": [kind, *(self.encode(part, depth + 1) for part in parts)]}
        base = plain(value)
        if base is NotImplemented:
            if self._stand is not None and (content := self._stand(value)) is not None:
                return {"h": content}
            raise Unsupported(f"type {_name(type(value))} does not cross")
        return self.encode(base, depth)


class _Decoder(_Budget):
    def decode(self, data: Any, depth: int) -> Any:
        if data is None or type(data) in (bool, float):
            self.spend(depth)
            return data
        if type(data) is int:
            self.spend(depth, data.bit_length() // 4)
            return data
        if type(data) is str:
            self.spend(depth, len(data))
            return data
        self.spend(depth)
        if type(data) is list:
            return [self.decode(item, depth + 1) for item in data]
        if type(data) is not dict or len(data) != 1:
            raise Unsupported("an object must have exactly one tag")
        ((tag, content),) = data.items()
        if tag == "d":
            return self._dict(content, depth + 1)
        if tag in _SEQUENCES and type(content) is list:
            return self._sequence(tag, content, depth + 1)
        if tag == "x" and type(content) is list:
            return self._rich(content, depth + 1)
        if tag == "h" and type(content) is list and self._stand is not None:
            return self._stands(content)
        return self._scalar(tag, content)

    def _sequence(self, tag: str, content: list[Any], depth: int) -> Any:
        items = [self.decode(item, depth) for item in content]
        if tag != "t":
            _check_hashes(items)
        return _SEQUENCES[tag](items)

    def _dict(self, content: Any, depth: int) -> dict[Any, Any]:
        if type(content) is not list or any(type(p) is not list or len(p) != 2 for p in content):
            raise Unsupported("a dict must be a list of pairs")
        pairs = [(self.decode(key, depth), self.decode(value, depth)) for key, value in content]
        _check_hashes([key for key, _ in pairs])
        return dict(pairs)

    def _stands(self, content: list[Any]) -> Any:
        assert self._stand is not None
        try:
            return self._stand(content)
        except (IndexError, KeyError, ValueError, TypeError) as error:
            raise Unsupported(f"it stands for nothing ({type(error).__name__})") from None

    def _rich(self, content: list[Any], depth: int) -> Any:
        if not content or type(content[0]) is not str:
            raise Unsupported("a value without a kind")
        kind = content[0]
        parts = [self.decode(part, depth) for part in content[1:]]
        if kind in _KEYED:
            _check_hashes(parts[_KEYED[kind] :: 2])
        elif kind == "keys":
            _check_hashes(parts)
        try:
            return unpacked(kind, parts)
        except BadParts as error:
            raise Unsupported(str(error)) from None

    def _scalar(self, tag: str, content: Any) -> Any:
        if type(content) is not str:
            raise Unsupported(f"tag {tag!r:.20} does not fit its content")
        self.spend(0, len(content))
        try:
            if tag == "b":
                return bytes.fromhex(content)
            if tag == "i":
                return int(content, 16)
            if tag == "s":
                return bytes.fromhex(content).decode("utf-8", "surrogatepass")
        except ValueError:
            raise Unsupported(f"tag {tag!r} does not fit its content") from None
        if tag == "f" and content in _FLOATS:
            return _FLOATS[content]
        raise Unsupported(f"tag {tag!r:.20} is unknown or does not fit its content")


def _check_hashes(members: list[Any]) -> None:
    try:
        hashes = Counter(hash(member) for member in members)
    except TypeError as error:
        raise Unsupported(f"in a set or as a key: {error}") from None
    if hashes and hashes.most_common(1)[0][1] > MAX_SAME_HASH:
        raise Unsupported(f"more than {MAX_SAME_HASH} members with the same hash")


def shown(value: Any, limit: int = 200) -> str:
    """Return the `repr` of a decoded value, cut to about `limit` characters."""
    try:
        text = repr(value)
    except ValueError:  # an int beyond sys.get_int_max_str_digits()
        return f"<{type(value).__name__} with more digits than Python prints>"
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _plain(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def _name(kind: type) -> str:
    """Return the name of a hostile type; a metaclass may make even that lie or fail."""
    try:
        return str(type.__dict__["__name__"].__get__(kind))[:60]
    except (TypeError, ValueError, UnicodeError):
        return "without a name"


def same(expected: Any, got: Any, tolerance: float = 1e-6) -> bool:
    """Return whether two decoded values are equal as Python's `==` has it, floats nearly.

    Where both are floats, at whatever depth, `got` may be off by `tolerance` + 1e-7 times the
    expected value (EvalPlus: `assert_allclose(rtol=1e-07, atol=1e-6)`), and nan equals nan. An int
    on either side is compared as Python does: whoever answers cannot choose a tolerance.
    Dict keys are compared exactly. Sets with floats inside are matched one by one up to 500
    members and compared exactly beyond.
    """
    if type(expected) is float:
        return _near(expected, got, tolerance)
    if type(expected) is complex:
        return type(got) in (complex, float, int) and _near_parts(expected, got, tolerance)
    if type(expected) in (list, tuple, Named):
        kinds = (list,) if type(expected) is list else (tuple, Named)
        return (
            type(got) in kinds
            and len(got) == len(expected)
            and all(same(e, g, tolerance) for e, g in zip(expected, got, strict=True))
        )
    if isinstance(expected, dict):
        # A Counter or a defaultdict equals a dict; two of OrderedDict have an order as well.
        ordered = type(expected) is type(got) is OrderedDict
        return (
            isinstance(got, dict)
            and len(got) == len(expected)
            and all(k in got and same(v, dict.get(got, k), tolerance) for k, v in expected.items())
            and not (ordered and list(expected) != list(got))
        )
    if type(expected) in (set, frozenset):
        return type(got) in _SETS and _same_set(expected, got, tolerance)
    return bool(expected == got)


def _near_parts(expected: complex, got: complex, tolerance: float) -> bool:
    return _near(expected.real, got.real, tolerance) and _near(expected.imag, got.imag, tolerance)


def _near(expected: float, got: Any, tolerance: float) -> bool:
    if type(got) is not float:
        return bool(expected == got)  # 0.5 is Fraction(1, 2)
    if math.isnan(expected):
        return math.isnan(got)
    if math.isinf(expected) or math.isinf(got):
        return got == expected
    return abs(got - expected) <= tolerance + 1e-7 * abs(expected)


def _same_set(expected: Any, got: Any, tolerance: float) -> bool:
    try:
        got = frozenset(got)  # it may be a view of a dict, whose items need not be hashable
    except TypeError:
        return False
    if expected == got or len(expected) != len(got) or len(expected) > 500:
        return bool(expected == got)
    left = list(got - expected)
    for member in expected - got:
        for place, other in enumerate(left):
            if same(member, other, tolerance):
                del left[place]
                break
        else:
            return False
    return True
