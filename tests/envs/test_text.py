"""What a model or a file may write, made fit for UTF-8 where it enters."""

from __future__ import annotations

import json
from typing import Any

import chess
import pytest

from envs.chess.parse import parse_move
from envs.code.jsonl import jsonl_task
from envs.code.prompts import render
from envs.code.proposals import Aim, Run, judge
from envs.code.proposer import Proposal, inputs_of, parse
from envs.code.task import CodeTask
from envs.errors import InputError
from envs.text import clean_text
from rewards.code.protocols import read_answer

HOSTILE = [
    "\ud800", "a\udc80b", "\udfff\ud800", "\x00", "\r", "\x1b[31m", "\x07", "\u2028", "\x85",
    "\u202e", "\ue000", "\U000e0001", "\ufeff", "\U0010ffff",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_clean_text_changes_lone_surrogates_and_nothing_else(text: str) -> None:
    cleaned = clean_text(f"x{text}y")
    assert cleaned.encode("utf-8").decode("utf-8") == cleaned == clean_text(cleaned)
    assert len(cleaned) == len(text) + 2
    kept = [c for c in text if not "\ud800" <= c <= "\udfff"]
    assert [c for c in cleaned[1:-1] if c != "?"] == kept


def test_two_halves_that_json_wrote_are_one_character() -> None:
    assert clean_text(json.loads('"\\ud83d\\ude00"')) == "\U0001f600"
    assert read_answer({"completion": json.loads('"x\\ud800"')}, "row") == ("x?", False)


def shown(text: str) -> str:
    return "".join(f"\\U{ord(c):08x}" if ord(c) > 0xFF else f"\\x{ord(c):02x}" for c in text)


@pytest.mark.parametrize("aim", ["reimplement", "predict"])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_proposal_s_docstring_may_say_anything(text: str, aim: Aim) -> None:
    """Its escapes are read by Python, after whatever cleaned the answer."""
    calls = "".join(f"f([{n}, {n + 1}])\n" for n in range(5))
    doc = f'    """Add {shown(text)} one."""\n'
    proposal = parse(f"def f(xs):\n{doc}    return [x + 1 for x in xs]\n\n{calls}")
    assert isinstance(proposal, Proposal), proposal
    inputs = inputs_of(proposal, 0)
    runs = [[Run(True, [x + 1 for x in args[0]])] * 2 for args in inputs]
    task = judge(proposal, inputs, runs, aim=aim)
    assert isinstance(task, CodeTask), task
    made = CodeTask.of(task.task())
    assert made == task and made.instruction.isprintable()
    prompt = render(task.task(), "completion", 8).text or ""
    assert "\ud800" not in prompt and prompt.encode("utf-8")


def test_half_a_character_in_a_task_file_is_named_with_its_line() -> None:
    def row(**fields: Any) -> dict[str, Any]:
        tests = ["assert f(1) == 2"]
        return {"instruction": "x", "entry_point": "f", "tests": tests} | fields

    for name, made in {
        "instruction": row(instruction="Add \ud800."),
        "reference": row(reference="def f(x):\n    return '\ud800'\n"),
        "hidden": row(tests=["assert f('\ud800') == 2"]),
    }.items():
        with pytest.raises(InputError, match=rf"^tasks.jsonl:3: {name}.*half a character"):
            jsonl_task(made, "key", "tasks.jsonl:3")
    values = [{"args": ["\ud800"], "expected": "\udfff"}]
    task = jsonl_task(row(tests=values), "key", "tasks.jsonl:3")
    assert CodeTask.of(task.task()) == task, "a value may be any text that Python has"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_chess_answer_may_hold_anything(text: str) -> None:
    parsed = parse_move(clean_text(f" {text}e4"), chess.Board())
    json.dumps([parsed.action, parsed.detail], ensure_ascii=False).encode("utf-8")
