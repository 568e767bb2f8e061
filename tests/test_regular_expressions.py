"""Every regular expression of the packages, on text made to take long: none may take its time.

The patterns are found in the sources, so that a new one is tested as soon as it is written. Texts
are made from each pattern's own parts, many times over, and from signs that models and files
repeat. A pattern whose time grows with the square of the text takes seconds for what a linear one
does in milliseconds, and one that backtracks without end never comes back; both are stopped by a
clock of CPU time and named.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import signal
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from re import _constants, _parser  # type: ignore[attr-defined]
from types import FrameType
from typing import Any

import chess
import pytest

import envs
import rewards
import selfplay
from envs.answer import answer_of
from envs.chess.parse import parse_move
from envs.code.extract import extract, is_marked
from envs.code.proposer import parse
from envs.code.task import CallTest, CodeTask, CodeTest, ProgramTest
from envs.fences import blocks
from envs.stops import body_end, calls_end
from rewards.code.trials import same_output

CHARS = 100_000
SECONDS = 1.0
"""Of CPU time for one text; a linear pattern takes a few milliseconds."""
METHODS = ("compile", "match", "search", "fullmatch", "findall", "finditer", "split", "sub")
FLAGS_AT = {"compile": 0, "split": 2, "sub": 3}
"""Where the flags stand among the arguments after the pattern."""
REPEATED = [
    " ", "\n", "\t", "\r\n", "a", "a ", "a=", "a:", "a,", "a: int = 0, ", "0", "0.", "-", "(", ")",
    "[", "]", "{", "}", '"', "'", '"""', "\\", "`", "```", "```\n", "~~~a\n", "#", ">", "<", "<a>",
    "def a(", "def \n", "import a\n", "x\n", "\n\n[", "<think>", "</think>", "<|", "1. e4 ", ".",
    "{a", "e", "$", "_",
]  # fmt: skip


class TooSlowError(Exception):
    """Raised by the clock."""


def sources() -> Iterator[Path]:
    for package in (envs, rewards, selfplay):
        yield from sorted(Path(package.__path__[0]).rglob("*.py"))


def flags_of(node: ast.expr | None) -> int:
    names = [n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)] if node else []
    return sum(int(getattr(re, name)) for name in set(names))


def text_of(node: ast.expr) -> str | None:
    """Return the pattern that stands in the source; what it formats is taken for a word."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            parts = [text_of(value) if isinstance(value, ast.Constant) else "a" for value in values]
            return None if None in parts else "".join(map(str, parts))
        case ast.BinOp(left=left, right=right):
            a, b = text_of(left), text_of(right)
            return None if a is None or b is None else a + b
    return None


@cache
def read() -> list[tuple[str, ast.Module]]:
    return [
        (f"{path.parent.name}/{path.name}", ast.parse(path.read_text(encoding="utf-8")))
        for path in sources()
    ]


@cache
def methods_of(place: str) -> dict[str, set[str]]:
    """Return what a file calls on each name: `_FENCE.match(...)`."""
    found: dict[str, set[str]] = {}
    for _, tree in (one for one in read() if one[0] == place):
        for node in ast.walk(tree):
            match node:
                case ast.Attribute(value=ast.Name(id=name), attr=method) if method in METHODS:
                    found.setdefault(name, set()).add(method)
    return found


Written = tuple[str, str, str, int]
"""Place, method, pattern and flags."""


def calls() -> Iterator[Written]:
    """Yield each call of `re` with a pattern in the source."""
    for place, tree in read():
        known = methods_of(place)
        names = {
            id(node.value): node.targets[0].id
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(tree):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="re"), attr=method), args=[first, *rest]
                ) if method in METHODS:
                    given = next((k.value for k in node.keywords if k.arg == "flags"), None)
                    given = given or next(iter(rest[FLAGS_AT.get(method, 1) :]), None)
                    pattern = text_of(first)
                    used = {method}
                    if method == "compile":
                        used = known.get(names.get(id(node), ""), set(METHODS[1:]))
                    if pattern is not None:
                        for one in used:
                            yield f"{place}:{node.lineno}", one, pattern, flags_of(given)


def held() -> Iterator[Written]:
    """Yield the patterns that modules hold, of which the source says a part at most."""
    for package in (envs, rewards):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            known = methods_of("/".join(info.name.split(".")[-2:]) + ".py")
            for name, value in vars(importlib.import_module(info.name)).items():
                if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                    for one in known.get(name, set(METHODS[1:])):
                        flags = value.flags & ~re.UNICODE
                        yield f"{info.name}.{name}", one, value.pattern, flags


def sample(tree: Any, pieces: list[str]) -> str:
    """Return a text that the parsed pattern matches, more or less; its parts go to `pieces`."""
    text = ""
    for op, value in tree:
        name = str(op)
        if name == "LITERAL":
            part = chr(value)
        elif name == "NOT_LITERAL":
            part = "a" if value != ord("a") else "b"
        elif name == "ANY":
            part = "a"
        elif name == "IN":
            part = member(value)
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, _, inner = value
            once = sample(inner, pieces)
            pieces.append(text + once)
            pieces.append(once)
            part = once * max(1, min(least, 40))
        elif name == "SUBPATTERN":
            part = sample(value[-1], pieces)
        elif name == "ATOMIC_GROUP":
            part = sample(value, pieces)
        elif name == "BRANCH":
            branches = [sample(branch, pieces) for branch in value[1]]
            pieces += branches
            part = branches[0]
        elif name == "ASSERT":
            part = sample(value[1], pieces) if value[0] > 0 else ""
        else:
            part = ""
        text += part
    return text


def member(items: Any) -> str:
    """Return a character of a set."""
    negated = bool(items) and items[0][0] is _constants.NEGATE
    for char in "a0 _.-:=,\n\"'()x<>#|/\\[]{}*+~`@\u25c1\uff5c":
        held = False
        for op, value in items:
            if op is _constants.LITERAL:
                held = held or ord(char) == value
            elif op is _constants.RANGE:
                held = held or value[0] <= ord(char) <= value[1]
            elif op is _constants.CATEGORY:
                kind = str(value)
                truths = {
                    "DIGIT": char.isdigit(),
                    "SPACE": char.isspace(),
                    "WORD": char.isalnum() or char == "_",
                }
                for word, truth in truths.items():
                    if kind.endswith(f"NOT_{word}"):
                        held = held or not truth
                    elif kind.endswith(word):
                        held = held or truth
        if held != negated:
            return char
    return "a"


def texts(pattern: str, flags: int) -> Iterator[str]:
    pieces: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = sample(_parser.parse(pattern, flags), pieces)
    pumped = dict.fromkeys(filter(None, [*pieces, whole, whole[:-1], *REPEATED]))
    for piece in pumped:
        yield piece * (CHARS // len(piece)) + "\x00"
    for piece in dict.fromkeys(filter(None, pieces)):
        # Begins as the pattern wants, and then goes on with one part of it for ever.
        yield whole[: len(whole) // 2] + piece * (CHARS // len(piece)) + "\x00"
        yield whole[:-1] + piece * (CHARS // len(piece)) + "\x00"


def use(pattern: re.Pattern[str], method: str) -> Callable[[str], object]:
    """Return what the code does with a pattern; what finds many is followed to the end."""
    if method in ("match", "fullmatch", "search"):
        return getattr(pattern, method)  # type: ignore[no-any-return]
    return lambda text: sum(1 for _ in pattern.finditer(text))


def too_slow(signum: int, frame: FrameType | None) -> None:
    raise TooSlowError


@pytest.fixture
def clock() -> Iterator[Callable[[Callable[[], object]], bool]]:
    """Run something within SECONDS of this process's CPU time; False where it took longer."""
    before = signal.signal(signal.SIGVTALRM, too_slow)

    def within(run: Callable[[], object]) -> bool:
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        try:
            run()
        except TooSlowError:
            return False
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        return True

    yield within
    signal.signal(signal.SIGVTALRM, before)


PATTERNS = sorted({(p, m, f): (place, m, p, f) for place, m, p, f in (*calls(), *held())}.values())


def test_the_clock_stops_a_pattern_that_is_quadratic_and_one_without_end(clock: Any) -> None:
    assert len(PATTERNS) > 40
    for bad in (r"a*b", r"(?:\w+\s*(?::[^,]*)?(?:=[^,]*)?,?\s*)*\)", r"\n\s*\n(?=x)"):
        assert any(not clock(partial(re.search, bad, text)) for text in texts(bad, 0)), bad


@pytest.mark.parametrize(
    ("place", "method", "pattern", "flags"), PATTERNS, ids=[f"{p[0]}-{p[1]}" for p in PATTERNS]
)
def test_no_pattern_takes_its_time(
    place: str, method: str, pattern: str, flags: int, clock: Any
) -> None:
    used = use(re.compile(pattern, flags), method)
    for text in texts(pattern, flags):
        assert clock(partial(used, text)), f"{place}: {pattern} on {text[:60]!r}..."


def asked(**changes: Any) -> CodeTask:
    fields: dict[str, Any] = {
        "dataset": "jsonl",
        "key": "k",
        "split": "train",
        "instruction": "Add.",
        "kind": "asserts",
        "hidden": (CodeTest("assert a(1) == 2"),),
        "entry_point": "a",
    }
    return CodeTask(**(fields | changes))


CALL = (CallTest([], 1),)
READERS: dict[str, Callable[[str], object]] = {
    "answer": answer_of,
    "blocks": blocks,
    "move": lambda text: parse_move(text, chess.Board()),
    "body": body_end,
    "calls": calls_end,
    "marked": is_marked,
    "proposal": parse,
    "output": lambda text: same_output(text, text[1:]),
    "named": lambda text: extract(text, asked()),
    "signed": lambda text: extract(text, asked(signature="def a(x):")),
    "prefixed": lambda text: extract(text, asked(prefix="def a(x):\n    'A.'\n")),
    "program": lambda text: extract(
        text, asked(kind="program", entry_point=None, hidden=(ProgramTest("", ""),))
    ),
    "literal": lambda text: extract(text, asked(kind="calls", answer="literal", hidden=CALL)),
}
BEGINNINGS = ("", "\n    return 1\n", "```python\n")


@pytest.mark.parametrize("reader", READERS)
def test_no_reader_of_what_a_model_wrote_takes_its_time(reader: str, clock: Any) -> None:
    read = READERS[reader]
    for begins in BEGINNINGS:
        for piece in REPEATED:
            text = begins + piece * (CHARS // 2 // len(piece))
            assert clock(partial(read, text)), f"{reader} on {begins!r} and {piece!r}..."
