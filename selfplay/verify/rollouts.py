"""Rollouts without engine and tokenizer: that rows are whole, paid as they say, and weighed right.

These checks look at every row, whatever the sample is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from envs.code.proposer import DOMAIN as PROPOSE
from envs.task import task_id
from rewards.chess.scores import PositionScores
from rewards.chess.shaping import shape_value
from selfplay.advantages import assign_advantages
from selfplay.config.run import RunConfig
from selfplay.domains.base import Domain, domain_of, has_infra_error
from selfplay.domains.chess.config import RewardConfig
from selfplay.domains.code import proposer
from selfplay.domains.code.config import CodeConfig
from selfplay.loop.collect import request_seed
from selfplay.records import FORCED, Group
from selfplay.verify.finding import Difference, named_differences
from selfplay.verify.groups import Row, StoredGroup, file_of

SHARED = ("domain", "payload", "policy_version", "prompt_ids", "trained")
"""Columns that are the same in all rows of a group."""
LEGAL = ("pass", "fail")


def check_rows(step: int, groups: Sequence[StoredGroup], config: RunConfig) -> Iterator[Difference]:
    """Check what each row says of itself: run, step, seed, task, index, log-probs."""
    for group in groups:
        first = group.rows[0]
        seeds = [
            request_seed(config.seed, step, refill, first["task_id"])
            for refill in range(1 + config.max_refills)
        ]
        named = task_id(first["domain"], first["payload"])
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
    step: int, groups: Sequence[StoredGroup], config: RunConfig, engines: Sequence[str]
) -> Iterator[Difference]:
    """Check that verdict and value follow from each row's own parts.

    `engines` are the hashes (sha256) of the engines that the manifest names.
    """
    for group in groups:
        for number, row in zip(group.numbers, group.rows, strict=True):
            if row["verdict"] in (None, "infra_error"):
                continue
            if row["domain"] == "chess":
                expected = chess_payment(row, config)
                by = row["evidence"].get("engine")
                if engines and by not in [sha[:12] for sha in engines]:
                    expected["evidence.engine"] = engines[-1][:12]
            elif row["domain"] == "code":
                expected = code_payment(row, config.section(CodeConfig).shape)
            else:
                continue
            yield from _row(step, number, {key: _column(row, key) for key in expected}, expected)


def chess_payment(row: Row, config: RunConfig) -> dict[str, Any]:
    """Return what verdict, value and parts of a chess answer must be, given its other parts."""
    parts, reward = row["parts"], config.section(RewardConfig)
    if not parts["legal"]:
        verdict = row["verdict"] if row["verdict"] in ("illegal", "unparsable") else "illegal"
        return {"verdict": verdict, "value": 0.0}
    scores = cast(PositionScores, _Paid(parts))
    return {
        "verdict": "pass" if parts["best"] else "fail",
        "value": shape_value(reward.shape, scores, "", reward.floor, reward.slope),
        "parts.regret": parts["best_win"] - parts["win"],
    }


def code_payment(row: Row, shape: str) -> dict[str, Any]:
    """Return what value and parts of a program must be, given its verdict and its other parts."""
    parts, verdict = row["parts"], row["verdict"]
    if "hidden" not in parts:
        return {"verdict": "unparsable", "value": 0.0}
    expected: dict[str, Any] = {
        "verdict": "pass" if parts["hidden"] == 1 else verdict if verdict != "pass" else "fail",
        "value": parts["hidden"] if shape == "fraction" else float(verdict == "pass"),
    }
    if "visible" in parts:
        expected["parts.hack_gap"] = parts["visible"] - parts["hidden"]
    return expected


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


def check_proposals(step: int, groups: Sequence[StoredGroup]) -> Iterator[Difference]:
    """Check that sound proposals earned what the solve rates of their tasks are worth."""
    asked = [g for g in groups if g.group.task.domain == PROPOSE]
    tried = [g.group for g in groups if g.group.task.domain == "code"]
    bare = [_unpaid(g.group) for g in asked]
    proposer.settle(bare, tried)
    for group, paid in zip(asked, bare, strict=True):
        for number, row, rollout in zip(group.numbers, group.rows, paid.rollouts, strict=True):
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


@dataclass(frozen=True, slots=True)
class _Move:
    win: float


class _Paid:
    """A row's parts in the place of an engine's scores, for the formulas of shaping.py."""

    def __init__(self, parts: Mapping[str, float]) -> None:
        self._parts = parts
        self.moves = {"": _Move(parts["win"])}
        self.best_moves = ("",) if parts["best"] else ()

    def regret(self, uci: str) -> float:
        """Return the regret that the row states."""
        return self._parts["regret"]

    def rank(self, uci: str) -> float:
        """Return the rank that the row states."""
        return self._parts["rank"]


def _unpaid(group: Group) -> Group:
    """Return a copy of a request's answers as they were before their tasks were tried."""
    rollouts = []
    for rollout in group.rollouts:
        result = rollout.result
        if result is not None and result.evidence.get("task") is not None:
            parts = {key: value for key, value in result.parts.items() if key != "solve_rate"}
            result = replace(result, value=0.0, parts=parts)
        rollouts.append(replace(rollout, result=result))
    return Group(group.task, rollouts, group.trained)


def _row(step: int, number: int, stored: Any, expected: Any) -> list[Difference]:
    found = named_differences(file_of(step), stored, expected)
    return [replace(one, place=f"row {number}, {one.place}") for one in found]


def _column(row: Row, dotted: str) -> Any:
    value: Any = row
    for key in dotted.split("."):
        value = value.get(key)
    return value
