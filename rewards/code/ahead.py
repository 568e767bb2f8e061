"""Which calls may be sent to a program before they are asked (docs/adr/0011-calls-sent-ahead.md).

A program can read what was sent ahead. In chained tests (`f(6) == 3`, `f(3) == 10`) the arguments
of later calls are the expected values of earlier ones, so sending them would send the answers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from envs.code.task import CallTest, CodeTask, CodeTest, Test
from rewards.code.lowered import lowered
from rewards.code.sandbox import Call

_MOST = 2_000
"""Words of values that are looked through; calls with more of them are not sent ahead."""
_DIGITS = 300
"""Characters of a text that are looked at for a number."""
_LEAST_PART = 3
"""Characters from which a text inside another text reveals something."""


def calls_ahead(task: CodeTask, tests: Sequence[Test]) -> Iterator[Call]:
    """Yield the calls that the tests begin with, up to the first that could answer one before it.

    A test that fails makes fewer calls of its own.
    """
    name = task.entry_point or "?"
    if tests and all(isinstance(test, CodeTest) for test in tests):
        codes = tuple(test.code for test in tests if isinstance(test, CodeTest))
        calls = _calls_of_code(task.kind, name, codes)
        calls = calls[: _silent_of_code(task.kind, name, codes)]
    else:
        calls = [test for test in tests if isinstance(test, CallTest)]
        calls = calls[: _silent(calls)]
    for call in calls:
        yield Call(name, call.args, call.kwargs)


def _calls_of_code(kind: str, name: str, codes: tuple[str, ...]) -> list[CallTest]:
    """Return the calls of test code, up to the first that has to be executed."""
    found: list[CallTest] = []
    for code in codes:
        calls = lowered(kind, name, code)
        if calls is None:
            break
        found += calls
    return found


@lru_cache(maxsize=1024)
def _silent_of_code(kind: str, name: str, codes: tuple[str, ...]) -> int:
    return _silent(_calls_of_code(kind, name, codes))


def _silent(calls: Sequence[CallTest]) -> int:
    """Return how many calls there are before the first that answers one before it."""
    known = _Known()
    return next((i for i, call in enumerate(calls) if known.answers(call)), len(calls))


class _Known:
    """What the calls so far expect, and what of it the arguments of later ones have said."""

    def __init__(self) -> None:
        self._whole: set[str] = set()
        self._missing: list[set[str]] = []
        self._left = _MOST

    def answers(self, call: CallTest) -> bool:
        """Return whether a call's arguments hold an earlier expected value, or the rest of one.

        Then it must not be sent; nor may any after it. The rest: arguments of several calls may
        hold the parts of a value, what its own call is given left aside.
        """
        given, expected = _Words(), _Words()
        whole = [given.read(one) for one in (*call.args, *call.kwargs.values())]
        self._whole_of(given, whole)
        expects = expected.read(call.expected)
        self._left -= given.count + expected.count
        if self._left < 0 or not self._whole.isdisjoint(given.seen):
            return True
        for missing in self._missing:
            missing -= {word for word in missing if given.holds(word)}
            if not missing:
                return True
        self._whole.add(expects)
        if missing := expected.scalars - given.scalars:
            self._missing.append(missing)
        return False

    def _whole_of(self, given: _Words, whole: list[str]) -> None:
        """Take all the arguments together for one value: a pair may come as two of them."""
        if len(whole) > 1:
            given.seen.add(_joined(whole))


class _Words:
    """Values as texts, in which what follows easily from another is alike.

    List or tuple, sign, case, direction of a text, and whether a number is written as one make no
    difference.
    """

    def __init__(self) -> None:
        self.seen: set[str] = set()
        """Each value, and each value in a container."""
        self.scalars: set[str] = set()
        self.count = 0

    def read(self, value: Any) -> str:
        """Return the text of a value; note it and all inside."""
        self.count += 1
        if isinstance(value, dict):
            for key in value:
                self.read(key)
            text = _joined(sorted(f"{self.read(k)}:{self.read(v)}" for k, v in value.items()))
        elif isinstance(value, list | tuple):
            text = _joined([self.read(one) for one in value])
        elif isinstance(value, set | frozenset):
            text = _joined(sorted(self.read(one) for one in value))
        else:
            text = _scalar(value)
            self.scalars.add(text)
        self.seen.add(text)
        return text

    def holds(self, word: str) -> bool:
        """Return whether a scalar is among these, or a text part of one, or one part of it."""
        return word in self.scalars or any(
            min(len(word), len(mine)) >= _LEAST_PART
            and (word in mine or mine in word or word[::-1] in mine or mine[::-1] in word)
            for mine in self.scalars
        )


def _joined(texts: list[str]) -> str:
    return f"[{','.join(texts)}]"


def _scalar(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return _digits(value)
    if isinstance(value, float):
        return _digits(int(value)) if value.is_integer() else f"{abs(value):.9g}"
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    text = text.strip().casefold()
    with contextlib.suppress(ValueError):
        return _digits(int(text[:_DIGITS]))
    return min(text, text[::-1])


def _digits(number: int) -> str:
    return hex(abs(number))  # in decimal a long one takes long
