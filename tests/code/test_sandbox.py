"""The sandbox with honest and clumsy programs; hostile ones are in tests/attacks."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from envs.code.values import Unsupported
from rewards.code.sandbox import GONE, Sandbox, Tier
from tests.code.boxes import LIMITS, opened
from tests.patience import patient

LATE_S = patient(5.0)
"""What a loaded machine may add to a deadline before it counts as missed."""
PROGRAM = """
import os, random, sys, time

def echo(*args, **kwargs):
    return kwargs or (args[0] if len(args) == 1 else args)

def fail(message):
    raise KeyError(message)

def leave(code):
    sys.exit(code)

def quit(code):
    os._exit(code)

def spin():
    while True:
        pass

def sleep(seconds):
    time.sleep(seconds)

def allocate(megabytes):
    return len(bytearray(megabytes << 20))

def long(characters):
    return "x" * characters

def draw():
    return random.random()

def order():
    return list({"a", "b", "c", "d", "e", "f", "g", "h"})

def say(text):
    print(text)
    print(text, file=sys.stderr)
    return os.listdir("/proc/self/fd")

class Own:
    pass

def own():
    return [Own()]

def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value

def fault():
    import ctypes
    ctypes.string_at(0)

limit = 3
"""


@pytest.fixture(scope="module", params=["bubblewrap", "plain"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    yield from opened(request.param)


def test_the_tier_says_which_layers_hold(sandbox: Sandbox) -> None:
    assert sandbox.tier in (Tier.BUBBLEWRAP, Tier.LANDLOCK, Tier.SECCOMP)
    assert len(sandbox.attacks) >= 15
    assert all(sandbox.attacks.values())


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(2**200),
        1.5,
        math.inf,
        "text",
        "\ud800 alone",
        "Zoë ☃ \U0001f600",
        b"\x00\xff",
        [],
        (1, (2,)),
        {"a": [1, {2: None}], (1, 2): frozenset({3})},
        {1, "a", 2.5},
    ],
    ids=repr,
)
def test_values_cross_both_ways_and_keep_their_types(sandbox: Sandbox, value: object) -> None:
    with sandbox.open(PROGRAM) as candidate:
        assert candidate.load.status == "ok"
        outcome = candidate.call("echo", [value])
    assert outcome.status == "ok"
    assert outcome.value == value
    assert type(outcome.value) is type(value)


def test_arguments_by_name_and_several_calls(sandbox: Sandbox) -> None:
    with sandbox.open(PROGRAM) as candidate:
        assert candidate.call("echo", [], {"a": (1,)}).value == {"a": (1,)}
        assert candidate.call("echo", [1, 2]).value == (1, 2)
        assert candidate.call("nowhere", []).status == "missing"
        assert candidate.call("limit", []).status == "missing"
        assert candidate.call("echo", ["still here"]).value == "still here"
        with pytest.raises(Unsupported):
            candidate.call("echo", [object()])


@pytest.mark.parametrize(
    ("function", "args", "status", "detail"),
    [
        ("fail", ["who"], "exception", "KeyError: 'who'"),
        ("leave", [0], "exception", "SystemExit: 0"),
        ("leave", ["bye"], "exception", "SystemExit: bye"),
        ("own", [], "unsupported", "type Own does not cross"),
        ("nested", [500], "unsupported", "nested more than"),
        ("allocate", [4000], "memory", "MemoryError"),
        ("long", [50_000], "output", "bytes"),
        ("quit", [0], "crash", "without an answer"),
        ("quit", [3], "crash", "without an answer"),
        ("fault", [], "crash", "Segmentation fault"),
    ],
)
def test_each_end_has_its_status(
    sandbox: Sandbox, function: str, args: list[object], status: str, detail: str
) -> None:
    with sandbox.open(PROGRAM) as candidate:
        outcome = candidate.call(function, args)
        assert outcome.status == status
        assert detail in outcome.detail
        again = candidate.call("echo", [1])
        if status in GONE:
            assert again.status == "crash"
            assert status in again.detail
        else:
            assert again.value == 1


@pytest.mark.parametrize(
    ("source", "status", "detail"),
    [
        ("def f(:\n", "syntax", "SyntaxError"),
        ("x = '\0'\n", "syntax", "null bytes"),
        ("x = '\ud800'\n", "syntax", "Unicode"),
        ("(" * 1000, "syntax", ""),
        ("raise ValueError('early')", "exception", "ValueError: early"),
        ("import sys; sys.exit(0)", "exception", "SystemExit: 0"),
        ("exec('(')", "exception", "SyntaxError"),
        ("import os; os._exit(0)", "crash", ""),
        ("x = bytearray(10**10)", "memory", ""),
        ("x" * 2_000_000, "syntax", "2000000 characters"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_what_comes_of_loading(sandbox: Sandbox, source: str, status: str, detail: str) -> None:
    with sandbox.open(source) as candidate:
        assert candidate.load.status == status
        assert detail in candidate.load.detail


@pytest.mark.parametrize(("function", "args"), [("spin", []), ("sleep", [9999])])
def test_the_parent_keeps_the_deadline(sandbox: Sandbox, function: str, args: list[object]) -> None:
    with sandbox.open(PROGRAM) as candidate:
        began = time.monotonic()
        outcome = candidate.call(function, args, wall_s=0.2)
        took = time.monotonic() - began
    assert outcome.status == "timeout"
    assert 0.2 <= outcome.seconds <= took < 0.2 + LATE_S


def test_loading_has_a_deadline_too(sandbox: Sandbox) -> None:
    limits = replace(LIMITS, wall_s=0.3)
    with sandbox.open("while True: pass", limits=limits) as candidate:
        assert candidate.load.status == "timeout"
        assert candidate.call("f", []).status == "crash"


def test_cpu_time_is_limited_apart_from_wall_time(sandbox: Sandbox) -> None:
    with sandbox.open(PROGRAM, limits=replace(LIMITS, cpu_s=1, wall_s=60)) as candidate:
        outcome = candidate.call("spin", [])
        usage = candidate.close()
    assert outcome.status == "timeout"
    assert "1 s of CPU" in outcome.detail
    assert 0.5 <= usage.cpu_s < 3


def test_usage_is_the_candidates_own(sandbox: Sandbox) -> None:
    with sandbox.open(PROGRAM) as candidate:
        candidate.call("allocate", [60])
        usage = candidate.close()
        assert candidate.close() == usage
    assert 60 < usage.max_rss_mb < 300
    assert 0 < usage.cpu_s <= usage.wall_s


def test_what_a_call_prints_goes_nowhere(
    sandbox: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    with sandbox.open("import sys\ndef f():\n    print('PASS' * 99999)\n    return 1") as candidate:
        assert candidate.call("f", []).value == 1
    assert capfd.readouterr() == ("", "")


def test_a_request_longer_than_a_pipe(sandbox: Sandbox) -> None:
    limits = replace(LIMITS, output_bytes=4_000_000)
    text = "é" * 300_000
    with sandbox.open(PROGRAM, limits=limits) as candidate:
        assert candidate.call("echo", [text]).value == text
    with sandbox.open(f"x = '{text}'\ndef f():\n    return len(x)") as candidate:
        assert candidate.call("f", []).value == 300_000


def test_the_same_program_gives_the_same_answers(sandbox: Sandbox) -> None:
    def answers(seed: int) -> list[object]:
        with sandbox.open(PROGRAM, seed=seed) as candidate:
            return [candidate.call(name, []).value for name in ("draw", "draw", "order")]

    assert answers(0) == answers(0)
    assert answers(0)[:2] != answers(1)[:2]


def test_candidates_side_by_side_do_not_meet(sandbox: Sandbox) -> None:
    with sandbox.open("n = 0\ndef f(x):\n    global n\n    n += x\n    return n") as one:
        with sandbox.open("def f(x):\n    return n") as other:
            assert [one.call("f", [2]).value for _ in range(3)] == [2, 4, 6]
            assert other.call("f", [2]).detail == "NameError: name 'n' is not defined"
        assert one.call("f", [2]).value == 8


def test_modules_beyond_the_preloaded_can_be_imported(sandbox: Sandbox) -> None:
    if sandbox.tier is Tier.SECCOMP:
        pytest.skip("this tier opens no file")
    source = "import unittest.mock, sqlite3\ndef f():\n    return sqlite3.__name__"
    with sandbox.open(source) as candidate:
        assert candidate.call("f", []).value == "sqlite3"


def test_installed_packages_cannot_be_imported(sandbox: Sandbox) -> None:
    for name in ("numpy", "pytest", "chess"):
        with sandbox.open(f"import {name}") as candidate:
            assert candidate.load.detail == f"ModuleNotFoundError: No module named '{name}'"


def test_doing_names_the_work(sandbox: Sandbox) -> None:
    with sandbox.open(PROGRAM) as candidate:
        assert sandbox.doing == "idle"
        candidate.call("spin", [], wall_s=0.05)
    assert sandbox.doing == "idle"
