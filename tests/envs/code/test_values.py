"""Values across a process border: exact built-ins round trip, subclasses lose their class."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envs.code.values import (
    MAX_DEPTH,
    MAX_NODES,
    Unsupported,
    decode,
    encode,
    pack,
    same,
    shown,
    unpack,
)
from tests.patience import computing

text = st.text(st.characters())  # lone surrogates among them
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text | st.binary()
)
hashable = st.recursive(
    scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=4), max_leaves=8
)
values = st.recursive(
    hashable | st.sets(hashable, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(hashable, inner, max_size=4)
    ),
    max_leaves=20,
)


def types(value: Any) -> Any:
    """Return the types in a value, for comparing what == does not see (1, True and 1.0)."""
    if isinstance(value, dict):
        return dict, [(types(k), types(v)) for k, v in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [types(item) for item in value]
    if isinstance(value, set | frozenset):
        return type(value), sorted(str(types(item)) for item in value)
    return type(value)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values)
def test_values_round_trip_with_their_types(value: Any) -> None:
    again = unpack(pack(value))
    assert again == value
    assert types(again) == types(value)
    assert same(value, again)
    assert decode(json.loads(json.dumps(encode(value), ensure_ascii=False))) == value


def test_values_that_json_alone_would_bend() -> None:
    for value in (2**63, -(2**200), 2**20_000, -0.0, "\ud83d\ude00", "\U0001f600", b"\xff"):
        assert unpack(pack(value)) == value
    assert math.copysign(1, unpack(pack(-0.0))) == -1
    assert math.isnan(unpack(pack(math.nan)))


def test_the_order_of_a_set_leaves_no_trace() -> None:
    names = [f"name{i}" for i in range(50)]
    assert pack(set(names)) == pack(set(reversed(names)))


class Liar(type):
    """A metaclass whose classes claim to be equal to any type and to have any name."""

    def __eq__(cls, other: object) -> bool:
        return True

    def __hash__(cls) -> int:
        return hash(tuple)

    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise SystemExit


class FakeInt(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


class FakeTuple(tuple, metaclass=Liar):  # type: ignore[type-arg]
    pass


@pytest.mark.parametrize(
    "value",
    [object(), ..., iter([]), print, Liar, FakeInt, [object()], (i for i in ()), NotImplemented],
)  # fmt: skip
def test_everything_else_is_refused(value: Any) -> None:
    with pytest.raises(Unsupported):
        encode(value)


@pytest.mark.parametrize(
    ("value", "plain"),
    [(FakeInt(3), 3), (FakeTuple(), ()), ([FakeInt(1)], [1]), ({1: FakeInt(2)}, {1: 2}),
     ({FakeInt(2)}, {2}), (type("S", (str,), {})("a"), "a"), (type("D", (dict,), {})(), {})],
)  # fmt: skip
def test_a_subclass_crosses_as_its_base(value: Any, plain: Any) -> None:
    assert pack(value) == pack(plain)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def test_limits_on_depth_and_size() -> None:
    assert unpack(pack(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    endless: list[Any] = []
    endless.append(endless)
    doubled: Any = [0]
    for _ in range(60):
        doubled = [doubled, doubled]
    for value in (nested(MAX_DEPTH + 1), endless, doubled, [0] * MAX_NODES, "x" * 9_000_000):
        with pytest.raises(Unsupported):
            encode(value)


@pytest.mark.parametrize(
    "data",
    [{}, {"t": 1}, {"t": [], "S": []}, {"x": "a"}, {"d": [[1]]}, {"d": {}}, {"d": [[[], 1]]},
     {"S": [[1]]}, {"S": [{"d": []}]}, {"i": "zz"}, {"i": 3}, {"f": "1"}, {"f": "infinity"},
     {"b": "0"}, {"s": "ff"}, {"s": None}, [{"t": {}}]],
)  # fmt: skip
def test_json_that_was_not_encoded_is_refused(data: Any) -> None:
    with pytest.raises(Unsupported):
        decode(data)


@pytest.mark.parametrize(
    "line", [b"", b"{", b"\xff", b"[" * 100_000, b'{"t":' * 10_000, b"9" * 10_000, "é".encode()]
)
def test_lines_that_are_no_json_are_refused(line: bytes) -> None:
    with pytest.raises(Unsupported):
        unpack(line)


def test_members_with_one_hash_do_not_stop_the_reader() -> None:
    start = time.process_time()
    for tag, members in (
        ("S", [i * (2**61 - 1) for i in range(100_000)]),
        ("d", [[i * (2**61 - 1), 0] for i in range(60_000)]),
    ):
        with pytest.raises(Unsupported, match="same hash"):
            decode({tag: members})
    assert time.process_time() - start < computing(2.0)


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (1, True), (1, 1.0), (0.3, 0.1 + 0.2), (1.0, 1), (1.0, 1.0000009), (1e9, 1e9 + 50),
        (math.inf, math.inf), (math.nan, math.nan), ([0.1], [0.1 + 1e-9]), ((1, 2.0), (1, 2)),
        ({"a": 0.5}, {"a": 0.5 + 1e-7}), ({1, 2}, frozenset({2, 1})), ({0.1}, {0.1 + 1e-9}),
        ({(1, 0.5), (2, 0.5)}, {(2, 0.5 + 1e-9), (1, 0.5)}), ("a", "a"), (None, None), ({}, {}),
    ],
)  # fmt: skip
def test_same(expected: Any, got: Any) -> None:
    assert same(expected, got)


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (1, 1.0000001), (1.0, 1.00001), (1.0, "1.0"), (1.0, None), (math.inf, 1e308),
        (0.0, math.nan), (math.nan, 0.0), ([1], (1,)), ([1], [1, 2]), ([1, 2], [2, 1]), ((), []),
        ({"a": 1}, {"a": 2}), ({"a": 1}, {"b": 1}), ({"a": 1}, {"a": 1, "b": 2}), ({}, set()),
        ({1}, [1]), ({0.1}, {0.2}), ({0.1, 0.2}, {0.1}), ("a", b"a"), (None, False), ("", None),
        ([0.5], [[0.5]]), ({(1, 0.5)}, {(2, 0.5)}), (True, "True"),
    ],
)  # fmt: skip
def test_not_same(expected: Any, got: Any) -> None:
    assert not same(expected, got)


def test_an_int_beyond_floats_is_near_none() -> None:
    assert not same(1.0, 10**400)
    assert not same(math.inf, 10**400)
    assert same(10**400, 10**400)


def test_shown_is_short_and_printable() -> None:
    assert shown([1, "a\n"]) == "[1, 'a\\n']"
    assert len(shown("x" * 10_000)) == 200
    assert shown("\x1b\ud800").isprintable()
    assert "digits" in shown(2**50_000)
