"""How a code task is put to a language model: as a file to be continued, or as a chat message."""

from __future__ import annotations

import textwrap
from typing import Literal, get_args

from envs.code.task import CallTest, CodeTask, ProgramTest, Test
from envs.code.values import shown
from envs.errors import InputError
from envs.task import Prompt, Stop, Task

Style = Literal["completion", "chat"]
"""`completion`: a Python file that breaks off where the answer belongs, for base models; `chat`:
one message for a chat template."""

INDENT = "    "
_QUOTES = '"""'
_EXAMPLE_CHARS = 400
"""A longer example is left out of the prompt."""


def render(task: Task, style: Style, max_tokens: int) -> Prompt:
    """Return the prompt for a code task; only its visible tests are ever looked at.

    Raises InputError for an unknown style and a malformed task.
    """
    if style not in get_args(Style):
        raise InputError(f"prompt style {style!r} is unknown; use one of {list(get_args(Style))}")
    view = CodeTask.of(task)
    if style == "chat":
        message = {"role": "user", "content": chat_text(view)}
        return Prompt(text=None, messages=(message,), stop="eos", max_tokens=max_tokens)
    return Prompt(text=continuation(view), messages=None, stop=stop(view), max_tokens=max_tokens)


def stop(task: CodeTask) -> Stop:
    """Return where a plain completion ends: a literal with its line, a function with its body."""
    if task.answer == "literal":
        return "line"
    return "eos" if task.kind == "program" else "code"


def continuation(task: CodeTask) -> str:
    """Return the beginning of a Python file that the completion goes on with.

    It ends without white space, since a model's own token begins with it: after the docstring of
    a signature or of HumanEval's prompt; after `def name(` where no signature is given (MBPP); or
    after the `==` of a literal that is asked for.
    """
    if task.prefix is not None:
        return task.prefix.rstrip()
    if task.signature is not None:
        return f"{task.signature.rstrip()}\n{_docstring(task)}"
    lines = [task.instruction.strip(), *examples(task)]
    head = "\n".join([_QUOTES, *(_quotable(line) for line in lines), _QUOTES])
    if task.kind == "program":
        return head
    return f"{head}\ndef {task.entry_point}(" if task.entry_point else f"{head}\ndef"


def chat_text(task: CodeTask) -> str:
    """Return the task as an instruction in English."""
    if task.answer == "literal":
        return (
            f"{task.instruction.strip()}\n\n```python\n{(task.prefix or '').rstrip()}\n```\n\n"
            "Answer with the value alone, written as a Python literal."
        )
    parts = []
    if task.prefix is not None:
        parts += ["Complete this Python function.", f"```python\n{task.prefix.rstrip()}\n```"]
    else:
        parts.append(task.instruction.strip())
        if task.signature is not None:
            parts.append(f"Begin with this line:\n{task.signature.rstrip()}")
        elif task.entry_point is not None:
            parts.append(f"Name the function {task.entry_point}.")
        given = examples(task)
        if given:
            parts.append("Examples:\n" + "\n".join(given))
    what = "the whole program" if task.kind == "program" else "the whole function"
    parts.append(f"Answer with {what} in one Python code block and nothing else.")
    return "\n\n".join(parts)


def examples(task: CodeTask) -> list[str]:
    """Return the lines that show the visible tests, in the manner of their kind."""
    return [line for test in task.visible for line in _example(task, test)]


def _example(task: CodeTask, test: Test) -> list[str]:
    if isinstance(test, CallTest):
        expected = shown(test.expected, 10 * _EXAMPLE_CHARS)
        lines = [f">>> {call_text(task.entry_point or 'f', test)}", expected]
    elif isinstance(test, ProgramTest):
        lines = ["Input:", test.stdin.rstrip("\n"), "Output:", test.stdout.rstrip("\n")]
    else:
        lines = [test.code.strip()]
    return lines if sum(map(len, lines)) <= _EXAMPLE_CHARS else []


def call_text(name: str, test: CallTest) -> str:
    """Return a call as Python source, for reading: `name(1, key='a')`."""
    arguments = [shown(value, 10 * _EXAMPLE_CHARS) for value in test.args]
    arguments += [f"{key}={shown(value, _EXAMPLE_CHARS)}" for key, value in test.kwargs.items()]
    return f"{name}({', '.join(arguments)})"


def _docstring(task: CodeTask) -> str:
    """Return the indented docstring: the instruction and the visible tests as a doctest."""
    lines = [
        line
        for paragraph in task.instruction.strip().splitlines()
        for line in textwrap.wrap(paragraph, 88) or [""]
    ]
    given = examples(task)
    if not given and len(lines) == 1:
        text = _quotable(lines[0])
        space = " " if text.endswith('"') else ""
        return f"{INDENT}{_QUOTES}{text}{space}{_QUOTES}"
    lines = [*lines, "", *given] if given else lines
    lines = [_quotable(line) for line in lines]
    return "\n".join(
        f"{INDENT}{line}".rstrip() for line in [_QUOTES + lines[0], *lines[1:], _QUOTES]
    )


def _quotable(text: str) -> str:
    """Return `text` so that it may stand inside triple quotes and mean itself."""
    return text.replace("\\", "\\\\").replace(_QUOTES, "'''")
