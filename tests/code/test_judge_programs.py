"""Whole programs under the judge: what they print is what counts."""

from __future__ import annotations

import time

import pytest

from rewards.code.judge import Judge
from rewards.code.trials import same_output
from tests.code.judged import programs
from tests.patience import patient

PROGRAMS = programs(("3 4\n", "7\n"), ("-1 1\n", "0"))


@pytest.mark.parametrize(
    ("program", "verdict", "status"),
    [
        ("print(sum(map(int, input().split())))", "pass", "pass"),
        (
            "import sys\nprint(sum(map(int, sys.stdin.read().split())), end=' \\n\\n')",
            "pass",
            "pass",
        ),
        ("if __name__ == '__main__': print(sum(map(int, input().split())))", "pass", "pass"),
        ("print(7)", "fail", "wrong"),
        ("print('7', 'PASS')", "fail", "wrong"),
        ("1 / 0", "fail", "exception"),
        ("", "fail", "wrong"),
        ("print(7); import sys; sys.exit(3)", "fail", "exception"),
        ("x = 'x' * (1 << 20)\nwhile True: print(x)", "fail", "output"),
        ("def", "fail", "syntax"),
    ],
)
def test_whole_programs(judge: Judge, program: str, verdict: str, status: str) -> None:
    grade = judge.grade(PROGRAMS, program)
    assert (grade.verdict, grade.status) == (verdict, status)


def test_a_whole_program_that_never_ends(hasty: Judge) -> None:
    begun = time.monotonic()
    assert hasty.grade(PROGRAMS, "while True: pass").verdict == "timeout"
    assert time.monotonic() - begun < patient(5)


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        ("1 2\n3\n", "1 2\n3", True),
        ("1 2\n3\n", "1 2  \n3 \n\n\n", True),
        ("1 2\n", "1  2\n", False),
        (" *\n", "*\n", False),
        ("a\n\nb", "a\nb", False),
        ("0.333333", "0.3333334", True),
        ("0.333333", "0.34", False),
        ("x=0.5", "x=0.5000000001", False),
        ("2", "2.0000000001", False),
        ("2.0 3", "2 3", True),
        ("1e3", "1000", True),
        ("0.5", "nan", False),
        ("0.5", "\u0660.\u0665", False),
        ("", "\n", True),
        ("a\x0bb", "a\nb", False),
    ],
)
def test_outputs(expected: str, got: str, same: bool) -> None:
    assert same_output(expected, got) is same
