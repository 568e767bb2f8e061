"""Choosing the tests of a composed program: varied, and sharp enough to catch wrong programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from envs.code.families.base import Core
from envs.code.families.compose import Draft, compiled
from envs.code.task import CallTest
from envs.code.values import same

HIDDEN = 8
_TRIES = 120
_ENOUGH = 40
_MOST_OF_ONE = HIDDEN // 2
"""Hidden tests with the same expected value: a constant earns no more than half of them."""
_SHORT = 90
"""Characters of a visible example."""
_LONGEST = 200
_BIGGEST = 10**9

# What a reference raises on arguments that the instruction does not speak of (an empty list has no
# maximum): such arguments are no tests.
_OUTSIDE = (ValueError, IndexError, KeyError, ZeroDivisionError, TypeError, OverflowError)


@dataclass(frozen=True, slots=True)
class _Case:
    args: list[Any]
    expected: Any
    caught: frozenset[int]
    """The rivals that fail here."""

    @property
    def size(self) -> int:
        return len(repr(self.args)) + len(repr(self.expected))


def choose(
    rng: Random, core: Core, draft: Draft
) -> tuple[tuple[CallTest, ...], tuple[CallTest, ...]] | None:
    """Return visible (2-3) and hidden (8) tests, or None where the arguments drawn do not do.

    All arguments differ. Every rival fails at least one visible and two hidden tests; no expected
    value makes up more than half of the hidden ones.
    """
    cases = _cases(rng, core, draft)
    count = rng.choice((2, 2, 3))
    rivals = len(draft.rivals)
    short = [case for case in cases if case.size <= _SHORT]
    visible = _pick(short, count, rivals, catches=1, most=1 if count == 2 else 2)
    if visible is None:
        return None
    rest = [case for case in cases if all(case is not other for other in visible)]
    hidden = _pick(rest, HIDDEN, rivals, catches=2, most=_MOST_OF_ONE)
    if hidden is None:
        return None
    return _tests(visible), _tests(hidden)


def _cases(rng: Random, core: Core, draft: Draft) -> list[_Case]:
    reference = compiled(draft.source, draft.name)
    rivals = [compiled(source, draft.name) for source in draft.rivals]
    cases: list[_Case] = []
    seen: set[str] = set()
    for _ in range(_TRIES):
        args = [kind.draw(rng) for kind in core.params]
        if core.adjust is not None:
            args = core.adjust(rng, args)
        try:
            expected = reference(*args)
        except _OUTSIDE:
            continue
        if repr(args) in seen or not _handy(expected) or len(repr(args)) > _LONGEST:
            continue
        seen.add(repr(args))
        caught = frozenset(i for i, f in enumerate(rivals) if not _agrees(f, args, expected))
        cases.append(_Case(args, expected, caught))
        if len(cases) == _ENOUGH:
            break
    return cases


def _handy(value: Any) -> bool:
    if type(value) in (int, float) and not -_BIGGEST <= value <= _BIGGEST:
        return False
    return len(repr(value)) <= _LONGEST


def _agrees(rival: Callable[..., Any], args: list[Any], expected: Any) -> bool:
    try:
        return same(expected, rival(*args))
    except (*_OUTSIDE, AttributeError):
        return False


def _pick(
    cases: Sequence[_Case], count: int, rivals: int, *, catches: int, most: int
) -> list[_Case] | None:
    """Return `count` cases with each rival caught `catches` times, or None."""
    chosen: list[_Case] = []
    left = list(cases)
    values: Counter[str] = Counter()
    caught: Counter[int] = Counter()
    while len(chosen) < count:
        open_rivals = {i for i in range(rivals) if caught[i] < catches}
        fitting = [case for case in left if values[repr(case.expected)] < most]
        if not fitting:
            return None
        # The first of those that catch most of what is still to be caught.
        best = max(fitting, key=lambda case: len(case.caught & open_rivals))
        left.remove(best)
        chosen.append(best)
        values[repr(best.expected)] += 1
        caught.update(best.caught)
    return chosen if all(caught[i] >= catches for i in range(rivals)) else None


def _tests(cases: Sequence[_Case]) -> tuple[CallTest, ...]:
    return tuple(CallTest(case.args, case.expected) for case in cases)
