"""Kinds of arguments and how they are drawn; edge cases come up often enough to be tested."""

from __future__ import annotations

from random import Random
from typing import Any

from envs.code.families.base import Kind

_WORDS = """
apple river stone cloud bread light green seven table mouse ocean tiger paper chair music sugar
plant glass train horse noon level radar cat dog sun map tree key red blue ice egg banana window
garden yellow summer pencil rabbit mirror bottle planet a to at ox queue
"""
WORDS = tuple(_WORDS.split())
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _int(rng: Random) -> int:
    roll = rng.random()
    if roll < 0.12:
        return rng.choice((0, 1, -1))
    if roll < 0.8:
        return rng.randint(-12, 25)
    return rng.randint(-200, 999)


def _nat(rng: Random) -> int:
    roll = rng.random()
    if roll < 0.15:
        return rng.choice((0, 1, 10))
    return rng.randint(2, 30) if roll < 0.5 else rng.randint(31, 9999)


def _ints(rng: Random) -> list[int]:
    size = rng.choice((0, 1, 2, 3, 3, 4, 4, 5, 5, 6, 7))
    low, high = rng.choice(((-9, 12), (0, 9), (-5, 5), (-3, 30)))
    return [rng.randint(low, high) for _ in range(size)]


def _word(rng: Random) -> str:
    return rng.choice(WORDS)


def _text(rng: Random) -> str:
    roll = rng.random()
    if roll < 0.06:
        return ""
    words = [_word(rng) for _ in range(1 if roll < 0.45 else rng.randint(2, 4))]
    if rng.random() < 0.4:
        words = [rng.choice((str.upper, str.capitalize, str.lower))(word) for word in words]
    if rng.random() < 0.25:
        words.insert(rng.randint(0, len(words)), str(rng.randint(0, 999)))
    return " ".join(words) + rng.choice(("", "", "", "", "!", "?"))


def _sentence(rng: Random) -> str:
    return " ".join(_word(rng) for _ in range(rng.choice((1, 2, 2, 3, 3, 4, 5))))


def _strs(rng: Random) -> list[str]:
    words = [_word(rng) for _ in range(rng.choice((0, 1, 2, 3, 3, 4, 4, 5)))]
    return [word.capitalize() if rng.random() < 0.15 else word for word in words]


def _counts(rng: Random) -> dict[str, int]:
    keys = rng.sample(WORDS, rng.choice((0, 1, 2, 2, 3, 3, 4)))
    return {key: rng.randint(-3, 15) for key in keys}


INT = Kind("int", ("n", "x", "number", "value", "num"), _int, "int")
A = INT.named("a", "x", "m", "first", "num1")
B = INT.named("b", "y", "n", "second", "num2")
C = INT.named("c", "z", "p", "third", "num3")
NAT = Kind("int", ("n", "x", "number", "value", "num"), _nat, "nat")
POS = Kind("int", ("b", "d", "k", "divisor"), lambda rng: rng.randint(1, 12))
TINY = Kind("int", ("n", "k", "count", "size"), lambda rng: rng.randint(0, 5))
UP_TO = Kind("int", ("n", "limit", "end", "number"), lambda rng: rng.randint(1, 15))
INTS = Kind("list[int]", ("nums", "xs", "numbers", "values", "items", "lst"), _ints, "list[int]")
MORE_INTS = INTS.named("ys", "other", "others", "more")
ITEM = INT.named("x", "value", "item", "target", "n")
TEXT = Kind("str", ("s", "text", "string", "line"), _text, "str")
SENTENCE = Kind("str", ("s", "text", "sentence", "line"), _sentence)
OTHER_TEXT = TEXT.named("t", "other", "second")
WORD = Kind("str", ("word", "s", "text", "name"), _word, "str")
OTHER_WORD = WORD.named("t", "other", "second")
CHAR = Kind("str", ("c", "char", "letter", "ch"), lambda rng: rng.choice(LETTERS))
PART = Kind("str", ("part", "sub", "t"), lambda rng: _word(rng)[: rng.randint(1, 2)])
STRS = Kind("list[str]", ("words", "texts", "names", "items", "lst"), _strs, "list[str]")
COUNTS = Kind("dict[str, int]", ("d", "counts", "scores", "data", "stock"), _counts, "dict")
KEY = Kind("str", ("key", "name"), _word)


def member(rng: Random, args: list[Any]) -> list[Any]:
    """Take the second argument from the first, mostly."""
    if args[0] and rng.random() < 0.7:
        args[1] = rng.choice(list(args[0]))
    return args


def letter(rng: Random, args: list[Any]) -> list[Any]:
    """Take the second argument, a letter, from the text, mostly."""
    letters = [char for char in "".join(args[0]) if char.isalpha()]
    if letters and rng.random() < 0.75:
        args[1] = rng.choice(letters)
    return args


def part(rng: Random, args: list[Any]) -> list[Any]:
    """Take the second argument from somewhere in the text, often from either end."""
    text = rng.choice(args[0]) if isinstance(args[0], list) and args[0] else "".join(args[0])
    if text and rng.random() < 0.75:
        start = rng.choice((0, 0, rng.randrange(len(text)), max(0, len(text) - 2)))
        args[1] = text[start : start + rng.randint(1, 2)]
    return args


def place(rng: Random, args: list[Any]) -> list[Any]:
    """Make the second argument a valid index into the first."""
    args[1] = rng.randrange(len(args[0])) if args[0] else 0
    return args


def multiple(rng: Random, args: list[Any]) -> list[Any]:
    """Make the first argument a multiple of the second half of the time."""
    if rng.random() < 0.5:
        args[0] = args[1] * rng.randint(0, 20)
    return args


def bounds(rng: Random, args: list[Any]) -> list[Any]:
    """Put the second and third argument in order, around the first or near it."""
    low, high = sorted(args[1:3])
    if rng.random() < 0.6:
        args[0] = rng.choice((rng.randint(low, high), low, high))
    return [args[0], low, high]


def ordered(rng: Random, args: list[Any]) -> list[Any]:
    """Make the second argument lie a little above the first."""
    return [args[0], args[0] + rng.randint(0, 6)]


def alike(rng: Random, args: list[Any]) -> list[Any]:
    """Make the second text out of the letters of the first, half of the time."""
    if rng.random() < 0.5:
        letters = list(args[0])
        rng.shuffle(letters)
        args[1] = "".join(letters + letters[: rng.choice((0, 0, 1))])
    return args


def overlapping(rng: Random, args: list[Any]) -> list[Any]:
    """Put some of the first list into the second."""
    shared = rng.sample(args[0], min(len(args[0]), rng.randint(0, 3)))
    mixed = [*args[1][:4], *shared]
    rng.shuffle(mixed)
    return [args[0], mixed]


def same_length(rng: Random, args: list[Any]) -> list[Any]:
    """Cut two lists to the length of the shorter one."""
    size = min(len(args[0]), len(args[1]))
    return [args[0][:size], args[1][:size]]


def repeated(rng: Random, args: list[Any]) -> list[Any]:
    """Repeat some members of the list half of the time."""
    if args[0] and rng.random() < 0.6:
        extra = [rng.choice(args[0]) for _ in range(rng.randint(1, 3))]
        args[0] = [*args[0], *extra]
    return args


def sorted_half(rng: Random, args: list[Any]) -> list[Any]:
    """Sort the list half of the time."""
    if rng.random() < 0.5:
        args[0] = sorted(args[0])
    return args


def palindrome_half(rng: Random, args: list[Any]) -> list[Any]:
    """Make the text a palindrome half of the time."""
    if rng.random() < 0.5:
        args[0] = args[0] + args[0][::-1][rng.randint(0, 1) :]
    elif rng.random() < 0.5:
        args[0] = args[0] + args[0][0]
    return args


def same_ends_half(rng: Random, args: list[Any]) -> list[Any]:
    """Make the last member equal to the first half of the time."""
    if args[0] and rng.random() < 0.5:
        args[0] = [*args[0], args[0][0]]
    return args


def digits_half(rng: Random, args: list[Any]) -> list[Any]:
    """Make the text all digits half of the time."""
    if rng.random() < 0.5:
        args[0] = str(rng.randint(0, 99999))
    return args


def padded(rng: Random, args: list[Any]) -> list[Any]:
    """Put spaces around the text."""
    args[0] = " " * rng.randint(0, 3) + args[0] + " " * rng.randint(0, 3)
    return args


def with_gaps(rng: Random, args: list[Any]) -> list[Any]:
    """Put empty strings into the list."""
    for _ in range(rng.randint(0, 2)):
        args[0].insert(rng.randint(0, len(args[0])), "")
    return args


def numerals(rng: Random, args: list[Any]) -> list[Any]:
    """Turn the list of strings into one of numerals."""
    args[0] = [str(rng.randint(-20, 99)) for _ in args[0]]
    return args


def key_inside(rng: Random, args: list[Any]) -> list[Any]:
    """Take the key from the dict, mostly."""
    if args[0] and rng.random() < 0.7:
        args[1] = rng.choice(list(args[0]))
    return args


def value_inside(rng: Random, args: list[Any]) -> list[Any]:
    """Take the number from the dict's values, mostly."""
    if args[0] and rng.random() < 0.7:
        args[1] = rng.choice(list(args[0].values()))
    return args
