"""Code under `selfplay verify`: programs that do not do the same twice, proposals that are paid by
others' answers, tasks that are known by their contents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from typing_extensions import override

from envs import Task
from envs.code.contents import contents
from envs.code.families import split_of
from envs.code.proposer import DOMAIN as PROPOSE
from envs.code.task import DOMAIN, CodeTask
from envs.errors import InputError
from rewards import RewardResult
from selfplay.config.run import RunConfig
from selfplay.domains.checks import Checks, Held, Identity, Kept
from selfplay.domains.code import proposer
from selfplay.domains.code.config import CodeConfig, SandboxConfig
from selfplay.domains.code.tasks import benchmark_tasks, evaluation_tasks
from selfplay.domains.rows import Row
from selfplay.records import Group

GENEROUS = 4.0
"""Factor of the time limits for a program that ran into one here and did not in the run."""
VARYING = ("failed",)
"""Keys of a row whose text may hold what differs from run to run (addresses, times)."""
FILES = ("mbpp", "jsonl")
"""Data sets whose tasks are recognised by their contents; families by their split."""


class CodeChecks(Checks):
    """What code knows of its own results."""

    makes_ids: ClassVar[bool] = True
    scores_alike: ClassVar[bool] = True

    @override
    def retry_config(self) -> RunConfig | None:
        """With more time: a busy machine may have run into a limit."""
        config = self.domain.config
        box = config.section(SandboxConfig)
        more = {key: getattr(box, key) * GENEROUS for key in ("wall_s", "cpu_s", "task_s")}
        return config.with_section(box.model_copy(update=more))

    @override
    def payment(self, row: Row, recorded: Sequence[Identity]) -> dict[str, Any]:
        if row["domain"] != DOMAIN:
            return {}
        return payment(row, self.domain.config.section(CodeConfig).shape)

    @override
    def score_of(self, task: Task, result: RewardResult) -> Kept:
        """What a proposal earned follows from other answers: see `settled`."""
        kept = dict(super().score_of(task, result))
        kept["parts"] = {key: part for key, part in kept["parts"].items() if key != "solve_rate"}
        if task.domain == PROPOSE:
            del kept["value"]
            kept["task"] = result.evidence.get("task")
        return kept

    @override
    def settles(self) -> bool:
        return False

    @override
    def settled(self, groups: Sequence[Group]) -> list[Group | None]:
        """Pay sound proposals by the solve rates of their tasks."""
        tried = [group for group in groups if group.task.domain == DOMAIN]
        bare = [_unpaid(group) if group.task.domain == PROPOSE else None for group in groups]
        proposer.settle([group for group in bare if group is not None], tried)
        return bare

    @override
    def columns(self, task: Task) -> dict[str, Any]:
        return {"key": task.payload["key"]}

    @override
    def score_of_row(self, row: Row) -> Kept:
        kept = super().score_of_row(row)
        return {key: kept[key] for key in kept if key not in VARYING}

    @override
    def verdicts(self, kept: Kept) -> list[str]:
        """Those of the greedy program and of the drawn ones."""
        return super().verdicts(kept) + [verdict for _, verdict in kept.get("samples", [])]

    @override
    def held_out(
        self,
        recorded: Sequence[Identity],
        asked: Sequence[tuple[str, Row]],
        unchecked: Callable[[str], None],
    ) -> Held:
        """Tell families by their split, and tasks of files by their contents.

        Older runs, whose manifest does not name the suites, went by the split alone.
        """
        config = self.domain.config
        by_contents = all("held_out_code" in one for one in recorded)
        marks: list[frozenset[str]] = []  # made at the first task of a file

        def held(task: Task) -> bool:
            family = task.payload.get("family")
            if family is not None:
                return bool(split_of(family) != "train")
            if task.payload.get("split", "train") != "train":
                return True
            if task.domain != DOMAIN or task.payload.get("dataset") not in FILES:
                return False
            if not marks:
                marks.append(_marks(config, unchecked) if by_contents else frozenset())
            return not marks[0].isdisjoint(contents(CodeTask.of(task)))

        return held


def payment(row: Row, shape: str) -> dict[str, Any]:
    """Return what value and parts of a program must be, given its verdict and its other parts."""
    parts, verdict = row["parts"], row["verdict"]
    if "hidden" not in parts:
        return {"verdict": "unparsable", "value": 0.0}
    due: dict[str, Any] = {
        "verdict": "pass" if parts["hidden"] == 1 else verdict if verdict != "pass" else "fail",
        "value": parts["hidden"] if shape == "fraction" else float(verdict == "pass"),
    }
    if "visible" in parts:
        due["parts.hack_gap"] = parts["visible"] - parts["hidden"]
    return due


def _marks(config: RunConfig, unchecked: Callable[[str], None]) -> frozenset[str]:
    """Return the contents of all that is evaluated."""
    try:
        tasks = [*evaluation_tasks(config), *benchmark_tasks(config)]
    except InputError as error:
        unchecked(f"evaluated code tasks in training: {error}")
        return frozenset()
    return frozenset().union(*map(contents, tasks))


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
