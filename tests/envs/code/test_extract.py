"""Programs out of answers of every shape; hostile answers cost little."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envs.code.extract import MAX_CHARS, extract, is_marked, joined
from envs.code.prompts import continuation
from envs.code.task import CallTest, CodeTask, CodeTest, ProgramTest
from tests.patience import computing

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


LAST = "```python\ndef total(xs):\n    return len(xs)\n```\nCorrected:\n"


@pytest.mark.parametrize("task", [SIGNED, PREFIXED, NAMED])
@pytest.mark.parametrize(
    "completion",
    [
        f"{LAST}```python\n{FUNCTION}```\n",
        f"{LAST}```python\n{FUNCTION}```\nIt gives:\n```\n3\n```\n",
        f"```\n{FUNCTION}```\nor, cut off:\n```python\ndef total(xs):\n    return len(",
        f"<think>\n{LAST}</think>\n{FUNCTION}",
        f"{LAST}Yes.</think>```python\n{FUNCTION}```",
        f"<think>{'so ' * 30_000}</think>\n```\n{FUNCTION}```",
        f"```python3\n{FUNCTION}```<|im_end|>",
        f"```Python\n{FUNCTION}```</s>",
        f'```python title="a.py"\n{FUNCTION}```',
        "```py\ndef total(xs):\n    return sum(xs)```",
        "```py\r\ndef total(xs):\r\n\treturn sum(xs)\r\n```\r\n",
        "~~~python\ndef total(xs):\n    return sum(xs)\n~~~",
        "Here: ```python\ndef total(xs):\n    return sum(xs)\n```",
        "```python\n>>> def total(xs):\n...     return sum(xs)\n...\n>>> total([1])\n1\n```",
        ">>> def total(xs):\n...     return sum(xs)\n",
        "> ```python\n> def total(xs):\n>     return sum(xs)\n> ```",
        '```python\ndef total(xs):\n    """Sum.\n\n    ```\n    total([1])\n    ```\n    """\n'
        "    return sum(xs)\n```",
        "def total(xs):\n    return sum(xs)```",
        "def total(xs):\n    return sum(xs)<|endoftext|>",
        "def total(xs):\n    return sum(xs)\n```\nThat adds x = 1 and more.",
        "The answer = the sum of xs. For x = 3 it is:\nxs = a list of numbers\n" + FUNCTION,
        "Note: x = 5 is no list.\ntotal = the sum, so:\n" + FUNCTION + "Cost: O(n) = fast\n",
        "    def total(xs):\n        return sum(xs)\n",
        "try:\n    from math import fsum\nexcept ImportError:\n    fsum = sum\n"
        "def total(xs):\n    return int(fsum(xs))\n",
        "TABLE = {\n    'a': 1,\n}\n\ndef total(xs):\n    return sum(xs) + len(TABLE) - 1\n",
        "from functools import cache\n@cache\ndef zero() -> int:\n    return 0\n\n"
        "def total(xs: list[int], /, *, start: 'int' = 0) -> 'int':\n    return sum(xs) + zero()\n",
        "total = lambda xs: sum(xs)",
        "So:\n```python\ntotal = lambda xs: sum(xs)\n```",
        "from functools import partial\ntotal = partial(sum, start=0)\n",
        "total: object = sum\n",
        "```python\ndef total(xs):\n    return sum(xs)\n\nThis works because sum adds.",
        "A, B = 0, 1\n\ndef total(xs):\n    return sum(xs) + A\n",
        f"import sys\nsys.setrecursionlimit(1500)\n\n{FUNCTION}",
        "def total(xs):\n    return len(xs)\n\nWait, that counts. Corrected:\n\n" + FUNCTION,
        f"{FUNCTION}\nOr, in one line:\n\ndef total(xs",
        "class Solution:\n    def total(self, xs):\n        return sum(xs)\n\nSo it is.",
        "```python\nclass Solution:\n    def total(self, xs):\n        return sum(xs)\n```",
        "1. So:\n\n    ```python\n    def total(xs):\n        return sum(xs)\n    ```\n\n2. Done",
        "```{.python}\ndef total(xs):\n    return sum(xs)\n```",
        f"### Solution\n\n{FUNCTION}\n### Explanation\nx = 1\n",
        "from builtins import sum as total\n",
        "class total(int):\n    def __new__(cls, xs):\n        return int.__new__(cls, sum(xs))\n",
        "def total(xs) -> dict[str, int]:\n    return sum(xs)\ntotal.cache = {}\nThat is it.",
    ],
)
def test_whole_functions_as_chat_models_write_them(completion: str, task: CodeTask) -> None:
    assert result_of(completion, task) == 3


@pytest.mark.parametrize("task", [SIGNED, PREFIXED])
@pytest.mark.parametrize(
    "completion",
    [
        "\n    return sum(xs)```",
        "    return sum(xs)\n    ```",
        "\n    return sum(xs)<|im_end|>",
        "\n    return sum(xs)</s>\n",
        "\n\treturn sum(xs)",
        " return sum(xs)",
        "\n  result = 0\n  for x in xs:\n    result += x\n  return result\n",
        " result = 0\n    for x in xs:\n        result += x\n    return result",
        "\n    s = '```'\n    return sum(xs)\n",
        "</think>\n    return sum(xs)\n",
    ],
)
def test_bodies_with_what_is_no_python(completion: str, task: CodeTask) -> None:
    assert result_of(completion, task) == 3


@pytest.mark.parametrize(
    "parameters",
    [
        "xs: dict[str, int] | list[int])",
        "xs: 'list[int]' = [], /)",
        "xs, *, key=lambda x: (x, 0))",
        "xs, *more: tuple[int, ...], sep=',)', **kw: int) -> dict[int, list[int]]",
        "\n    xs: list[int],  # the (numbers\n    start: int = 0,\n)",
        "self, /, *, a: int = max(1, 2))",
    ],
)
def test_parameters_with_commas_and_brackets_of_their_own(parameters: str) -> None:
    name = parameters.strip().split(":")[0].split(",")[0]
    assert result_of(f"{parameters}:\n    return sum({name})\n\nprint(1)", NAMED) == 3


@pytest.mark.parametrize(
    "completion",
    ["This (as such): yes", "a b): return 1", "x, y) and so on:", "xs: (list)", "1): return 2"],
)
def test_what_is_no_parameter_list_is_no_continuation(completion: str) -> None:
    assert extract(completion, NAMED).status == "unparsable"


@pytest.mark.parametrize(
    "completion",
    [
        "Input:\n```\n1 2\n```\nProgram:\n```python\nprint(3)\n```\nOutput:\n```\n3\n```\n",
        "```\nprint(2)\n```\nBetter:\n```\nprint(3)\n```",
        "<think>\nprint(2)\n</think>\nprint(3)",
        "print(3)\n```\nIt prints the sum.",
        "print(3)```",
        "print(3)<|im_end|>",
        "    print(3)\n",
        ">>> print(3)\n3\n",
    ],
)
def test_the_program_among_several_blocks(completion: str) -> None:
    assert program_of(completion, PROGRAM).strip() == "print(3)"


@pytest.mark.parametrize("task", [SIGNED, PREFIXED, NAMED, PROGRAM, LITERAL])
@pytest.mark.parametrize("reasoning", ["<think>\n{}", "<|channel|>analysis<|message|>{}"])
def test_reasoning_alone_is_no_answer(task: CodeTask, reasoning: str) -> None:
    parsed = extract(reasoning.format(f"```python\n{FUNCTION}```\n4"), task)
    assert (parsed.status, parsed.detail) == ("unparsable", "no answer after the reasoning")


def test_completions_that_are_no_python_are_reported() -> None:
    assert not is_marked('    """```"""\n    return "</s>"  # ``` .\n')
    for text in ("return 1```", "<think>x</think>return 1", "return 1</s>", "a\n~~~\n"):
        assert is_marked(text)


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
    assert time.process_time() - start < computing(1.5)
