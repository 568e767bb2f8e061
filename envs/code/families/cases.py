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
    """The wrong programs that fail here."""

    @property
    def size(self) -> int:
        return len(repr(self.args)) + len(repr(self.expected))


def choose(
    rng: Random, core: Core, draft: Draft, opponents: Sequence[Callable[..., Any]]
) -> tuple[tuple[CallTest, ...], tuple[CallTest, ...]] | None:
    """Return visible (2-3) and hidden (8) tests, or None where the arguments drawn do not do.

    All arguments differ. Every rival fails at least one visible and two hidden tests, every near
    miss and every opponent one hidden test; no expected value makes up more than half of those.
    """
    rivals = [compiled(source, draft.name) for source in draft.rivals]
    near = [compiled(source, draft.name) for source in draft.near]
    cases = _cases(rng, core, draft, [*rivals, *near, *opponents])
    count = rng.choice((2, 2, 3))
    short = [case for case in cases if case.size <= _SHORT]
    visible = _pick(short, count, [1] * len(rivals), most=1 if count == 2 else 2)
    if visible is None:
        return None
    rest = [case for case in cases if all(case is not other for other in visible)]
    needs = [2] * len(rivals) + [1] * (len(near) + len(opponents))
    hidden = _pick(rest, HIDDEN, needs, most=_MOST_OF_ONE)
    if hidden is None:
        return None
    return _tests(visible), _tests(hidden)


def _cases(
    rng: Random, core: Core, draft: Draft, wrong: Sequence[Callable[..., Any]]
) -> list[_Case]:
    reference = compiled(draft.source, draft.name)
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
        caught = frozenset(i for i, f in enumerate(wrong) if not _agrees(f, args, expected))
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
    cases: Sequence[_Case], count: int, needs: Sequence[int], *, most: int
) -> list[_Case] | None:
    """Return `count` cases that catch each wrong program `needs` times, or None."""
    chosen: list[_Case] = []
    left = list(cases)
    values: Counter[str] = Counter()
    missing = dict(enumerate(needs))
    while len(chosen) < count:
        fitting = [case for case in left if values[repr(case.expected)] < most]
        if not fitting:
            return None
        # The first of those that catch most of what is still to be caught.
        best = max(fitting, key=lambda case: sum(missing.get(i, 0) > 0 for i in case.caught))
        left.remove(best)
        chosen.append(best)
        values[repr(best.expected)] += 1
        for i in best.caught:
            if i in missing:
                missing[i] -= 1
    return chosen if all(count <= 0 for count in missing.values()) else None


def _tests(cases: Sequence[_Case]) -> tuple[CallTest, ...]:
    return tuple(CallTest(case.args, case.expected) for case in cases)
