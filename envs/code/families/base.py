"""The parts that families are made of: kinds of arguments, steps and cores.

Texts are `string.Template`s: $a, $b, $c stand for the parameters, $k for a constant drawn with the
task. A core is one built-in operation with the noun phrases that say it in English; a step is an
operation from a type to a type that composition puts before or after a core.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any, Literal

Suite = Literal["families", "far", "test"]
"""Held-out suites: `families`, among them neighbours of training families; `far`, which are far
from every training family; `test`, which are far from all others too and choose nothing."""
Adjust = Callable[[Random, list[Any]], list[Any]]
"""Changes freshly drawn arguments so that they have to do with each other."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of argument: its annotation, names to call it by, and how one is drawn.

    `steps` names the pool of steps that may be applied to it before the core; "" for none, where
    the core needs what the step would not keep (a number that is not negative, say).
    """

    annotation: str
    names: tuple[str, ...]
    draw: Callable[[Random], Any]
    steps: str = ""

    def named(self, *names: str) -> Kind:
        """Return the same kind under other names."""
        return replace(self, names=names)


@dataclass(frozen=True, slots=True)
class Step:
    """An operation on one value $a: `says` is an imperative, `expr` the expression.

    `result` is the annotation of what comes out, where that is not the type that went in.
    """

    slug: str
    says: tuple[str, ...]
    expr: str
    ks: tuple[Any, ...] = ()
    result: str = ""


@dataclass(frozen=True, slots=True)
class Core:
    """The operation that a family is about.

    `says` are noun phrases ("the sum of $a"), `names` what the function may be called, `result`
    the annotation of the returned value, `ks` the constants to draw $k from. `near` are wrong
    expressions that some of the tests must catch.
    """

    family: str
    params: tuple[Kind, ...]
    result: str
    says: tuple[str, ...]
    expr: str
    names: tuple[str, ...]
    ks: tuple[Any, ...] = ()
    adjust: Adjust | None = None
    near: tuple[str, ...] = ()
    heldout: bool = False
    suite: Suite = "families"
    """Of a held-out family: the suite that asks it."""


def train(
    family: str,
    params: tuple[Kind, ...] | Kind,
    result: str,
    says: str | tuple[str, ...],
    expr: str,
    names: str = "",
    **more: Any,
) -> Core:
    """Return a core of a training family; `names` are further function names, space-separated."""
    return Core(
        family=family,
        params=params if isinstance(params, tuple) else (params,),
        result=result,
        says=says if isinstance(says, tuple) else (says,),
        expr=expr,
        names=(family, *names.split()),
        **more,
    )


def heldout(
    family: str,
    params: tuple[Kind, ...] | Kind,
    result: str,
    says: str | tuple[str, ...],
    expr: str,
    names: str = "",
    **more: Any,
) -> Core:
    """Return a core of a held-out family, as `train` does for a training one."""
    return replace(train(family, params, result, says, expr, names, **more), heldout=True)


far = partial(heldout, suite="far")
"""Return a core of a held-out family of the suite `far`, as `train` does."""

untouched = partial(heldout, suite="test")
"""Return a core of a held-out family of the suite `test`, as `train` does."""
