"""The code tasks of a run: what trains, and what each held-out suite asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

from typing_extensions import override

from envs import Task
from envs.code import families
from envs.code.datasets import (
    humaneval_path,
    load_humaneval,
    load_mbpp,
    load_mbpp_evaluation,
    load_mbpp_whole,
)
from envs.code.jsonl import load_jsonl
from envs.code.shelves import Limits
from envs.code.sources import TaskSource
from envs.code.task import CodeTask
from envs.errors import InputError
from rewards import RewardResult
from selfplay.config.run import RunConfig
from selfplay.domains.base import Source, report_excluded
from selfplay.domains.code.config import TEST_SUITES, CodeConfig

MOST = 1_000_000
"""Where a suite is asked for whole."""
FAMILY_SUITES = {
    "code/families": (families.HELDOUT, 0, MOST),
    "code/far": (families.FAR, 0, 2),
    "code/test": (families.TEST, 9_000_000, 2),
}
"""Suite -> its families, the first seed of their tasks, and of how many seeds there are tasks: more
of one family say little more, since they are solved or failed together."""


class CodeSource(TaskSource, Source):
    """Tasks from families and files, drawn by their running solve rate."""

    @override
    def answered(self, task: Task, results: Sequence[RewardResult], version: int) -> None:
        """Move the solve rate of the task's family."""
        self.advance(task.id, [float(r.verdict == "pass") for r in results], version)


def suite_tasks(suite: str, config: RunConfig, limit: int = MOST) -> list[Task]:
    """Return the first `limit` tasks of a code suite, in a fixed order.

    Raises InputError for an unknown suite and a missing or broken data set.
    """
    return [task.task() for task in code_tasks(suite, config, limit)]


def evaluation_tasks(config: RunConfig) -> list[CodeTask]:
    """Return the tasks of the run's own code suites and of the test set: none may train."""
    own = [suite for suite in config.suites if suite.startswith("code/")]
    return [
        task
        for suite in dict.fromkeys([*own, *TEST_SUITES])
        for task in code_tasks(suite, config, config.eval.positions)
    ]


def family_tasks(config: RunConfig) -> list[CodeTask]:
    """Return the tasks of all suites of held-out families: none may be proposed.

    Whether or not the run is measured on them: that may be decided later.
    """
    return [
        task for suite in FAMILY_SUITES for task in code_tasks(suite, config, config.eval.positions)
    ]


def benchmark_tasks(config: RunConfig) -> list[CodeTask]:
    """Return HumanEval and MBPP's test and validation tasks where they are at hand.

    HumanEval where it is installed, MBPP where it is named, whether or not the run is measured on
    them: what it is measured on may be decided later. Raises InputError for broken files.
    """
    try:
        path: Path | None = humaneval_path()
    except InputError:
        path = None  # not installed
    tasks = [] if path is None else load_humaneval(path)
    named = config.eval.mbpp or config.section(CodeConfig).mbpp
    return tasks if named is None else tasks + load_mbpp_evaluation(named)


def training_files(config: RunConfig) -> dict[str, list[CodeTask]]:
    """Return the tasks of each file that trains. Raises InputError for broken files."""
    shares = config.section(CodeConfig).sources
    files: dict[str, list[CodeTask]] = {}
    if shares.get("mbpp"):
        files["mbpp"] = load_mbpp(_path(config.section(CodeConfig).mbpp, "code.mbpp"), "train")
    if shares.get("jsonl"):
        files["jsonl"] = jsonl_tasks(config)
    return files


def training_source(
    config: RunConfig, files: Mapping[str, Sequence[CodeTask]] | None = None
) -> CodeSource:
    """Return the training tasks; none of the run's evaluation suites is among them.

    `files` are those of training_files that may train, all where it is None. Raises InputError as
    suite_tasks does, and for tasks that must not train.
    """
    code = config.section(CodeConfig)
    shares = {str(name): share for name, share in code.sources.items()}
    files = training_files(config) if files is None else files
    source = CodeSource(
        shares,
        seed=config.seed,
        levels=code.levels,
        files=files,
        evaluation=evaluation_tasks(config),
        benchmarks=benchmark_tasks(config) if files else (),
        limits=Limits(retire_at=code.retire_at),
    )
    report_excluded("code", source.excluded)
    return source


def jsonl_tasks(config: RunConfig) -> list[CodeTask]:
    """Return the tasks of the user's own file. Raises InputError."""
    return load_jsonl(_path(config.section(CodeConfig).jsonl, "code.jsonl"))


def mbpp_tasks(config: RunConfig) -> list[CodeTask]:
    """Return all tasks of MBPP's file, those that train and those that do not."""
    return load_mbpp_whole(_path(config.eval.mbpp or config.section(CodeConfig).mbpp, "code.mbpp"))


def code_tasks(suite: str, config: RunConfig, limit: int = MOST) -> list[CodeTask]:
    """Return what suite_tasks does, as typed views."""
    if suite in FAMILY_SUITES:
        names, first, most = FAMILY_SUITES[suite]
        levels = tuple(config.section(CodeConfig).levels)
        return list(_of_families(tuple(names), levels, first, most, limit))
    if suite == "code/humaneval":
        return load_humaneval()[:limit]
    if suite == "code/mbpp":
        path = config.eval.mbpp or config.section(CodeConfig).mbpp
        return load_mbpp(_path(path, "eval.mbpp"), "validation")[:limit]
    raise InputError(f"suite {suite!r} is no code suite")


@lru_cache(maxsize=8)
def _of_families(
    names: tuple[str, ...], levels: tuple[int, ...], first: int, most: int, limit: int
) -> tuple[CodeTask, ...]:
    """Return `limit` tasks: every family at every level with the first seed, then the next.

    There are no more than `most` seeds. Made once: a run asks for the same ones when it starts and
    at each evaluation, and choosing the tests of 500 tasks takes a second.
    """
    rounds = min(most, max(1, -(-min(limit, 10_000) // (len(names) * len(levels)))))
    tasks = (
        families.make(family, level, first + seed)
        for seed in range(rounds)
        for level in levels
        for family in names
    )
    return tuple(islice(tasks, limit))


def _path(path: Path | None, key: str) -> Path:
    if path is None:
        raise InputError(
            f"{key}: is not set; give the path of MBPP's JSONL, its Hugging Face id or, for "
            "code.jsonl, your own tasks"
        )
    return path
