"""Programs composed of a core and steps, and the wrong programs that its tests must refuse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from string import Template
from typing import Any

from envs.code.families.base import Core, Step
from envs.code.families.english import instruction
from envs.code.families.steps import AFTER, BEFORE

INDENT = "    "
NEUTRAL = ("compute", "process", "solve", "transform", "evaluate", "work_out")
"""Function names for programs of two steps, whose own name would be a sentence."""
_RESULT = "result"


@dataclass(frozen=True, slots=True)
class Draft:
    """A program without its tests: what is asked, a right program and wrong ones near it.

    `rivals` are programs that leave out a step or the core, or return their argument; `near` are
    those with one of the core's near misses in its place.
    """

    name: str
    signature: str
    instruction: str
    source: str
    rivals: tuple[str, ...]
    near: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Stage:
    """A step with its constant drawn."""

    step: Step
    k: Any

    @classmethod
    def draw(cls, rng: Random, pool: Sequence[Step]) -> _Stage:
        step = rng.choice(pool)
        return cls(step, rng.choice(step.ks) if step.ks else None)

    def expr(self, name: str) -> str:
        return Template(self.step.expr).substitute(a=name, k=self.k)

    def says(self, rng: Random, name: str) -> str:
        return Template(rng.choice(self.step.says)).substitute(a=name, k=self.k)


def draft(rng: Random, core: Core, level: int) -> Draft | None:
    """Return a program of `core` with `level` - 1 steps; None where the steps drawn do not fit."""
    stages = _stages(rng, core, level - 1)
    if stages is None:
        return None
    before, after = stages
    names = _parameters(rng, core)
    constant = rng.choice(core.ks) if core.ks else None
    placed = dict(zip("abc", names, strict=False), k=constant)
    expr = Template(core.expr).substitute(placed)
    name = _function_name(rng, core, before, after, names)
    annotated = [f"{n}: {kind.annotation}" for n, kind in zip(names, core.params, strict=True)]
    signature = f"def {name}({', '.join(annotated)}) -> {_result(core, after)}:"
    # After "Find ..." only the first phrase reads well: "whether ...", not "True if ...".
    noun = Template(rng.choice(core.says if not (before or after) else core.says[:1])).substitute(
        placed
    )

    def source(before: Sequence[_Stage], after: Sequence[_Stage], expr: str = expr) -> str:
        return _source(signature, _body(names[0], expr, before, after))

    rivals = [_source(signature, [f"return {names[0]}"])]
    if before or after:
        rivals.append(source(before, after, names[0]))
    rivals += [source(_without(before, i), after) for i in range(len(before))]
    rivals += [source(before, _without(after, i)) for i in range(len(after))]
    near = [source(before, after, Template(miss).substitute(placed)) for miss in core.near]
    text = instruction(
        rng,
        noun,
        [stage.says(rng, names[0]) for stage in before],
        [stage.says(rng, "the result") for stage in after],
    )
    return Draft(name, signature, text, source(before, after), tuple(rivals), tuple(near))


def compiled(source: str, name: str) -> Callable[..., Any]:
    """Return the function of a program that was composed here."""
    space: dict[str, Any] = {}
    exec(compile(source, "<family>", "exec"), space)
    function: Callable[..., Any] = space[name]
    return function


def _stages(rng: Random, core: Core, count: int) -> tuple[list[_Stage], list[_Stage]] | None:
    """Return `count` steps, some before and some after the core."""
    pool = BEFORE.get(core.params[0].steps, ())
    before: list[_Stage] = []
    after: list[_Stage] = []
    result = core.result
    for _ in range(count):
        places = (["before"] if pool else []) + (["after"] if AFTER.get(result) else [])
        if not places:
            return None
        if rng.choice(places) == "before":
            before.append(_Stage.draw(rng, pool))
        else:
            after.append(_Stage.draw(rng, AFTER[result]))
            result = after[-1].step.result or result
    slugs = [stage.step.slug for stage in before + after]
    return (before, after) if len(set(slugs)) == len(slugs) else None


def _result(core: Core, after: Sequence[_Stage]) -> str:
    return next((s.step.result for s in reversed(after) if s.step.result), core.result)


def _parameters(rng: Random, core: Core) -> list[str]:
    names: list[str] = []
    for kind in core.params:
        names.append(rng.choice([name for name in kind.names if name not in names]))
    return names


def _function_name(
    rng: Random,
    core: Core,
    before: Sequence[_Stage],
    after: Sequence[_Stage],
    taken: Sequence[str],
) -> str:
    name = rng.choice([name for name in core.names if name not in taken])
    if len(before) + len(after) > 1:
        return rng.choice(NEUTRAL)
    parts = [stage.step.slug for stage in before] + [name] + [stage.step.slug for stage in after]
    return "_then_".join(parts)


def _body(name: str, expr: str, before: Sequence[_Stage], after: Sequence[_Stage]) -> list[str]:
    lines = [f"{name} = {stage.expr(name)}" for stage in before]
    if not after:
        return [*lines, f"return {expr}"]
    lines.append(f"{_RESULT} = {expr}")
    lines += [f"{_RESULT} = {stage.expr(_RESULT)}" for stage in after[:-1]]
    return [*lines, f"return {after[-1].expr(_RESULT)}"]


def _source(signature: str, body: Sequence[str]) -> str:
    return "\n".join([signature, *(INDENT + line for line in body)]) + "\n"


def _without(stages: Sequence[_Stage], index: int) -> list[_Stage]:
    return [stage for i, stage in enumerate(stages) if i != index]
