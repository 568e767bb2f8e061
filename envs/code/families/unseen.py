"""Families of the test set: far from every other family, and no setting was chosen on them."""

from __future__ import annotations

from random import Random
from typing import Any

from envs.code.families.base import Kind, untouched
from envs.code.families.kinds import (
    COUNTS,
    INT,
    INTS,
    ITEM,
    KEY,
    NAT,
    OTHER_WORD,
    POS,
    SENTENCE,
    STRS,
    TEXT,
    UP_TO,
    WORD,
    WORDS,
    B,
    C,
    key_inside,
    repeated,
)

_MORE = COUNTS.named("other", "more", "e")
_LOW, _HIGH = B.named("low", "lo", "minimum"), C.named("high", "hi", "maximum")
_SCORE = Kind("int", ("score", "points", "n"), lambda rng: rng.randint(40, 100))


def _matrix(rng: Random) -> list[list[int]]:
    size, width = rng.randint(1, 4), rng.randint(1, 4)
    return [[rng.randint(-9, 20) for _ in range(width)] for _ in range(size)]


def _square(rng: Random) -> list[list[int]]:
    size = rng.randint(1, 4)
    return [[rng.randint(-9, 20) for _ in range(size)] for _ in range(size)]


_TWO_AND_MORE = Kind(
    "str", WORD.names, lambda rng: rng.choice([word for word in WORDS if len(word) > 1])
)
_MATRIX = Kind("list[list[int]]", ("rows", "grid", "matrix", "table"), _matrix)
_SQUARE = Kind("list[list[int]]", ("rows", "grid", "matrix", "table"), _square)


def _squares(rng: Random, args: list[Any]) -> list[Any]:
    return [rng.randint(0, 40) ** 2] if rng.random() < 0.5 else args


def _a_sum(rng: Random, args: list[Any]) -> list[Any]:
    """Make the second argument the sum of two elements, mostly."""
    if len(args[0]) > 1 and rng.random() < 0.8:
        args[1] = sum(rng.sample(args[0], 2))
    return args


def _in_order(rng: Random, args: list[Any]) -> list[Any]:
    low, high = sorted((rng.randint(-6, 6), rng.randint(0, 12)))
    return [args[0], low, high]


def _shared_keys(rng: Random, args: list[Any]) -> list[Any]:
    """Give the second dict some keys of the first."""
    for key in rng.sample(list(args[0]), rng.randint(0, len(args[0]))):
        args[1][key] = rng.randint(-3, 15)
    return args


def _few_changes(rng: Random, args: list[Any]) -> list[Any]:
    """Make the second word out of the first with some letters exchanged, mostly."""
    if rng.random() < 0.8:
        args[1] = "".join(rng.choice("aeiou") if rng.random() < 0.3 else c for c in args[0])
    return args


CORES = (
    untouched(
        "count_peaks",
        INTS,
        "int",
        ("how many elements of $a are greater than the element before and the one after them",),
        "sum(u < v > w for u, v, w in zip($a, $a[1:], $a[2:]))",
        "peaks",
        near=("sum(u < v for u, v in zip($a, $a[1:]))",),
    ),
    untouched(
        "largest_drop",
        INTS,
        "int",
        ("the largest difference of an element of $a minus the element right after it",),
        "max($a[i] - $a[i + 1] for i in range(len($a) - 1))",
        "biggest_fall",
        near=("max($a) - min($a)", "max($a[i + 1] - $a[i] for i in range(len($a) - 1))"),
    ),
    untouched(
        "pairs_with_sum",
        (INTS, ITEM.named("target", "total", "n")),
        "int",
        ("how many pairs of elements of $a at different places add up to $b",),
        "sum(v + w == $b for i, v in enumerate($a) for w in $a[i + 1:])",
        "two_sum_count",
        adjust=_a_sum,
        near=("sum(v + w == $b for v in $a for w in $a)",),
    ),
    untouched(
        "median_item",
        INTS,
        "int",
        ("the element at index len($a) // 2 once $a is sorted",),
        "sorted($a)[len($a) // 2]",
        "median",
        near=("$a[len($a) // 2]",),
    ),
    untouched(
        "clip_all",
        (INTS, _LOW, _HIGH),
        "list[int]",
        ("the numbers of $a, those below $b raised to $b and those above $c lowered to $c",),
        "[$b if v < $b else $c if v > $c else v for v in $a]",
        "limit_all",
        adjust=_in_order,
        near=("[$b if v < $b else v for v in $a]", "[v for v in $a if $b <= v <= $c]"),
    ),
    untouched(
        "drop_repeats_in_a_row",
        INTS,
        "list[int]",
        ("$a without the elements that equal the element right before them",),
        "[v for i, v in enumerate($a) if i == 0 or v != $a[i - 1]]",
        "squeeze",
        adjust=repeated,
        near=("list(dict.fromkeys($a))",),
    ),
    untouched(
        "swap_neighbours",
        INTS,
        "list[int]",
        ("$a with the first and second element exchanged, the third and fourth, and so on",),
        "[v for i in range(0, len($a), 2) for v in $a[i:i + 2][::-1]]",
        "pairwise_swap",
        near=("$a[::-1]",),
    ),
    untouched(
        "diagonal",
        _SQUARE,
        "list[int]",
        ("the list of the elements of $a that have the same row and column index",),
        "[$a[i][i] for i in range(len($a))]",
        "main_diagonal",
        near=("$a[0]",),
    ),
    untouched(
        "row_spreads",
        _MATRIX,
        "list[int]",
        ("a list of the largest minus the smallest number of every list in $a",),
        "[max(row) - min(row) for row in $a]",
        "spread_of_rows",
        near=("[max(row) for row in $a]",),
    ),
    untouched(
        "flatten_rows",
        _MATRIX,
        "list[int]",
        ("all numbers of the lists in $a, joined into one list",),
        "[v for row in $a for v in row]",
        "flat",
        near=("$a[0]",),
    ),
    untouched(
        "transpose",
        _MATRIX,
        "list[list[int]]",
        ("$a with its rows and columns exchanged",),
        "[list(column) for column in zip(*$a)]",
        "columns",
        near=("[row[::-1] for row in $a]",),
    ),
    untouched(
        "count_ones",
        NAT,
        "int",
        ("how many ones there are when $a is written in binary",),
        'bin($a).count("1")',
        "one_bits",
        near=('str($a).count("1")', "len(bin($a)) - 2"),
    ),
    untouched(
        "sum_odd_digits",
        NAT,
        "int",
        ("the sum of the odd digits of $a",),
        "sum(int(d) for d in str($a) if int(d) % 2 == 1)",
        "odd_digit_sum",
        near=("sum(int(d) for d in str($a))",),
    ),
    untouched(
        "is_square_number",
        NAT,
        "bool",
        ("whether $a is the square of a whole number",),
        "int($a ** 0.5) ** 2 == $a",
        "perfect_square",
        adjust=_squares,
        near=("$a % 2 == 0",),
    ),
    untouched(
        "hours_and_minutes",
        NAT,
        "str",
        ("$a minutes as hours and minutes with a colon between, the minutes with two digits",),
        'str($a // 60) + ":" + str($a % 60).rjust(2, "0")',
        "clock",
        near=('str($a // 60) + ":" + str($a % 60)',),
    ),
    untouched(
        "fizz",
        UP_TO,
        "str",
        ('"fizz" if $a is divisible by 3, else "buzz" if it is divisible by 5, else its digits',),
        '"fizz" if $a % 3 == 0 else "buzz" if $a % 5 == 0 else str($a)',
        "fizz_or_buzz",
        near=('"fizz" if $a % 3 == 0 else str($a)',),
    ),
    untouched(
        "least_multiple",
        (UP_TO, POS),
        "int",
        ("the smallest number above 0 that both $a and $b divide",),
        "min(m for m in range($a, $a * $b + 1, $a) if m % $b == 0)",
        "common_multiple lcm",
        near=("$a * $b", "max($a, $b)"),
    ),
    untouched(
        "sum_threes_and_fives",
        UP_TO,
        "int",
        ("the sum of the numbers below $a that are divisible by 3 or by 5",),
        "sum(i for i in range($a) if i % 3 == 0 or i % 5 == 0)",
        "threes_and_fives",
        near=("sum(i for i in range($a) if i % 3 == 0)",),
    ),
    untouched(
        "weekday",
        INT.named("days", "n"),
        "str",
        ("the first three letters (Mon, Tue, ...) of the day that comes $a days after a Monday",),
        '["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][$a % 7]',
        "day_name",
        near=('["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][($a + 1) % 7]',),
    ),
    untouched(
        "letter_grade",
        _SCORE,
        "str",
        ('"A" for $a from 90 on, "B" from 75 on, "C" from 60 on, and "D" below',),
        '"A" if $a >= 90 else "B" if $a >= 75 else "C" if $a >= 60 else "D"',
        "grade",
        near=('"A" if $a > 90 else "B" if $a > 75 else "C" if $a > 60 else "D"',),
    ),
    untouched(
        "pig_latin",
        WORD,
        "str",
        ('$a without its first letter, followed by that letter and "ay"',),
        '$a[1:] + $a[0] + "ay"',
        "to_pig_latin",
        near=('$a + "ay"',),
    ),
    untouched(
        "mask_middle",
        _TWO_AND_MORE,
        "str",
        ("$a with a star in place of each character but the first and the last",),
        '$a[0] + "*" * (len($a) - 2) + $a[-1]',
        "masked",
        near=('"*" * len($a)',),
    ),
    untouched(
        "differing_positions",
        (WORD, OTHER_WORD),
        "list[int]",
        ("the list of the indices at which $a and $b have different characters",),
        "[i for i, (c, d) in enumerate(zip($a, $b)) if c != d]",
        "where_different",
        adjust=_few_changes,
        near=("[i for i, (c, d) in enumerate(zip($a, $b)) if c == d]",),
    ),
    untouched(
        "camel_case",
        SENTENCE,
        "str",
        ("the words of $a joined without spaces, each but the first with a capital letter",),
        '$a.split()[0] + "".join(w.capitalize() for w in $a.split()[1:])',
        "to_camel",
        near=('"".join(w.capitalize() for w in $a.split())',),
    ),
    untouched(
        "first_occurrences",
        TEXT,
        "str",
        ("each different character of $a once, in the order in which they first appear",),
        '"".join(c for i, c in enumerate($a) if c not in $a[:i])',
        "once_each",
        near=('"".join(sorted(set($a)))',),
    ),
    untouched(
        "vowels_by_word",
        SENTENCE,
        "dict[str, int]",
        ("a dict from each word of $a to how many vowels (a, e, i, o, u) it has",),
        '{w: sum(c in "aeiou" for c in w) for w in $a.split()}',
        "vowel_map",
        near=("{w: len(w) for w in $a.split()}",),
    ),
    untouched(
        "places_of_words",
        STRS,
        "dict[str, list[int]]",
        ("a dict from each string in $a to the list of all indices at which it stands",),
        "{w: [i for i, x in enumerate($a) if x == w] for w in $a}",
        "index_lists",
        adjust=repeated,
        near=("{w: [$a.index(w)] for w in $a}",),
    ),
    untouched(
        "add_counts",
        (COUNTS, _MORE),
        "dict[str, int]",
        ("a dict with the keys of $a and $b, where the values of a key in both are added",),
        "{k: $a.get(k, 0) + $b.get(k, 0) for k in [*$a, *$b]}",
        "sum_dicts",
        adjust=_shared_keys,
        near=("{**$a, **$b}",),
    ),
    untouched(
        "rank_of_key",
        (COUNTS, KEY),
        "int",
        ("1 plus the number of keys of $a whose value is greater than that of $b",),
        "1 + len([k for k in $a if $a[k] > $a[$b]])",
        "place_of",
        adjust=key_inside,
        near=("len([k for k in $a if $a[k] >= $a[$b]]) + 1", "$a[$b]"),
    ),
    untouched(
        "keys_above_average",
        COUNTS,
        "list[str]",
        ("the list of the keys of $a whose value is greater than the average of all values",),
        "[k for k in $a if $a[k] * len($a) > sum($a.values())]",
        "better_than_average",
        near=("[k for k in $a if $a[k] * len($a) < sum($a.values())]",),
    ),
)
