"""All families, and for each the families of the other split that its tasks must differ from."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from string import Template
from typing import Any

from envs.code.families import (
    dicts,
    list_maps,
    list_parts,
    lists,
    number_facts,
    numbers,
    sentences,
    string_facts,
    strings,
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
)

FAMILIES: dict[str, Core] = {core.family: core for module in _MODULES for core in module.CORES}
"""Every family by name."""
TRAIN = tuple(name for name, core in FAMILIES.items() if not core.heldout)
HELDOUT = tuple(name for name, core in FAMILIES.items() if core.heldout)


def types(core: Core) -> tuple[str, ...]:
    """Return the annotations of the parameters of a core."""
    return tuple(kind.annotation for kind in core.params)


@cache
def opponents(family: str) -> tuple[Callable[..., Any], ...]:
    """Return the functions of all cores of the other split that take the same types.

    No task of `family` may be solved by one of them: its hidden tests must catch each. So a
    training task of whatever level is never a held-out family in disguise, nor the reverse.
    """
    core = FAMILIES[family]
    return tuple(
        function
        for other in FAMILIES.values()
        if other.heldout != core.heldout and types(other) == types(core)
        for function in _functions(other)
    )


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
