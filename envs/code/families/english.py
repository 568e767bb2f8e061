"""Instructions in English: one core and up to two steps, worded in several ways."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

_ALONE = (
    "Return {core}.",
    "Return {core}.",
    "Return {core}.",
    "Compute and return {core}.",
    "The function returns {core}.",
    "Give back {core}.",
)
_ONE_BEFORE = (
    "{First}, then return {core}.",
    "First {first}. Then return {core}.",
    "After you {first}, return {core}.",
)
_ONE_AFTER = (
    "Find {core}, then {last} and return it.",
    "Find {core}. Then {last}. Return the result.",
    "Start with {core}. Next, {last}, and return what you get.",
)
_TWO_BEFORE = (
    "First {first}, then {second}. Return {core}.",
    "{First}. Then {second}. After that, return {core}.",
)
_AROUND = (
    "First {first}. Then find {core}, {last} and return it.",
    "{First}, then find {core}. Finally {last}. Return the result.",
)
_TWO_AFTER = (
    "Find {core}. Then {last}, and after that {final}. Return the result.",
    "Start with {core}. First {last}, then {final}. Return what you get.",
)
_TEMPLATES = {
    (0, 0): _ALONE,
    (1, 0): _ONE_BEFORE,
    (0, 1): _ONE_AFTER,
    (2, 0): _TWO_BEFORE,
    (1, 1): _AROUND,
    (0, 2): _TWO_AFTER,
}


def instruction(rng: Random, core: str, before: Sequence[str], after: Sequence[str]) -> str:
    """Return one wording of: do `before` (up to 2 imperatives), take `core`, do `after`."""
    template = rng.choice(_TEMPLATES[len(before), len(after)])
    first, second = [*before, "", ""][:2]
    last, final = [*after, "", ""][:2]
    return template.format(
        core=core,
        first=first,
        First=first[:1].upper() + first[1:],
        second=second,
        last=last,
        final=final,
    )
