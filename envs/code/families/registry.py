"""All families, and for each the families of the other split that its tasks must differ from."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from string import Template
from typing import Any

from envs.code.families import (
    dicts,
    far,
    list_maps,
    list_parts,
    lists,
    number_facts,
    numbers,
    sentences,
    string_facts,
    strings,
    unseen,
    words,
)
from envs.code.families.base import Core
from envs.code.families.compose import compiled

_MODULES = (
    numbers,
    number_facts,
    lists,
    list_parts,
    list_maps,
    strings,
    sentences,
    string_facts,
    words,
    dicts,
    far,
    unseen,
)

FAMILIES: dict[str, Core] = {core.family: core for module in _MODULES for core in module.CORES}
"""Every family by name."""
TRAIN = tuple(name for name, core in FAMILIES.items() if not core.heldout)
HELDOUT, FAR, TEST = (
    tuple(name for name, core in FAMILIES.items() if core.heldout and core.suite == suite)
    for suite in ("families", "far", "test")
)
"""The held-out families by suite; see base.Suite."""
_LATER = {"far": 1, "test": 2}


def types(core: Core) -> tuple[str, ...]:
    """Return the annotations of the parameters of a core."""
    return tuple(kind.annotation for kind in core.params)


@cache
def opponents(family: str) -> tuple[Callable[..., Any], ...]:
    """Return the functions of all cores that no task of `family` may be solved by.

    They take the same types and stand on the other side of a split: for a training family those of
    the suite `families`, for that suite the training families, for `far` and `test` all families
    of the suites before them. The hidden tests of a task must catch each, so a training task of
    whatever level is never a held-out family in disguise. What came later is no opponent of what
    was there before: the tasks of a family stay the same when others are added.
    """
    core = FAMILIES[family]
    return tuple(
        function
        for other in FAMILIES.values()
        if _opposed(core, other) and types(other) == types(core)
        for function in _functions(other)
    )


def _opposed(core: Core, other: Core) -> bool:
    """Return whether no task of `core` may be solved by the core of `other`."""
    mine, theirs = _LATER.get(core.suite, 0), _LATER.get(other.suite, 0)
    return theirs < mine or (theirs == mine == 0 and other.heldout != core.heldout)


def _functions(core: Core) -> list[Callable[..., Any]]:
    names = "abc"[: len(core.params)]
    placed = {name: name for name in names}
    return [
        compiled(
            f"def f({', '.join(names)}):\n"
            f"    return {Template(core.expr).substitute(placed, k=k)}\n",
            "f",
        )
        for k in core.ks or (None,)
    ]
