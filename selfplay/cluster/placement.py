"""Who needs what of a cluster: the arithmetic of roles and resources."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envs.errors import InputError
from selfplay.config.run import RunConfig

Resources = Mapping[str, float]
_EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class Role:
    """`count` actors, each of which reserves `each` on one node."""

    name: str
    count: int
    each: dict[str, float]

    def __str__(self) -> str:
        return f"{self.count} {self.name} x {in_words(self.each)}"


def roles(
    config: RunConfig, sampler_gpus: float, learner_gpus: float, *, least: bool = False
) -> list[Role]:
    """Return what the run's actors reserve, the scorers of an evaluation included.

    Args:
        config: the run's.
        sampler_gpus: per sampler.
        learner_gpus: per learner worker.
        least: count only the samplers that the run cannot start without.
    """
    pools = scorer_pools(config)
    sampler, scorer, learner = config.sampler, config.scorer, config.learner
    count = min(sampler.count, sampler.at_least or sampler.count) if least else sampler.count
    return [
        Role("samplers", count, bundle(sampler.cpus, sampler_gpus, sampler.resources)),
        Role("scorers", pools * scorer.count, bundle(scorer.cpus, 0.0, scorer.resources)),
        Role(
            "learner workers",
            learner.workers,
            bundle(learner.cpus, learner_gpus, learner.resources),
        ),
    ]


def bundle(cpus: float, gpus: float, resources: Resources) -> dict[str, float]:
    """Return one actor's resources under Ray's names, those of none left out."""
    named = {"CPU": cpus, "GPU": gpus, **resources}
    return {name: amount for name, amount in named.items() if amount}


def scorer_pools(config: RunConfig) -> int:
    """Return how many scorer pools live at once: one per domain, and one while evaluating."""
    return len(config.domains) + 1


def demand(wanted: Iterable[Role]) -> dict[str, float]:
    """Return the sum over all actors."""
    total: dict[str, float] = {}
    for role in wanted:
        for name, amount in role.each.items():
            total[name] = total.get(name, 0.0) + role.count * amount
    return total


def refuse_impossible(
    wanted: Sequence[Role], total: Resources, nodes: Sequence[Resources], pools: int
) -> None:
    """Refuse what the cluster as it is cannot give, however idle it becomes.

    Args:
        wanted: the roles.
        total: the cluster's resources.
        nodes: the resources of each node; empty leaves out the check per node.
        pools: how many scorer pools the scorers stand for, for the message.

    Raises:
        InputError: the message has the arithmetic.
    """
    all_roles = ", ".join(f"{role.count} {role.name}" for role in wanted)
    for name, need in demand(wanted).items():
        have = total.get(name, 0.0)
        if need > have + _EPSILON:
            raise InputError(
                f"placement: {all_roles} (the scorers in {pools} pools, one while evaluating) "
                f"need {need:g} {name}, the Ray cluster has {have:g}; {_mend(name)}"
            )
    for role in wanted if nodes else ():
        if role.count and not any(_fits(role.each, node) for node in nodes):
            raise InputError(
                f"placement: each of the {role.count} {role.name} needs {in_words(role.each)} on "
                f"one node; the {len(nodes)} nodes have "
                f"{'; '.join(in_words(_plain(n)) for n in nodes)}"
            )


def lines(wanted: Sequence[Role], total: Resources, free: Resources) -> list[str]:
    """Return the arithmetic for people; the second line says what others hold at the moment."""
    need = demand(wanted)
    have = {name: total.get(name, 0.0) for name in need}
    shown = [f"placement: {' + '.join(map(str, wanted))} = {in_words(need)} of {in_words(have)}"]
    taken = {n: need[n] - free.get(n, 0.0) for n in need if need[n] > free.get(n, 0.0) + _EPSILON}
    if taken:
        shown.append(f"placement: {in_words(taken)} of that are in use by others; waiting for them")
    return shown


def shortage(needs: Resources, total: Resources, free: Resources) -> str:
    """Return what one actor needs, and what the cluster has of it."""
    parts = [
        f"{need:g} {name} (the cluster has {total.get(name, 0.0):g}, {free.get(name, 0.0):g} free)"
        for name, need in needs.items()
    ]
    return f"it needs {' and '.join(parts)}"


def in_words(resources: Resources) -> str:
    """Return resources in words: `2 CPU + 1 GPU`."""
    return " + ".join(f"{amount:g} {name}" for name, amount in resources.items()) or "nothing"


def event(role: str, number: int, what: str, where: Mapping[str, Any]) -> dict[str, Any]:
    """Return one row of a run's placement record.

    Args:
        role: for instance `sampler`.
        number: which of them, from 0.
        what: `placed` or `lost`.
        where: the node's id, its address, and the process.
    """
    return {
        "time": round(time.time(), 3),
        "role": role,
        "number": number,
        "event": what,
        **where,
    }


def _fits(each: Resources, node: Resources) -> bool:
    return all(node.get(name, 0.0) + _EPSILON >= amount for name, amount in each.items())


def _plain(node: Resources) -> dict[str, float]:
    """Leave out what Ray adds of its own: the node's own names and its memory."""
    own = ("memory", "object_store_memory")
    return {n: v for n, v in node.items() if n not in own and not n.startswith("node:")}


def _mend(name: str) -> str:
    if name in ("CPU", "GPU"):
        return "lower *.count, *.cpus or *.gpus"
    given = f'{{"{name}": 1}}'
    return f"start a node with --resources='{given}', or lower *.count or *.resources"
