"""Prompts for code, letter by letter; hidden tests never show."""

from __future__ import annotations

import ast

import pytest

from envs.code.families import make, suite
from envs.code.prompts import Style, chat_text, continuation, render
from envs.code.task import CallTest, CodeTask, CodeTest, ProgramTest
from envs.errors import InputError


def task_of(**changes: object) -> CodeTask:
    fields: dict[str, object] = {
        "dataset": "jsonl",
        "key": "k",
        "split": "train",
        "instruction": "Return the sum of xs.",
        "kind": "calls",
        "hidden": (CallTest([[98765]], 98765),),
        "visible": (CallTest([[1, 2]], 3), CallTest([[]], 0, {"k": "a"})),
        "entry_point": "total",
        "signature": "def total(xs: list[int]) -> int:",
    }
    return CodeTask(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_signature_is_continued_after_its_docstring() -> None:
    prompt = render(task_of().task(), "completion", 64)
    assert (prompt.messages, prompt.stop, prompt.max_tokens) == (None, "code", 64)
    assert prompt.text == (
        "def total(xs: list[int]) -> int:\n"
        '    """Return the sum of xs.\n'
        "\n"
        "    >>> total([1, 2])\n"
        "    3\n"
        "    >>> total([], k='a')\n"
        "    0\n"
        '    """'
    )


def test_without_examples_the_docstring_is_one_line() -> None:
    assert continuation(task_of(visible=())) == (
        'def total(xs: list[int]) -> int:\n    """Return the sum of xs."""'
    )
    assert continuation(task_of(visible=(), instruction='Say "x"')).endswith('"""Say "x" """')


def test_long_instructions_are_wrapped() -> None:
    text = continuation(task_of(instruction="word " * 60, visible=()))
    assert max(map(len, text.split("\n"))) <= 92 and text.count("word") == 60


def test_mbpp_goes_on_after_the_name() -> None:
    test = CodeTest("assert total([1, 2]) == 3")
    task = task_of(signature=None, kind="asserts", visible=(test,), hidden=(test,))
    assert continuation(task) == (
        '"""\nReturn the sum of xs.\nassert total([1, 2]) == 3\n"""\ndef total('
    )
    assert render(task.task(), "completion", 9).stop == "code"


def test_humaneval_goes_on_after_its_docstring() -> None:
    task = task_of(
        signature=None,
        prefix='def total(xs):\n    """Sum.\n    """\n',
        kind="check",
        visible=(),
        hidden=(CodeTest("def check(candidate):\n    assert candidate([1]) == 1"),),
    )
    assert continuation(task) == 'def total(xs):\n    """Sum.\n    """'


def test_programs_show_input_and_output() -> None:
    task = task_of(
        signature=None,
        entry_point=None,
        kind="program",
        visible=(ProgramTest("1 2\n", "3\n"),),
        hidden=(ProgramTest("4 5\n", "9\n"),),
    )
    assert continuation(task) == '"""\nReturn the sum of xs.\nInput:\n1 2\nOutput:\n3\n"""'
    assert render(task.task(), "completion", 9).stop == "eos"


def test_a_literal_is_asked_for_after_the_equals_sign() -> None:
    task = task_of(
        answer="literal",
        prefix="def f(x):\n    return x + 1\n\n\nassert f(3) ==",
        signature=None,
        instruction="What does f(3) return?",
        visible=(),
        hidden=(CallTest([], 4),),
    )
    prompt = render(task.task(), "completion", 9)
    assert prompt.text is not None and prompt.text.endswith("assert f(3) ==")
    assert prompt.stop == "line"
    assert chat_text(task).startswith("What does f(3) return?\n\n```python\ndef f(x):")


def test_chat_is_one_message_for_the_template() -> None:
    prompt = render(task_of().task(), "chat", 128)
    assert (prompt.text, prompt.stop, prompt.max_tokens) == (None, "eos", 128)
    assert prompt.messages == (
        {
            "role": "user",
            "content": "Return the sum of xs.\n\n"
            "Begin with this line:\ndef total(xs: list[int]) -> int:\n\n"
            "Examples:\n>>> total([1, 2])\n3\n>>> total([], k='a')\n0\n\n"
            "Answer with the whole function in one Python code block and nothing else.",
        },
    )


@pytest.mark.parametrize("style", ["completion", "chat"])
def test_hidden_tests_never_show(style: Style) -> None:
    for task in suite("test", levels=(1,))[::6]:
        prompt = render(task.task(), style, 64)
        shown = prompt.text or (prompt.messages or ({"content": ""},))[0]["content"]
        for test in task.hidden:
            assert isinstance(test, CallTest)
            assert f"({repr(test.args)[1:-1]})" not in shown
    prompt = render(task_of().task(), style, 64)
    assert "98765" not in str(prompt)


@pytest.mark.parametrize(
    "instruction",
    ['Say """ and \\n', "'''", 'a "', 'a ""', "ends in \\", "ü\t\x0c", " "],
)
def test_any_instruction_leaves_the_file_python(instruction: str) -> None:
    for visible in ((), (CallTest(["a\n\"'\\"], '"""'),)):
        text = continuation(task_of(instruction=f"x {instruction}", visible=visible))
        function = ast.parse(text + "\n    return 1").body[0]
        assert isinstance(function, ast.FunctionDef) and len(function.body) == 2


def test_the_completion_prompt_of_every_level_is_python() -> None:
    for level in (1, 2, 3):
        task = make("replace_char", level, 4)
        module = ast.parse(continuation(task) + "\n    return 1")
        assert isinstance(module.body[0], ast.FunctionDef)


def test_examples_too_long_to_read_are_left_out() -> None:
    text = continuation(task_of(visible=(CallTest(["x" * 1000], 1), CallTest(["y"], 2))))
    assert "xx" not in text and "total('y')" in text


def test_refusals_are_one_line() -> None:
    with pytest.raises(InputError, match="prompt style 'poem' is unknown"):
        render(task_of().task(), "poem", 9)  # type: ignore[arg-type]
