"""CodeTask: the typed view of a code task's payload, and the tests it carries.

The payload of `Task.make("code", payload)` is JSON:

    dataset      "families" | "mbpp" | "humaneval" | "jsonl" | "proposals"
    key          "families/rotate_left/2/173", "Mbpp/11", "HumanEval/0"
    split        "train" | "validation" | "test"
    family, level            of the built-in families, else null
    instruction  what the function must do, in English
    entry_point  the function's name (null for a whole program)
    signature    "def rotate_left(xs: list[int], k: int) -> list[int]:" or null
    prefix       code that the completion continues (HumanEval), or null
    kind         "calls" | "asserts" | "check" | "program": how the tests are given
    answer       "program", or "literal" where one Python literal is asked for
    setup        code that the tests need (imports); runs with the judge, never the model's
    visible      tests that the prompt may show
    hidden       tests that decide; never shown
    reference    source of a whole program that passes, or null

A test of kind `calls` is {"args": [...], "kwargs": {...}, "expected": ...} in the tagged JSON of
values.py (`kwargs` is optional and a plain object of tagged values), `asserts` {"code": "assert
f(1) == 2"}, `check` {"code": "def check(candidate): ..."}, `program` {"stdin": ..., "stdout": ...}.
"""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from envs.code.values import Unsupported, decode, encode
from envs.errors import InputError
from envs.task import Task
from envs.text import whole

DOMAIN = "code"
MAX_TEXT = 2_000_000
"""Characters in one text of a payload; HumanEval+ has tests of several hundred thousand."""
MAX_TESTS = 5_000

Dataset = Literal["families", "mbpp", "humaneval", "jsonl", "proposals"]
Split = Literal["train", "validation", "test"]
Kind = Literal["calls", "asserts", "check", "program"]
Answer = Literal["program", "literal"]


@dataclass(frozen=True, slots=True)
class CallTest:
    """Call the entry point and compare what it returns; the values are decoded."""

    args: list[Any]
    expected: Any
    kwargs: dict[str, Any] = field(default_factory=dict)

    def payload(self) -> dict[str, Any]:
        """Return the test as a row of the task's payload, its values in tagged JSON."""
        test = {"args": encode(self.args), "expected": encode(self.expected)}
        if self.kwargs:
            test["kwargs"] = {name: encode(value) for name, value in self.kwargs.items()}
        return test


@dataclass(frozen=True, slots=True)
class CodeTest:
    """Code of the dataset: one assert statement, or a `check(candidate)` function."""

    code: str

    def payload(self) -> dict[str, Any]:
        """Return the test as a row of the task's payload."""
        return {"code": self.code}


@dataclass(frozen=True, slots=True)
class ProgramTest:
    """Run the program on `stdin` and compare what it prints."""

    stdin: str
    stdout: str

    def payload(self) -> dict[str, Any]:
        """Return the test as a row of the task's payload."""
        return {"stdin": self.stdin, "stdout": self.stdout}


Test = CallTest | CodeTest | ProgramTest


@dataclass(frozen=True, slots=True)
class CodeTask:
    """A code task with typed fields; see the head of the file for what they mean."""

    dataset: Dataset
    key: str
    split: Split
    instruction: str
    kind: Kind
    hidden: tuple[Test, ...]
    visible: tuple[Test, ...] = ()
    entry_point: str | None = None
    signature: str | None = None
    prefix: str | None = None
    setup: str = ""
    reference: str | None = None
    family: str | None = None
    level: int | None = None
    answer: Answer = "program"

    @classmethod
    def of(cls, task: Task) -> CodeTask:
        """Return the typed view of a task, whose payload may come from anybody.

        Raises InputError naming the task and the field for whatever is missing or malformed.
        """
        if task.domain != DOMAIN:
            raise InputError(f"task {task.id}: domain is {task.domain!r}; give a code task")
        return from_payload(task.payload, f"task {task.id}")

    def payload(self) -> dict[str, Any]:
        """Return the payload; `from_payload` makes an equal CodeTask of it."""
        return {
            "dataset": self.dataset,
            "key": self.key,
            "split": self.split,
            "family": self.family,
            "level": self.level,
            "instruction": self.instruction,
            "entry_point": self.entry_point,
            "signature": self.signature,
            "prefix": self.prefix,
            "kind": self.kind,
            "answer": self.answer,
            "setup": self.setup,
            "visible": [test.payload() for test in self.visible],
            "hidden": [test.payload() for test in self.hidden],
            "reference": self.reference,
        }

    def task(self) -> Task:
        """Return the Task; its id follows from the payload."""
        return Task.make(DOMAIN, self.payload())


_FIELDS = tuple(CodeTask.__dataclass_fields__)


def from_payload(payload: Any, where: str) -> CodeTask:
    """Return the CodeTask of a payload; InputError beginning with `where` if it is malformed."""
    if not isinstance(payload, Mapping):
        raise InputError(f"{where}: the payload is no object; give the fields of envs/code/task.py")
    unknown = sorted(str(key) for key in payload if key not in _FIELDS)
    if unknown:
        raise InputError(f"{where}: unknown field {unknown[0]!r:.60}; use {', '.join(_FIELDS)}")
    read = _Reader(payload, where)
    kind = cast(Kind, read.choice("kind", get_args(Kind)))
    entry_point = read.optional("entry_point")
    if entry_point is not None and not is_name(entry_point):
        raise read.fault("entry_point", "is no function name", "give a Python identifier")
    if entry_point is None and kind in ("calls", "check"):
        raise read.fault("entry_point", f"is missing for kind {kind!r}", "name the function")
    task = CodeTask(
        dataset=cast(Dataset, read.choice("dataset", get_args(Dataset))),
        key=read.text("key"),
        split=cast(Split, read.choice("split", get_args(Split))),
        instruction=read.text("instruction"),
        kind=kind,
        hidden=read.tests("hidden", kind),
        visible=read.tests("visible", kind),
        entry_point=entry_point,
        signature=read.optional("signature"),
        prefix=read.optional("prefix"),
        setup=read.optional("setup") or "",
        reference=read.optional("reference"),
        family=read.optional("family"),
        level=read.level(),
        answer=cast(Answer, read.choice("answer", get_args(Answer), "program")),
    )
    if not task.hidden:
        raise read.fault("hidden", "has no test", "give at least one")
    return task


def is_name(text: str) -> bool:
    """Return whether `text` can name a function: an ASCII identifier and no keyword."""
    return text.isascii() and text.isidentifier() and not keyword.iskeyword(text)


class _Reader:
    """Takes fields out of a payload, checking each."""

    def __init__(self, payload: Mapping[str, Any], where: str) -> None:
        self._payload = payload
        self._where = where

    def fault(self, name: str, fault: str, mend: str) -> InputError:
        return InputError(f"{self._where}: {name} {fault}; {mend}")

    def optional(self, name: str) -> str | None:
        value = self._payload.get(name)
        return None if value is None else self._checked(name, value)

    def text(self, name: str) -> str:
        value = self.optional(name)
        if value is None:
            raise self.fault(name, "is missing", "give a text")
        return value

    def _checked(self, name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise self.fault(name, f"is {type(value).__name__}, not text", "give a string")
        if len(value) > MAX_TEXT:
            raise self.fault(name, f"has {len(value)} characters", f"at most {MAX_TEXT} are read")
        if not whole(value):
            raise self.fault(name, "holds half a character (a lone surrogate)", "write it whole")
        return value

    def choice(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        value = self._payload.get(name, default)
        if not isinstance(value, str) or value not in choices:
            raise self.fault(name, f"{str(value)[:40]!r} is unknown", f"use {', '.join(choices)}")
        return value

    def level(self) -> int | None:
        value = self._payload.get("level")
        if value is not None and (type(value) is not int or not 1 <= value <= 99):
            raise self.fault("level", f"{str(value)[:20]!r} is no level", "give 1 or more")
        return value

    def tests(self, name: str, kind: Kind) -> tuple[Test, ...]:
        rows = self._payload.get(name, [])
        if not isinstance(rows, list) or len(rows) > MAX_TESTS:
            raise self.fault(name, "is no list of tests", f"give a list of up to {MAX_TESTS}")
        return tuple(self._test(f"{name}[{i}]", kind, row) for i, row in enumerate(rows))

    def _test(self, name: str, kind: Kind, row: Any) -> Test:
        wanted = {"calls": {"args", "expected"}, "program": {"stdin", "stdout"}}.get(kind, {"code"})
        if not isinstance(row, dict) or set(row) - {"kwargs"} != wanted:
            raise self.fault(name, f"is no test of kind {kind!r}", f"give {sorted(wanted)}")
        if kind == "program":
            stdin, stdout = (self._checked(f"{name}.{k}", row[k]) for k in ("stdin", "stdout"))
            return ProgramTest(stdin, stdout)
        if kind != "calls":
            return CodeTest(self._checked(f"{name}.code", row["code"]))
        kwargs = row.get("kwargs", {})
        if not isinstance(kwargs, dict) or not all(is_name(key) for key in kwargs):
            raise self.fault(f"{name}.kwargs", "is no object of names", "give {name: value}")
        try:
            args, expected = decode(row["args"]), decode(row["expected"])
            named = {key: decode(value) for key, value in kwargs.items()}
        except Unsupported as error:
            raise self.fault(name, f"holds no value ({error})", "see envs/code/values.py") from None
        if type(args) is not list:
            raise self.fault(f"{name}.args", "is no list", "give the positional arguments")
        return CallTest(args, expected, named)
