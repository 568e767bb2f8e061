"""Values beyond the exact built-in types: what crosses, as what, and what a forger cannot make."""

from __future__ import annotations

import datetime
import enum
import json
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import pytest

from envs.code.values import Unsupported, decode, encode, same


class Point(NamedTuple):
    x: int
    y: float


class Level(enum.IntEnum):
    LOW = 1


class Sly(int):
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __int__(self) -> int:
        return 42


def crossed(value: Any) -> Any:
    return decode(json.loads(json.dumps(encode(value))))


@pytest.mark.parametrize(
    "value",
    [
        Counter("aab"),
        OrderedDict([(2, 1), (1, 2)]),
        defaultdict(list, {1: [2]}),
        deque([1, (2,)], 5),
        range(5, 1, -2),
        slice(1, None, 2),
        {1: 2}.keys(),
        {1: (2,)}.items(),
        complex(float("inf"), -0.0),
        bytearray(b"\x00a"),
        Decimal("NaN").copy_sign(Decimal(-1)),
        Decimal("1.50"),
        Decimal("1E+999999"),
        Fraction(-3, 2**70),
        datetime.date(1, 2, 3),
        datetime.datetime(2024, 10, 27, 2, 30, fold=1),
        datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=-3.5))),
        datetime.time(23, 59, 59, 999_999),
        datetime.timedelta(-1, 5, 7),
        uuid.UUID(int=5),
        int,
        [dict, {"a": deque([Counter()])}],
    ],
)
def test_standard_values_come_back_as_they_were(value: Any) -> None:
    back = crossed(value)
    assert repr(back) == repr(value) and type(back) is type(value)


def test_a_subclass_crosses_as_its_base_with_none_of_its_methods() -> None:
    for value, plain in [(Sly(3), 3), ([Sly(3)], [3]), (Level.LOW, 1)]:
        back = crossed(value)
        assert back == plain and back != 4
    assert type(crossed(Sly(3))) is int
    point = crossed(Point(1, 2.5))
    assert point == (1, 2.5) and (point.x, point.y) == (1, 2.5)
    with pytest.raises(AttributeError):
        _ = point.z


@pytest.mark.parametrize(
    ("expected", "got", "equal"),
    [
        ({"a": 2}, Counter("aa"), True),
        ({"a": 2.0}, defaultdict(int, a=2 + 1e-9), True),
        (OrderedDict(a=1, b=2), OrderedDict(b=2, a=1), False),
        ({"a": 1, "b": 2}, OrderedDict(b=2, a=1), True),
        ((1, 2.0), crossed(Point(1, 2)), True),
        ([1, 2.0], crossed(Point(1, 2)), False),
        ([1], deque([1]), False),
        ([0, 1], range(2), False),
        ({1, 2}, {1: 0, 2: 0}.keys(), True),
        ({1, 2}, {1: 0}.keys(), False),
        ({(1, 2)}, {1: 2}.items(), True),
        ({1}, {1: [2]}.items(), False),
        (b"a", bytearray(b"a"), True),
        (0.5, Fraction(1, 2), True),
        (0.5, Decimal("0.5"), True),
        (0.1, Decimal("0.1"), False),
        (3, Decimal(3), True),
        (1j, 1j + 1e-9, True),
        (1j, 1.0, False),
        (2 + 0j, 2, True),
        ("a", b"a", False),
    ],
)
def test_equality_is_that_of_the_builtin_types(expected: Any, got: Any, equal: bool) -> None:
    assert same(expected, got) is equal


@pytest.mark.parametrize(
    "data",
    [
        {"x": []},
        {"x": [1]},
        {"x": ["eval", "1"]},
        {"x": ["type", "eval"]},
        {"x": ["type", ["int"]]},
        {"x": ["Counter", 1]},
        {"x": ["Counter", [], 1]},
        {"x": ["range", "a"]},
        {"x": ["range", 1, 2, 0]},
        {"x": ["Decimal", "1x"]},
        {"x": ["Decimal", 1.5]},
        {"x": ["Fraction", 1, 0]},
        {"x": ["Fraction", {"i": "f" * 50_000}, {"i": "e" * 50_000}]},
        {"x": ["namedtuple", ["x", "x y"], [1, 2]]},
        {"x": ["namedtuple", ["__class__"], []]},
        {"x": ["defaultdict", "eval"]},
        {"x": ["date", 0, 0, 0]},
        {"x": ["timedelta", 10**12, 0, 0]},
        {"x": ["bytearray", 10**9]},
        {"x": ["memoryview", 10**9]},
        {"x": ["deque", -1]},
        {"x": ["keys", []]},
        {"x": ["keys", *(i * (2**61 - 1) for i in range(100))]},
        {"x": ["Counter", *(i // 2 * (2**61 - 1) for i in range(400))]},
    ],
)
def test_what_no_encoder_made_is_refused(data: Any) -> None:
    with pytest.raises(Unsupported):
        decode(data)
