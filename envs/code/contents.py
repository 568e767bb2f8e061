"""What makes two code tasks one, whatever file they stand in and whatever their function is called.

A task that is evaluated must not train, also where a file has it under another key, with another
name for the function, other spacing, or only its words, its tests or its reference.
"""

from __future__ import annotations

import ast
import json
import re

from envs.code.task import CallTest, CodeTask, CodeTest
from envs.code.values import encode

_LEAST_WORDS = 20
"""Characters of a description below which two tasks may say the same by chance."""
_LEAST_NODES = 15
"""Parts of a reference below which two programs may be equal by chance: `return sorted(xs)`."""
_NAME = "the_function"
_CHECKS = 2
"""Tests below which equal ones may be chance: f(2) == 4 says little."""


def contents(task: CodeTask) -> frozenset[str]:
    """Return the marks of a task; two tasks that share one are the same.

    They are its description in words, all its hidden tests together, and its reference, the last
    two with the function's name taken out; each where it is long enough to say something, and all
    three together as they are.
    """
    whole = (task.instruction, task.prefix, str(task.hidden))
    marks = {json.dumps([" ".join(part.lower().split()) if part else "" for part in whole])}
    marks |= {f"words {text}" for text in _texts(task) if len(text) >= _LEAST_WORDS}
    tests = _tests(task)
    if tests is not None:
        marks.add(f"tests {tests}")
    source = None if task.reference is None else _squeezed_code(task.reference, task.entry_point)
    if source is not None and source.count("(") >= _LEAST_NODES:
        marks.add(f"reference {source}")
    return frozenset(marks)


def _texts(task: CodeTask) -> list[str]:
    """Return the descriptions of a task: its instruction and its function's docstring."""
    texts = [] if task.dataset == "humaneval" else [task.instruction]  # theirs names the function
    for code in (task.prefix, task.reference):
        tree = _parsed(code)
        if tree is not None:
            texts += [ast.get_docstring(node) or "" for node in _functions(tree, task.entry_point)]
    return [" ".join(re.findall(r"\w+", text.lower())) for text in texts]


def _tests(task: CodeTask) -> str | None:
    if len(task.hidden) < _CHECKS and not _is_check(task):
        return None
    found = []
    for test in task.hidden:
        if isinstance(test, CallTest):
            values = [encode(test.args), {k: encode(v) for k, v in sorted(test.kwargs.items())}]
            found.append(json.dumps([*values, encode(test.expected)], sort_keys=True))
        elif isinstance(test, CodeTest):
            found.append(_squeezed_code(test.code, task.entry_point) or test.code)
        else:
            found.append(json.dumps([test.stdin, test.stdout]))
    return "\n".join(sorted(found))


def _is_check(task: CodeTask) -> bool:
    """Whether the one test is a function that holds many."""
    return task.kind == "check"


def _squeezed_code(code: str, name: str | None) -> str | None:
    """Return code without names of the function, comments, docstrings and spacing."""
    tree = _parsed(code)
    if tree is None:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == name:
            node.id = _NAME
        elif isinstance(node, ast.FunctionDef) and node.name == name:
            node.name = _NAME
    for function in _functions(tree, None):
        if ast.get_docstring(function) is not None:
            function.body = function.body[1:] or [ast.Pass()]
        function.returns = None
        for argument in (*function.args.posonlyargs, *function.args.args):
            argument.annotation = None
    try:
        return ast.dump(tree)
    except RecursionError:
        return None


def _functions(tree: ast.Module, name: str | None) -> list[ast.FunctionDef]:
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [node for node in found if name in (None, node.name)]


def _parsed(code: str | None) -> ast.Module | None:
    if code is None:
        return None
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
