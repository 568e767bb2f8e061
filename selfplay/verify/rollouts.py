"""Rollouts without engine and tokenizer: that rows are whole, paid as they say, and weighed right.

These checks look at every row, whatever the sample is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from selfplay.advantages import assign_advantages
from selfplay.config.run import RunConfig
from selfplay.domains.base import Domain, domain_of, has_infra_error
from selfplay.domains.checks import Checks, Identity
from selfplay.domains.differences import Difference, named_differences
from selfplay.loop.collect import SPARE_ROUNDS, request_seed
from selfplay.records import FORCED
from selfplay.verify.groups import Row, StoredGroup, file_of

SHARED = ("domain", "payload", "policy_version", "prompt_ids", "trained")
"""Columns that are the same in all rows of a group."""

CheckOf = Callable[[str], Checks]
"""Domain name -> its checks."""


def check_rows(
    step: int, groups: Sequence[StoredGroup], config: RunConfig, checks: CheckOf
) -> Iterator[Difference]:
    """Check what each row says of itself: run, step, seed, task, index, log-probs."""
    for group in groups:
        first = group.rows[0]
        seeds = [
            request_seed(config.seed, step, refill, first["task_id"])
            for refill in range(1 + config.max_refills + SPARE_ROUNDS)
        ]
        named = checks(domain_of(group.group.task)).id_of(group.group.task)
        broken = False
        for k, (number, row) in enumerate(zip(group.numbers, group.rows, strict=True)):
            drawn = row["finish"] != FORCED
            # A missing row shifts all after it: the first is enough.
            expected = {
                "run": config.name,
                "step": step,
                "task_id": named,
                "seed": row["seed"] if row["seed"] in seeds else seeds[0],
                "index": row["index"] if broken else k,
                "finish": row["finish"] if row["finish"] in ("stop", "length", FORCED) else "stop",
                **{name: first[name] for name in SHARED},
            }
            yield from _row(step, number, {key: row[key] for key in expected}, expected)
            broken = broken or row["index"] != k
            ids = len(row["completion_ids"]) if drawn else 0
            if len(row["logprobs"]) != ids:
                sides = f"{len(row['logprobs'])} items", f"{ids} items"
                yield Difference.words(file_of(step), f"row {number}, logprobs", *sides)


def check_counts(
    step: int, groups: Sequence[StoredGroup], domains: Mapping[str, Domain]
) -> Iterator[Difference]:
    """Check that every group holds as many drawn answers as its domain asks for."""
    for group in groups:
        wanted = domains[domain_of(group.group.task)].samples(group.group.task)
        if group.drawn != wanted:
            place = f"rows from {group.numbers[0]}, answers drawn for {group.group.task.id}"
            yield Difference(file_of(step), place, group.drawn, wanted)


def check_payment(
    step: int, groups: Sequence[StoredGroup], checks: CheckOf, recorded: Sequence[Identity]
) -> Iterator[Difference]:
    """Check that verdict and value follow from each row's own parts, as far as its domain can say.

    `recorded`: what the manifest says of who scored (Checks.same_scorer).
    """
    for group in groups:
        mine = checks(domain_of(group.group.task))
        for number, row in zip(group.numbers, group.rows, strict=True):
            if row["verdict"] not in (None, "infra_error"):
                due = mine.payment(row, recorded)
                yield from _row(step, number, {key: _column(row, key) for key in due}, due)


def check_advantages(
    step: int, groups: Sequence[StoredGroup], domains: Mapping[str, Domain]
) -> Iterator[Difference]:
    """Check which groups trained, and the advantage of every row, from the group's rewards."""
    sound = [g for g in groups if not has_infra_error(g.group)]
    how = {name: domain.advantage for name, domain in domains.items()}
    spread = [g for g in sound if how[domain_of(g.group.task)].teaches(g.group)] or sound
    taught = {id(g) for g in spread}
    for group in groups:
        if group.group.trained != (id(group) in taught):
            place = f"rows from {group.numbers[0]}, trained"
            yield Difference(file_of(step), place, group.group.trained, id(group) in taught)
            continue
        if group.group.trained:
            domain = domains[domain_of(group.group.task)]
            assign_advantages(group.group, domain.advantage)
        for number, row, rollout in zip(
            group.numbers, group.rows, group.group.rollouts, strict=True
        ):
            stored, due = {"advantage": row["advantage"]}, {"advantage": rollout.advantage}
            yield from _row(step, number, stored, due)


def check_settled(step: int, groups: Sequence[StoredGroup], checks: Checks) -> Iterator[Difference]:
    """Check the results of one domain's groups that follow from those of others in the step."""
    for group, settled in zip(groups, checks.settled([g.group for g in groups]), strict=True):
        if settled is None:
            continue
        for number, row, rollout in zip(group.numbers, group.rows, settled.rollouts, strict=True):
            if rollout.result is None or row["verdict"] == "infra_error":
                continue
            due = {"value": rollout.result.value, "parts": rollout.result.parts}
            yield from _row(step, number, {key: row[key] for key in due}, due)


def check_repeats(step: int, groups: Sequence[StoredGroup]) -> Iterator[Difference]:
    """Check that no draw stands twice in the file."""
    seen = Counter((row["seed"], row["index"]) for group in groups for row in group.rows)
    for group in groups:
        for number, row in zip(group.numbers, group.rows, strict=True):
            if seen[row["seed"], row["index"]] > 1:
                place = f"row {number}, index {row['index']} of {row['task_id']}"
                yield Difference.words(
                    file_of(step), place, f"{seen[row['seed'], row['index']]} times", "once"
                )


def _row(step: int, number: int, stored: Any, expected: Any) -> list[Difference]:
    found = named_differences(file_of(step), stored, expected)
    return [replace(one, place=f"row {number}, {one.place}") for one in found]


def _column(row: Row, dotted: str) -> Any:
    value: Any = row
    for key in dotted.split("."):
        value = value.get(key)
    return value
