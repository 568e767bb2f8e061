"""Whole programs in the sandbox, on stdin and stdout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from rewards.code.sandbox import Sandbox
from tests.code.boxes import LIMITS, opened


@pytest.fixture(scope="module", params=["bubblewrap", "plain"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    yield from opened(request.param)


def test_text_in_text_out(sandbox: Sandbox) -> None:
    source = "import sys\nname = input()\nprint('hello', name, len(sys.stdin.read()))"
    outcome = sandbox.run_program(source, "Zoë\nand more")
    assert (outcome.status, outcome.stdout) == ("ok", "hello Zoë 8\n")
    assert outcome.usage.cpu_s > 0


def test_stdin_and_stdout_as_descriptors(sandbox: Sandbox) -> None:
    source = "import os\nos.write(1, os.read(0, 4))\nprint(open(0).read())"
    assert sandbox.run_program(source, "12345").stdout == "12345\n"


def test_main_guard_runs(sandbox: Sandbox) -> None:
    outcome = sandbox.run_program("if __name__ == '__main__':\n    print('yes')", "")
    assert outcome.stdout == "yes\n"


@pytest.mark.parametrize(
    ("ending", "status", "detail"),
    [
        ("sys.exit()", "ok", ""),
        ("sys.exit(0)", "ok", ""),
        ("sys.exit(4)", "exception", "exit status 4"),
        ("os._exit(0)", "ok", ""),
        ("os._exit(4)", "exception", "exit status 4"),
        ("1 / 0", "exception", "ZeroDivisionError: division by zero"),
        ("bytearray(10**10)", "memory", "MemoryError"),
        ("os.abort()", "crash", ""),
        ("def f(:", "syntax", "SyntaxError"),
    ],
)
def test_ends(sandbox: Sandbox, ending: str, status: str, detail: str) -> None:
    outcome = sandbox.run_program(f"import os, sys\nprint('x', flush=True)\n{ending}", "")
    assert outcome.status == status
    assert detail in outcome.detail
    assert outcome.stdout == ("" if status == "syntax" else "x\n")


def test_a_flood_is_cut(sandbox: Sandbox) -> None:
    outcome = sandbox.run_program("while True: print('x' * 1000)", "")
    assert outcome.status == "output"
    assert len(outcome.stdout) == LIMITS.output_bytes
    outcome = sandbox.run_program("print('x' * 30000)", "")
    assert outcome.status == "output"


def test_a_long_stdout_within_its_limit_arrives_whole(sandbox: Sandbox) -> None:
    limits = replace(LIMITS, output_bytes=1_000_000)
    outcome = sandbox.run_program("print('x' * 900_000)", "", limits=limits)
    assert (outcome.status, len(outcome.stdout)) == ("ok", 900_001)


def test_timeout_keeps_what_was_written(sandbox: Sandbox) -> None:
    limits = replace(LIMITS, wall_s=0.5)
    source = "print('first', flush=True)\nwhile True: pass"
    outcome = sandbox.run_program(source, "", limits=limits)
    assert (outcome.status, outcome.stdout) == ("timeout", "first\n")


def test_bytes_that_are_no_text(sandbox: Sandbox) -> None:
    outcome = sandbox.run_program("import os; os.write(1, b'\\xff\\n')", "")
    assert outcome.stdout == "�\n"


def test_a_large_stdin(sandbox: Sandbox) -> None:
    outcome = sandbox.run_program("print(len(open(0).read()))", "x" * 3_000_000)
    assert outcome.stdout == "3000000\n"
