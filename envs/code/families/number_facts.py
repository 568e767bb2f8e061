"""Families over whole numbers that return a truth, a text or a list."""

from __future__ import annotations

from envs.code.families.base import heldout, train
from envs.code.families.kinds import INT, NAT, POS, TINY, UP_TO, A, B, C, bounds, multiple, ordered

_LOW = B.named("low", "lo", "minimum")
_HIGH = C.named("high", "hi", "maximum")

CORES = (
    heldout(
        "is_even",
        INT,
        "bool",
        ("whether $a is even", "True if $a is an even number and False otherwise"),
        "$a % 2 == 0",
        "even check_even",
        near=("$a % 4 == 0",),
    ),
    heldout(
        "is_divisible",
        (NAT, POS),
        "bool",
        ("whether $a is divisible by $b", "True if $b divides $a and False otherwise"),
        "$a % $b == 0",
        "divisible divides",
        adjust=multiple,
    ),
    train(
        "is_positive",
        INT,
        "bool",
        ("whether $a is greater than zero", "True if $a is positive and False otherwise"),
        "$a > 0",
        "positive above_zero",
        near=("$a >= 0",),
    ),
    train(
        "is_greater",
        (A, B),
        "bool",
        ("whether $a is greater than $b", "True if $a is larger than $b and False otherwise"),
        "$a > $b",
        "greater exceeds",
        near=("$a >= $b",),
    ),
    train(
        "is_between",
        (INT, _LOW, _HIGH),
        "bool",
        (
            "whether $a lies between $b and $c, both included",
            "True if $a is at least $b and at most $c, otherwise False",
        ),
        "$b <= $a <= $c",
        "in_range within",
        adjust=bounds,
        near=(
            "$b < $a <= $c",
            "$b <= $a < $c",
        ),
    ),
    train(
        "digits",
        NAT,
        "list[int]",
        ("the list of the digits of $a", "the digits of $a as a list of numbers"),
        "[int(d) for d in str($a)]",
        "digit_list to_digits",
    ),
    train(
        "to_text",
        INT,
        "str",
        ("$a as a string", "the text that shows $a"),
        "str($a)",
        "to_string number_to_string",
    ),
    heldout(
        "to_binary",
        NAT,
        "str",
        ("$a written in binary, without a prefix", "the binary digits of $a as a string"),
        "bin($a)[2:]",
        "binary in_binary",
        near=("bin($a)",),
    ),
    train(
        "count_up",
        UP_TO,
        "list[int]",
        ("the list of the numbers from 1 to $a", "a list that counts from 1 up to $a"),
        "list(range(1, $a + 1))",
        "one_to_n numbers_to",
        near=("list(range($a))",),
    ),
    train(
        "count_down",
        UP_TO,
        "list[int]",
        ("the list of the numbers from $a down to 1", "a list that counts down from $a to 1"),
        "list(range($a, 0, -1))",
        "countdown numbers_down",
    ),
    train(
        "range_between",
        (INT.named("start", "first", "a"), INT.named("end", "last", "b")),
        "list[int]",
        ("the list of the numbers from $a to $b, both included",),
        "list(range($a, $b + 1))",
        "numbers_between",
        adjust=ordered,
        near=("list(range($a, $b))",),
    ),
    train(
        "divisors",
        UP_TO,
        "list[int]",
        (
            "the list of all numbers from 1 to $a that divide $a",
            "all divisors of $a in ascending order",
        ),
        "[d for d in range(1, $a + 1) if $a % d == 0]",
        "find_divisors factors",
        near=("list(range(1, $a + 1))",),
    ),
    train(
        "multiples",
        (UP_TO.named("x", "n", "step"), TINY.named("count", "k", "m")),
        "list[int]",
        ("the list of the first $b multiples of $a, beginning with $a",),
        "[$a * i for i in range(1, $b + 1)]",
        "first_multiples",
    ),
    train(
        "zeros",
        UP_TO.named("n", "count", "size"),
        "list[int]",
        ("a list of $a zeros",),
        "[0] * $a",
        "zero_list make_zeros",
    ),
)
