"""Answers that do nothing of what is asked: a constant, an argument given back, an exception.

A task that one of them passes pays for nothing. Where all tests are calls with an expected value no
program has to run to find one; where test code has to be executed, what its plain asserts allow is
left to be tried in the sandbox. `is_idle` looks at a program the other way round.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from envs.code.task import CallTest, CodeTask, CodeTest, ProgramTest
from envs.code.values import Unsupported, encode, pack, same, shown
from rewards.code.lowered import lowered
from rewards.code.trials import same_output

MOST_RUN = 24
"""Programs that are tried in the sandbox for one task."""
_MOST_VALUES = 32
"""Different constants that are looked at for one task."""
_MOST_CODE = 100_000
_SHOWN = 40
_LONGEST = 10_000
_USUAL: tuple[Any, ...] = (None, True, 1, 0, False, "", [], (), {}, -1, "a", [0], 1.0)
_EMPTYING = "[one.clear() for one in args if hasattr(one, 'clear')]\n    return args[0]\n"
"""Misleads a test that works out what it expects from an argument after the call."""
_ERRORS = ("ValueError", "TypeError", "IndexError", "KeyError")


@dataclass(frozen=True, slots=True)
class Idle:
    """An idle answer: what to call it, the program, and what it returns to a call.

    `answer` gives a list with the value, or nothing where the answer fails on such a call.
    """

    name: str
    program: str
    answer: Callable[[CallTest], list[Any]]


def idle_names(task: CodeTask) -> list[str] | None:
    """Return the idle answers that pass a task, without running anything.

    None where some test has to be executed to know.
    """
    if task.kind == "program":
        return _idle_outputs(task)
    calls, whole = _calls(task)
    if not whole:
        return None
    return [idle.name for idle in _idle(task, calls) if _holds(idle, calls)]


def idle_programs(task: CodeTask) -> Iterator[tuple[str, str]]:
    """Yield (name, program) of up to MOST_RUN idle answers that the plain asserts do not rule out.

    For tasks of which `idle_names` says nothing.
    """
    calls, _ = _calls(task)
    left = (idle for idle in _idle(task, calls) if _holds(idle, calls))
    for _, idle in zip(range(MOST_RUN), left, strict=False):
        yield idle.name, idle.program


def _holds(idle: Idle, calls: Sequence[CallTest]) -> bool:
    return all(any(same(call.expected, value) for value in idle.answer(call)) for call in calls)


def _calls(task: CodeTask) -> tuple[list[CallTest], bool]:
    """Return the hidden tests' calls that decide, and whether they are all that is tested."""
    calls: list[CallTest] = []
    whole = True
    for test in task.hidden:
        if isinstance(test, CallTest):
            calls.append(test)
        elif isinstance(test, CodeTest):
            found = lowered(task.kind, task.entry_point or "", test.code)
            whole = whole and found is not None
            calls += _plain_asserts(task, test.code) if found is None else found
    return calls, whole


def _plain_asserts(task: CodeTask, code: str) -> list[CallTest]:
    """Return the calls of those top-level asserts that compare with a literal."""
    tree = _parsed(code)
    if tree is None:
        return []
    body, name = tree.body, task.entry_point or ""
    if task.kind == "check":
        checks = [s for s in body if isinstance(s, ast.FunctionDef) and s.name == "check"]
        if len(checks) != 1 or len(checks[0].args.args) != 1:
            return []
        body, name = checks[0].body, checks[0].args.args[0].arg
    calls: list[CallTest] = []
    for statement in body:
        match statement:
            case ast.Assert(test=ast.Compare(left=left, ops=[ast.Eq()], comparators=[right])):
                pair = (left, right) if isinstance(left, ast.Call) else (right, left)
                text = " == ".join(f"({ast.unparse(side)})" for side in pair)
                calls += lowered("asserts", name, f"assert {text}") or ()
    return calls


def _idle(task: CodeTask, calls: Sequence[CallTest]) -> Iterator[Idle]:
    name = task.entry_point
    if name is None:
        return
    head = f"def {name}(*args, **kwargs):\n    "
    for text, answer in _echoes(calls):
        yield Idle(f"`return {text}`", f"{head}return {text}\n", answer)
    yield Idle("emptying its arguments", head + _EMPTYING, _emptied)
    for value in _constants(task, calls):
        text = shown(value, _LONGEST)
        if not text.endswith("..."):
            yield Idle(f"`return {text:.{_SHOWN}}`", f"{head}return {text}\n", _always(value))
    if not calls:
        for error in _errors(task):
            yield Idle(f"`raise {error}`", f"{head}raise {error}\n", lambda call: [])


def _always(value: Any) -> Callable[[CallTest], list[Any]]:
    return lambda call: [value]


def _echoes(calls: Sequence[CallTest]) -> Iterator[tuple[str, Callable[[CallTest], list[Any]]]]:
    """Yield the ways to give arguments back: each of them, the last, all of them."""
    most = max((len(call.args) for call in calls), default=2)
    for place in range(min(most, 8)):
        yield f"args[{place}]", _argument(place)
    yield "args[-1]", _argument(-1)
    yield "args", lambda call: [tuple(call.args)]
    yield "list(args)", lambda call: [list(call.args)]
    for key in dict.fromkeys(key for call in calls for key in call.kwargs):
        yield f"kwargs[{key!r}]", _keyword(key)
    yield "kwargs", lambda call: [dict(call.kwargs)]
    yield "[*args, *kwargs.values()][0]", lambda call: [*call.args, *call.kwargs.values()][:1]
    yield "[*args, *kwargs.values()][-1]", lambda call: [*call.args, *call.kwargs.values()][-1:]


def _emptied(call: CallTest) -> list[Any]:
    """Return the first argument as it is once it has been emptied."""
    empty = [type(one)() if isinstance(one, list | dict | set) else one for one in call.args]
    return empty[:1]


def _argument(place: int) -> Callable[[CallTest], list[Any]]:
    return lambda call: [call.args[place]] if -len(call.args) <= place < len(call.args) else []


def _keyword(key: str) -> Callable[[CallTest], list[Any]]:
    return lambda call: [call.kwargs[key]] if key in call.kwargs else []


def _constants(task: CodeTask, calls: Sequence[CallTest]) -> list[Any]:
    """Return the different constants that could pass: those that the tests name, and usual ones.

    A float between all that is expected is among them: it may be near enough to each.
    """
    found: list[Any] = []
    expected = [call.expected for call in calls]
    if expected and all(type(value) is float for value in expected):
        found.append((min(expected) + max(expected)) / 2)
    found += expected
    found += [test.expected for test in task.visible if isinstance(test, CallTest)]
    for test in (*task.hidden, *task.visible):
        if isinstance(test, CodeTest):
            found += _literals(test.code)
    different: dict[bytes, Any] = {}
    for value in [*found[:1000], *_USUAL]:
        try:
            different.setdefault(pack(value), value)
        except Unsupported:
            continue
    usual = {pack(value) for value in _USUAL}
    kept = [key for key in different if key not in usual][:_MOST_VALUES]
    return [value for key, value in different.items() if key in usual or key in kept]


def _literals(code: str) -> list[Any]:
    """Return the values of the literals in test code, those of asserts first."""
    tree = _parsed(code)
    if tree is None:
        return []
    asserts = [node.test for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    found = []
    for node in (n for top in (*asserts, tree) for n in ast.walk(top)):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In):
            node = ast.List([node.left], ast.Load())  # what holds it passes
        if isinstance(node, ast.Constant | ast.List | ast.Tuple | ast.Dict | ast.Set):
            try:
                value = ast.literal_eval(node)
                encode(value)
            except (ValueError, TypeError, MemoryError, RecursionError):
                continue
            found.append(value)
        if len(found) >= 2 * _MOST_VALUES:
            break
    return found


def _errors(task: CodeTask) -> list[str]:
    """Return the built-in exceptions that the test code speaks of."""
    code = "\n".join(test.code for test in task.hidden if isinstance(test, CodeTest))
    return [name for name in _ERRORS if name in code]


def _parsed(code: str) -> ast.Module | None:
    if len(code) > _MOST_CODE:
        return None
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _idle_outputs(task: CodeTask) -> list[str]:
    """Return the outputs that no program has to be written for, and that pass all tests."""
    tests = [test for test in task.hidden if isinstance(test, ProgramTest)]
    found: list[str] = []
    for number, text in enumerate(
        dict.fromkeys(["", *(test.stdout for test in tests[:_MOST_VALUES])])
    ):
        if all(same_output(test.stdout, text) for test in tests):
            found.append(f"a constant output (test {max(0, number - 1)})")
            break
    echoes: dict[str, Callable[[str], str]] = {
        "the input, printed": lambda text: text,
        "the input's first line, printed": lambda text: (text.splitlines() or [""])[0],
        "the input's last line, printed": lambda text: (text.splitlines() or [""])[-1],
        "the input's first word, printed": lambda text: (text.split() or [""])[0],
        "the input's last word, printed": lambda text: (text.split() or [""])[-1],
    }
    for name, echo in echoes.items():
        if all(same_output(test.stdout, echo(test.stdin)) for test in tests):
            found.append(name)
    return found


def is_idle(program: str, entry: str | None) -> bool:
    """Return whether a program's function is a constant or an echo by its form.

    It takes parameters and reads none of them, or all that it does is to return one. False for
    whatever cannot be decided.
    """
    tree = _parsed(program)
    if tree is None or entry is None:
        return False
    function: ast.FunctionDef | ast.Lambda | None = None
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) if name == entry:
                function = node
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda() as made) if (
                name == entry
            ):
                function = made
    if function is None:
        return False
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    gathered = [one for one in (given.vararg, given.kwarg) if one is not None]
    names = {argument.arg for argument in (*named, *gathered)}
    body = [ast.Return(function.body)] if isinstance(function, ast.Lambda) else function.body
    body = [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    inside = [node for statement in body for node in ast.walk(statement)]
    calls = {
        node.func.id
        for node in inside
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    if not names or calls & {"locals", "vars", "eval", "exec", "input"}:
        return False
    if not any(isinstance(node, ast.Name) and node.id in names for node in inside):
        return True
    match body:
        case [ast.Return(value=ast.Name(id=name))] if name in names:
            return True
        case [ast.Return(value=ast.Subscript(value=ast.Name(id=name), slice=ast.Constant()))]:
            return name in {argument.arg for argument in gathered}
        case [ast.Return(value=ast.Subscript(value=ast.Name(id=name), slice=ast.UnaryOp()))]:
            return name in {argument.arg for argument in gathered}
    return False
