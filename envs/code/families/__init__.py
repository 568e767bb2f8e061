"""Built-in families of small Python functions, made from (family, level, seed) and nothing else.

Level 1 asks for one built-in operation, level 2 puts a step before or after it, level 3 two.
Training and held-out families are disjoint in name and in what they do: the hidden tests of every
task catch the operation of each family of the other split that takes the same types. Two
composed programs may still coincide; `screen.Screen` keeps such training tasks out. No operation
of a training family is a task of HumanEval or of MBPP's validation split, but for the coincidences
that tests/envs/code/test_datasets.py names.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache
from random import Random

from envs.code.families.base import Core
from envs.code.families.cases import choose
from envs.code.families.compose import draft
from envs.code.families.registry import FAMILIES, FAR, HELDOUT, TEST, TRAIN, opponents
from envs.code.task import CodeTask, Split
from envs.errors import InputError

__all__ = ["FAMILIES", "FAR", "HELDOUT", "LEVELS", "TEST", "TRAIN", "make", "split_of", "suite"]

LEVELS = (1, 2, 3)
_ATTEMPTS = 200


def split_of(family: str) -> Split:
    """Return "train" or, for a held-out family, "test"; InputError for an unknown one."""
    return "test" if _core(family).heldout else "train"


@lru_cache(maxsize=512)
def make(family: str, level: int, seed: int) -> CodeTask:
    """Return the task that follows from family, level (1 to 3) and seed.

    Raises InputError for an unknown family or level.
    """
    core = _core(family)
    if level not in LEVELS:
        raise InputError(f"families: level {level} is unknown; use one of {list(LEVELS)}")
    rng = Random(f"{family}/{level}/{seed}")
    for _ in range(_ATTEMPTS):
        drawn = draft(rng, core, level)
        tests = drawn and choose(rng, core, drawn, opponents(family))
        if drawn and tests:
            break
    else:
        raise RuntimeError(f"family {family}, level {level}, seed {seed}: no task can be drawn")
    visible, hidden = tests
    return CodeTask(
        dataset="families",
        key=f"families/{family}/{level}/{seed}",
        split=split_of(family),
        instruction=drawn.instruction,
        kind="calls",
        hidden=hidden,
        visible=visible,
        entry_point=drawn.name,
        signature=drawn.signature,
        reference=drawn.source,
        family=family,
        level=level,
    )


def suite(
    split: Split, *, per_level: int = 1, levels: Sequence[int] = LEVELS, seed: int = 0
) -> list[CodeTask]:
    """Return `per_level` tasks for each family of `split` and each level, in a fixed order."""
    names = {"train": TRAIN, "test": HELDOUT}.get(split)
    if names is None:
        raise InputError(f"families: no split {split!r}; use train or test")
    return [
        make(family, level, seed + i)
        for family in names
        for level in levels
        for i in range(per_level)
    ]


def _core(family: str) -> Core:
    if family not in FAMILIES:
        close = get_close_matches(family, FAMILIES, 1)
        mend = f"did you mean {close[0]!r}?" if close else "see `selfplay tasks list`"
        raise InputError(f"families: {family!r:.60} is unknown; {mend}")
    return FAMILIES[family]
