"""Programs out of answers of every shape; hostile answers cost little."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envs.code.extract import MAX_CHARS, extract, joined
from envs.code.prompts import continuation
from envs.code.task import CallTest, CodeTask, CodeTest, ProgramTest

SIGNATURE = "def total(xs: list[int]) -> int:"


def task_of(**changes: object) -> CodeTask:
    fields: dict[str, object] = {
        "dataset": "jsonl",
        "key": "k",
        "split": "train",
        "instruction": "Return the sum of xs.",
        "kind": "calls",
        "hidden": (CallTest([[1, 2]], 3),),
        "entry_point": "total",
        "signature": SIGNATURE,
    }
    return CodeTask(**{**fields, **changes})  # type: ignore[arg-type]


SIGNED = task_of()
PREFIXED = task_of(
    signature=None,
    prefix='import math\n\ndef total(xs):\n    """Sum.\n    """\n',
    kind="check",
    hidden=(CodeTest("def check(candidate):\n    assert candidate([1, 2]) == 3"),),
)
NAMED = task_of(
    signature=None, kind="asserts", hidden=(CodeTest("assert total([1, 2]) == 3"),)
)  # MBPP: the prompt ends in `def total(`
PROGRAM = task_of(
    signature=None, entry_point=None, kind="program", hidden=(ProgramTest("1 2", "3"),)
)
LITERAL = task_of(answer="literal", signature=None, entry_point="answer", prefix="x = 3\nx + 1 ==")


def program_of(completion: str, task: CodeTask) -> str:
    parsed = extract(completion, task)
    assert parsed.status == "ok" and parsed.action is not None, (completion, parsed)
    return parsed.action


def result_of(completion: str, task: CodeTask) -> object:
    """Run the extracted program (ours, harmless) on [1, 2]."""
    space: dict[str, object] = {}
    exec(program_of(completion, task), space)
    return space["total"]([1, 2])  # type: ignore[operator]


FUNCTION = "def total(xs):\n    return sum(xs)\n"


@pytest.mark.parametrize("task", [SIGNED, PREFIXED])
@pytest.mark.parametrize(
    "completion",
    [
        "\n    return sum(xs)",
        "\n    return sum(xs)\n\n\nprint(total([1]))\nassert False",
        "\r\n    return sum(xs)\r\n\r\nassert False",
        "    return sum(xs)\n",
        "  # add them\n    return sum(xs)",
        "\n\n    result = 0\n    for x in xs:\n\n        result += x\n    return result\n\nx y z",
        "\n    return sum(xs)\n```\nThat is all.",
        "return sum(xs)",
        "result = 0\nfor x in xs:\n    result += x\nreturn result\n\nThis adds them up.",
        "Here is the body:\nreturn sum(xs)\n",
        "```python\n    return sum(xs)\n```",
        "```python\n\n   \n    return sum(xs)\n```",
        "```\nreturn sum(xs)\n```",
    ],
)
def test_bodies(completion: str, task: CodeTask) -> None:
    assert result_of(completion, task) == 3


@pytest.mark.parametrize("task", [SIGNED, PREFIXED, NAMED])
@pytest.mark.parametrize(
    "completion",
    [
        FUNCTION,
        f"\n\n{FUNCTION}",
        f"{FUNCTION}\nassert total([1]) == 5\n",
        f"{FUNCTION}\nThis function adds all numbers (of xs):\n- fast\n",
        f"Sure! Here is it (as asked):\n\n{FUNCTION}\nDone.",
        f"```python\n{FUNCTION}```",
        f"Sure:\n```py\n{FUNCTION}```\nAnd use it:\n```python\nassert total([1]) == 9\n```\n",
        f"First\n~~~\nnothing = 1\n~~~\nthen\n```\n{FUNCTION}```",
        f"```python\n{FUNCTION}",  # never closed
        "1. So:\n   ```python\n   def total(xs):\n       return sum(xs)\n   ```\n",
        "import math\nZERO = 0\n\ndef helper(x):\n    return x\n\n"
        "def total(xs):\n    return sum(map(helper, xs)) + ZERO\n\nprint(total(3))\n",
        "def total(xs):\n    return helper(xs)\n\ndef helper(xs):\n    return sum(xs)\n\nBye.",
        "@staticmethod\ndef total(xs):\n    return sum(xs)\n",
        "from functools import reduce\ndef total(xs):\n    return reduce(int.__add__, xs)\n",
    ],
)
def test_whole_functions(completion: str, task: CodeTask) -> None:
    assert result_of(completion, task) == 3


@pytest.mark.parametrize(
    "completion",
    [
        "xs):\n    return sum(xs)\n\nassert 0",
        "self: list[int] = [], *more) -> int: return sum(self)",
    ],
)
def test_the_parameters_go_on_where_the_prompt_gave_the_name(completion: str) -> None:
    assert continuation(NAMED).endswith("\ndef total(")
    assert result_of(completion, NAMED) == 3


@pytest.mark.parametrize("task", [SIGNED, PREFIXED, NAMED])
@pytest.mark.parametrize(
    "completion",
    [
        "",
        "\n\n",
        "I cannot do that.",
        "\n    # only a comment\n",
        "```\n\n```",
        "def other(x): pass",
    ],
)
def test_no_program_is_unparsable(completion: str, task: CodeTask) -> None:
    parsed = extract(completion, task)
    assert (parsed.status, parsed.action) == ("unparsable", None)
    assert parsed.detail


def test_programs_on_standard_input_are_taken_whole() -> None:
    source = "a, b = map(int, input().split())\nprint(a + b)\n"
    for answer in (source, "\n" + source, f"So:\n```python\n{source}```\nBye"):
        assert program_of(answer, PROGRAM).strip() == source.strip()
    assert extract(" ", PROGRAM).status == "unparsable"


@pytest.mark.parametrize(
    ("completion", "value"),
    [
        (" 4", 4),
        ("[1, (2, 'a')]\nprint()", [1, (2, "a")]),
        ("```python\n{'a': {1}}\n```", {"a": {1}}),
        ("\n-1.5  # so", -1.5),
        ("'x'.", "x"),
    ],
)
def test_a_literal_becomes_a_function(completion: str, value: object) -> None:
    space: dict[str, object] = {}
    exec(program_of(completion, LITERAL), space)
    assert space["answer"]() == value  # type: ignore[operator]


@pytest.mark.parametrize(
    "completion",
    [
        "",
        "x + 1",
        "f(3)",
        "[1",
        "...",
        "(" * 999,
        "-" * 1999,
        "[" * 90_000,
        "9" * 5000,
        "4)\n(",
    ],
)
def test_what_is_no_literal_is_unparsable(completion: str) -> None:
    assert extract(completion, LITERAL).status == "unparsable"


def test_human_eval_rows_are_joined_letter_by_letter() -> None:
    assert joined("    return 1\nx", PREFIXED) == f"{PREFIXED.prefix}    return 1\nx"
    assert joined("x", NAMED) == "x"


ALL = (SIGNED, PREFIXED, NAMED, PROGRAM, LITERAL)
words = st.sampled_from(
    [
        "```",
        "~~~",
        "\n",
        "    ",
        "def total(",
        "def ",
        "xs):",
        "return 1",
        '"""',
        "\\",
        "(",
        "#",
        "a=",
    ]
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.text(), st.lists(words, max_size=40).map("".join)), st.sampled_from(ALL))
def test_no_answer_breaks_it(completion: str, task: CodeTask) -> None:
    parsed = extract(completion, task)
    assert (parsed.status == "ok") == (parsed.action is not None)
    assert parsed == extract(completion, task)


@pytest.mark.parametrize(
    "piece",
    [
        "a:",
        "a=",
        "a",
        " ",
        "```",
        "```\n",
        "~~~a\n",
        "(",
        "\n",
        "def total(",
        "x\n",
        ",",
        '"""',
        "a,",
    ],
)
def test_hostile_answers_cost_little(piece: str) -> None:
    start = time.process_time()
    for task in ALL:
        extract(piece * MAX_CHARS, task)
    assert time.process_time() - start < 2.0
