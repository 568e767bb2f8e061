"""Self-play for code: asking the policy for a new function, and making a task of it.

Nothing here runs a proposed program: `parse` reads one, two sandboxes run it on `inputs_of` it
(once each), and `judge` says from the values whether it becomes a task. The stated form is one
function without imports, then at least four calls of it with literals, a line each:

    def double_all(xs):
        return [x * 2 for x in xs]

    double_all([1, 2, 3])
    double_all([])
    ...
"""

from __future__ import annotations

import ast
import random
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from envs.answer import answer_of
from envs.code.extract import MAX_CHARS, fenced_block
from envs.code.families import TRAIN, make
from envs.code.prompts import Style, call_text
from envs.code.task import CallTest, is_name
from envs.code.values import Unsupported, pack
from envs.errors import InputError
from envs.quotes import LINES
from envs.stops import MOST_CALLS
from envs.task import Prompt, Task
from envs.text import plain_words

DOMAIN = "code/propose"
"""The domain of requests to propose; what comes of them are tasks of the domain "code"."""
LEAST_INPUTS = 4
MOST_INPUTS = MOST_CALLS
MAX_SOURCE = 2_000
"""Characters of a proposed function."""
_MAX_INT = 10**6
_MAX_REPR = 300
"""Characters of one call's arguments, written out."""
_MOST_LINES = 64
"""Lines after the function that are looked at."""
_SHOTS = 2
_BANNED = (
    ast.Import,
    ast.ImportFrom,
    ast.Global,
    ast.Nonlocal,
    ast.Yield,
    ast.YieldFrom,
    ast.Await,
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A function as it was proposed, with the arguments of its calls; not run yet."""

    name: str
    header: str
    source: str
    doc: str
    inputs: tuple[list[Any], ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why a proposal becomes no task."""

    reason: str


def request(seed: int) -> Task:
    """Return the request to propose a function; `seed` chooses the examples it shows."""
    return Task.make(DOMAIN, {"seed": seed})


def render(task: Task, style: Style, max_tokens: int) -> Prompt:
    """Return the prompt of a request: two examples from the training families, then the turn.

    Raises InputError for a task that is no request and for an unknown style.
    """
    seed = task.payload.get("seed")
    if task.domain != DOMAIN or type(seed) is not int:
        raise InputError(f"task {task.id}: no request to propose; make one with proposer.request")
    shots = "\n\n\n".join(_example(random.Random(f"{seed}/{i}")) for i in range(_SHOTS))
    if style == "completion":
        text = f"# Small Python functions, each with five calls.\n\n{shots}\n\n\ndef"
        return Prompt(text=text, messages=None, stop="calls", max_tokens=max_tokens)
    if style != "chat":
        raise InputError(f"prompt style {style!r} is unknown; use completion or chat")
    content = (
        "Invent a small Python function that is neither trivial nor hard to understand, without "
        "imports, and call it five times with different literals, one call a line. It must be "
        f"another one than these:\n\n```python\n{shots}\n```\n\n"
        "Answer with one Python code block in the same form and nothing else."
    )
    message = {"role": "user", "content": content}
    return Prompt(text=None, messages=(message,), stop="eos", max_tokens=max_tokens)


def _example(rng: random.Random) -> str:
    task = make(rng.choice(TRAIN), rng.choice((1, 2, 2, 3)), rng.randrange(10**6))
    tests = [test for test in (*task.visible, *task.hidden) if isinstance(test, CallTest)]
    calls = [call_text(task.entry_point or "f", test) for test in tests[:5]]
    return f"{task.reference}\n" + "\n".join(calls)


def parse(completion: str) -> Proposal | Rejected:
    """Return the proposal in an answer (plain, continued after `def`, or fenced), or why not."""
    answer = answer_of(completion)
    if answer is None:
        return Rejected("no answer after the reasoning")
    text = answer[:MAX_CHARS].replace("\r\n", "\n").replace("\r", "\n")
    text = fenced_block(text) or text
    if not text.lstrip().startswith("def "):
        text = f"def{text}" if text[:1] in " \t" else text
    header, body, calls = _split(text)
    if not header:
        return Rejected("no function")
    source = header + body.rstrip() + "\n"
    if len(source) > MAX_SOURCE:
        return Rejected(f"a function of more than {MAX_SOURCE} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nodes = ast.parse(source).body
            found = [_call(line) for line in calls]
            function = nodes[0]
            doc = ast.get_docstring(function) if isinstance(function, ast.FunctionDef) else None
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        return Rejected(f"no Python ({type(error).__name__})")
    if not isinstance(function, ast.FunctionDef):
        return Rejected("no function")
    if len(nodes) > 1:  # after a form feed, which Python takes for the beginning of a line
        return Rejected("more than one function")
    fault = _fault(function)
    if fault:
        return Rejected(fault)
    arity = len(function.args.args)
    inputs = _distinct([args for name, args in filter(None, found) if name == function.name])
    inputs = [args for args in inputs if len(args) == arity]
    if len(inputs) < LEAST_INPUTS:
        return Rejected(f"{len(inputs)} different calls; {LEAST_INPUTS} are needed")
    line = f"def {function.name}({', '.join(arg.arg for arg in function.args.args)}):"
    return Proposal(
        function.name, line, source, plain_words(doc or ""), tuple(inputs[:MOST_INPUTS])
    )


def _split(text: str) -> tuple[str, str, list[str]]:
    """Return the first function's header, its body, and the lines at column 0 up to the next."""
    header, body = "", ""
    calls: list[str] = []
    for line in LINES.findall(text):
        begins = line.startswith("def ")
        if not header:
            header = line if begins else ""
        elif begins:
            break
        elif line[0].isspace():
            body += line if not calls else ""
        elif len(calls) < _MOST_LINES:
            calls.append(line.strip())
    return header, body, calls


def _fault(function: ast.FunctionDef) -> str | None:
    arguments = function.args
    others = (*arguments.kwonlyargs, *arguments.posonlyargs, *arguments.defaults)
    if arguments.vararg or arguments.kwarg or others:
        return "other than plain parameters"
    if not arguments.args:
        return "no parameters"
    if not is_name(function.name) or function.name.startswith("__"):
        return "a name that will not do"
    for node in ast.walk(function):
        if isinstance(node, _BANNED):
            return f"{type(node).__name__} in the function"
        if isinstance(node, ast.Attribute) and node.attr.startswith("__"):
            return "a double underscore in the function"
    return None


def _call(line: str) -> tuple[str, list[Any]] | None:
    """Return function name and arguments of a line that is a call with literals, else None.

    A prompt of a doctest in front and a comment at the end are passed over.
    """
    line = line.removeprefix(">>>").strip()
    if len(line) > 2 * _MAX_REPR:
        return None
    try:
        node = ast.parse(line, mode="eval").body
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.keywords:
            return None
        args = [ast.literal_eval(arg) for arg in node.args]
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return None
    return (node.func.id, args) if _handy(args) else None


def _handy(value: Any) -> bool:
    """Return whether a value may be an argument: small, and one that crosses processes."""
    try:
        pack(value)
        return len(repr(value)) <= _MAX_REPR and _small(value)
    except (Unsupported, ValueError):
        return False


def _small(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_small(part) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple | set | frozenset):
        return all(_small(part) for part in value)
    return not isinstance(value, int | float) or -_MAX_INT <= value <= _MAX_INT


def _distinct(inputs: Sequence[list[Any]]) -> list[list[Any]]:
    return list({repr(args): args for args in inputs}.values())


def inputs_of(proposal: Proposal, seed: int, extra: int = 8) -> list[list[Any]]:
    """Return the arguments to run a proposal on: its own, then up to `extra` variations of them.

    The variations make hidden tests that the proposal's author did not choose.
    """
    rng = random.Random(f"{seed}/{proposal.source}")
    inputs = [list(args) for args in proposal.inputs]
    for _ in range(4 * extra):
        if len(inputs) == len(proposal.inputs) + extra:
            break
        args = [_varied(value, rng) for value in rng.choice(proposal.inputs)]
        inputs = _distinct([*inputs, args]) if _handy(args) else inputs
    return inputs


def _varied(value: Any, rng: random.Random) -> Any:
    """Return a value of the same type near `value`."""
    if type(value) is int:
        return value + rng.choice((-3, -2, -1, 0, 1, 2, 3, 10))
    if type(value) is float:
        return value + rng.choice((-1.5, -0.5, 0.0, 0.5, 1.5))
    if type(value) is str:
        at = rng.randint(0, len(value))
        return rng.choice((value[::-1], value[:at], value[at:], value[:at] * 2 + value[at:], value))
    if type(value) in (list, tuple):
        items = [_varied(item, rng) for item in value]
        if items and rng.random() < 0.5:
            items.insert(rng.randint(0, len(items)), rng.choice(items))
        elif items and rng.random() < 0.5:
            items.pop(rng.randrange(len(items)))
        return type(value)(items)
    if type(value) is dict:
        return {key: _varied(item, rng) for key, item in value.items()}
    return value
