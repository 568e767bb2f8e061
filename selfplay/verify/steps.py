"""metrics.jsonl: the metrics of a step, recomputed from its rollouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from selfplay.domains.base import Domain, has_infra_error
from selfplay.domains.differences import Difference, named_differences
from selfplay.loop.collect import rollout_metrics
from selfplay.records import FORCED, Group

FILE = "metrics.jsonl"
FLOAT32 = 1e-5
"""Log-probs are stored with 24 bits: the metric made of them is this exact (relative)."""
_ROUNDED_S = 0.0005
"""Seconds in metrics.jsonl are rounded to milliseconds."""


def recomputed_metrics(
    step: int, groups: Sequence[Group], domains: Mapping[str, Domain]
) -> dict[str, Any]:
    """Return all metrics of a step's row of metrics.jsonl that follow from its rollouts.

    Not among them are the learner's metrics, times, and those of the curriculum, which depend on
    all earlier steps.
    """
    metrics: dict[str, Any] = dict(rollout_metrics(groups, domains, None))
    drawn = [r for g in groups for r in g.rollouts if r.finish != FORCED]
    versions = {r.policy_version for g in groups for r in g.rollouts}
    return metrics | {
        "step": step,
        "version": step,
        "staleness": step - 1 - min(versions) if versions else None,
        "completion_tokens": sum(len(r.completion_ids) for r in drawn),
        "infra_errors": sum(has_infra_error(g) for g in groups),
    }


def check_step(row: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[Difference]:
    """Return where a row of metrics.jsonl is not what `recomputed_metrics` says."""
    place = f"step {metrics['step']}"
    found = []
    for key, value in metrics.items():
        close = FLOAT32 if key.endswith("sampler_entropy") else 1e-9
        where = f"{place}, {key}"
        found += named_differences(FILE, row.get(key), value, where, close=close)
    return found + _speed(row, place)


def check_order(
    rows: Sequence[Mapping[str, Any]], files: Sequence[int], ahead: int
) -> list[Difference]:
    """Return which steps are missing, twice there or out of order, and which have no rollouts.

    Args:
        rows: those of metrics.jsonl.
        files: steps that have a file of rollouts.
        ahead: steps that may have been collected when the run ended, but not trained on.
    """
    found = []
    for number, row in enumerate(rows, start=1):
        if row.get("step") != number:
            found.append(Difference(FILE, f"line {number}, step", row.get("step"), number))
            break
    last = len(rows)
    back = {row.get("step") for row in rows if "rolled_back_to" in row}
    for step in sorted(set(range(1, last + 1)) - set(files) - back):
        found.append(Difference.words(f"rollouts/step_{step:06d}.parquet", "", "no file", "a file"))
    for step in sorted(files):
        if step in back:
            sides = "a file", "none: the run went back to its champion"
            found.append(Difference.words(f"rollouts/step_{step:06d}.parquet", "", *sides))
        elif step > last + ahead:
            found.append(
                Difference.words(FILE, f"step {step}", "no row", "a row: there are rollouts")
            )
    return found


def _speed(row: Mapping[str, Any], place: str) -> list[Difference]:
    """Return a difference where tokens per second are not tokens by seconds."""
    seconds, speed = row["seconds"]["sample"], row["tokens_per_s"]
    if speed is None or not seconds:
        return []
    if abs(speed * seconds - row["completion_tokens"]) <= speed * _ROUNDED_S + 1e-6:
        return []
    due = row["completion_tokens"] / seconds
    return [Difference(FILE, f"{place}, tokens_per_s", speed, due)]
