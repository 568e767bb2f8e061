"""How each kind of test is put to a candidate: calls, the data set's own code, whole programs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from envs.code.task import CallTest, CodeTask, CodeTest, ProgramTest
from envs.code.values import Unsupported, decode, same, shown
from rewards.code.assert_process import AssertProcess, AssertTimeoutError
from rewards.code.grade import Trial
from rewards.code.lowered import lowered
from rewards.code.sandbox import GONE, Candidate, Limits, Sandbox, Usage

SHOWN = 300
"""Characters of an input or a value that a record keeps."""
_FLOAT = re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][+-]?[0-9]{1,3})?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,300}")


@dataclass
class Budget:
    """Wall clock for a list of tests: each has its own limit, and all together have one."""

    end: float
    test_end: float = 0.0

    @classmethod
    def of(cls, seconds: float) -> Budget:
        """Return a budget of `seconds` from now."""
        return cls(time.monotonic() + seconds)

    def begin(self, seconds: float) -> float:
        """Give the next test up to `seconds`; return what it really has."""
        self.test_end = min(time.monotonic() + seconds, self.end)
        return self.left

    @property
    def left(self) -> float:
        """Seconds left to the running test; 0 or less when there are none."""
        return self.test_end - time.monotonic()


SPENT = Trial("timeout", detail="the task's time was spent by the tests before")


def goes_on(trial: Trial) -> bool:
    """Return whether the candidate lives and has time for another test."""
    return trial.status not in GONE


def call_trials(
    candidate: Candidate,
    name: str,
    tests: Sequence[CallTest],
    limits: Sequence[float],
    all_: Budget,
) -> Iterator[Trial]:
    """Yield the trial of each call, up to the first that the candidate does not survive."""
    for test, seconds in zip(tests, limits, strict=True):
        left = all_.begin(seconds)
        trial = _call_trial(candidate, name, test, left) if left > 0 else SPENT
        yield trial
        if not goes_on(trial):
            return


def _call_trial(candidate: Candidate, name: str, test: CallTest, seconds: float) -> Trial:
    outcome = candidate.call(name, test.args, test.kwargs, wall_s=seconds)
    returned = outcome.status == "ok"
    if returned and same(test.expected, outcome.value):
        return Trial("pass", seconds=outcome.seconds)
    return Trial(
        "wrong" if returned else outcome.status,
        call_text(name, test.args, test.kwargs),
        shown(test.expected, SHOWN),
        shown(outcome.value, SHOWN) if returned else None,
        outcome.detail,
        outcome.seconds,
    )


def code_trials(
    candidate: Candidate,
    process: AssertProcess,
    task: CodeTask,
    tests: Sequence[CodeTest],
    limits: Sequence[float],
    all_: Budget,
) -> Iterator[Trial]:
    """Yield the trial of each piece of test code, up to the first that ends the candidate.

    Raises AssertProcessError where the test code's own process failed.
    """
    for test, seconds in zip(tests, limits, strict=True):
        left = all_.begin(seconds)
        trial = _code_trial(candidate, process, task, test, all_) if left > 0 else SPENT
        yield trial
        if not goes_on(trial):
            return


def _lowered_trial(
    candidate: Candidate, name: str, calls: Sequence[CallTest], all_: Budget
) -> Trial:
    """Make the calls of one piece of test code, up to the first that does not hold."""
    seconds = 0.0
    for call in calls:
        left = all_.left
        trial = _call_trial(candidate, name, call, left) if left > 0 else SPENT
        seconds += trial.seconds
        if not trial.passed:
            return replace(trial, seconds=seconds)
    return Trial("pass", seconds=seconds)


def _code_trial(
    candidate: Candidate, process: AssertProcess, task: CodeTask, test: CodeTest, all_: Budget
) -> Trial:
    name = task.entry_point or "?"
    calls = lowered(task.kind, name, test.code)
    if calls is not None:
        return _lowered_trial(candidate, name, calls, all_)

    asked: list[tuple[list[Any], dict[str, Any]]] = []

    def answer(called: str, args: Any, kwargs: Any) -> dict[str, Any]:
        try:
            given, named = decode(args, _stand_in), decode(kwargs, _stand_in)
        except Unsupported as error:
            return {"status": "unsupported", "detail": f"an argument of the test: {error}"}
        if type(given) is not list or type(named) is not dict:
            return {"status": "unsupported", "detail": "arguments that are none"}
        asked[:] = [(given, named)]
        left = all_.left
        if left <= 0:
            return {"status": "timeout", "detail": "the test's time is spent"}
        return candidate.do(called, args, kwargs, wall_s=left)

    request = {
        "kind": task.kind,
        "setup": _setup(task.setup, task.prefix if task.kind == "check" else None),
        "reference": task.reference,
        "entry": name,
        "code": test.code,
    }
    begun = time.monotonic()
    try:
        # The call has its own deadline, the same; a little later the test code itself has lost.
        result = process.run(request, answer, all_.left + 1.0)
    except AssertTimeoutError:
        return Trial("timeout", detail="the test code was busy with what came back")
    seconds = time.monotonic() - begun
    if result["result"] == "pass":
        return Trial("pass", seconds=seconds)
    return Trial(
        str(result["result"]),
        call_text(name, *asked[0]) if asked else _short(test.code),
        result.get("expected"),
        result.get("got"),
        str(result.get("detail", "")),
        seconds,
    )


class _StandIn:
    """What a record shows for an object of the test's."""

    def __repr__(self) -> str:
        return "<an object>"


def _stand_in(_: list[Any]) -> _StandIn:
    return _StandIn()


@lru_cache(maxsize=1024)
def _setup(setup: str, prefix: str | None) -> str:
    """Return the code that stands before the tests.

    HumanEval's checks use helpers that the prompt defines (`poly`, `encode_cyclic`). They are taken
    from the data set's prompt and never from the program, which could redefine them.
    """
    if prefix is None:
        return setup
    try:
        compile(prefix, "<prefix>", "exec")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return setup  # it breaks off in the middle of something, where no helper can be used
    return f"{setup}\n{prefix}"


def program_trials(
    sandbox: Sandbox,
    source: str,
    tests: Sequence[ProgramTest],
    limits: Sequence[float],
    all_: Budget,
    sandbox_limits: Limits,
) -> Iterator[tuple[Trial, Usage]]:
    """Yield the trial of each run of a whole program and what it used.

    Ends after the first run that lost its time or its memory: the next would cost as much.
    """
    for test, seconds in zip(tests, limits, strict=True):
        left = all_.begin(seconds)
        if left <= 0:
            yield SPENT, Usage(0.0, 0.0, 0.0)
            return
        outcome = sandbox.run_program(
            source, test.stdin, limits=replace(sandbox_limits, wall_s=left)
        )
        asked, expected = _short(test.stdin), _short(test.stdout)
        got = _short(outcome.stdout)
        status: str = outcome.status
        if status == "ok":
            status = "pass" if same_output(test.stdout, outcome.stdout) else "wrong"
        trial = Trial(status, asked, expected, got, outcome.detail, outcome.seconds)
        yield trial, outcome.usage
        if not goes_on(trial):
            return


def same_output(expected: str, got: str, tolerance: float = 1e-6) -> bool:
    """Return whether a program printed what was expected.

    White space at the ends of lines and empty lines at the end do not count. Where a word is
    written as a float in `expected` (it has a point or an exponent), the same word of `got` may be
    off by `tolerance` + 1e-7 times its value, as in `envs.code.values.same`.
    """
    left, right = _lines(expected), _lines(got)
    return len(left) == len(right) and all(
        a == b or _near_line(a, b, tolerance) for a, b in zip(left, right, strict=True)
    )


def _lines(text: str) -> list[str]:
    return "\n".join(line.rstrip() for line in text.split("\n")).rstrip("\n").split("\n")


def _near_line(expected: str, got: str, tolerance: float) -> bool:
    # The group keeps the white space, which must be the same: only numbers may differ.
    left, right = re.split(r"(\s+)", expected), re.split(r"(\s+)", got)
    return len(left) == len(right) and all(
        a == b or _near_words(a, b, tolerance) for a, b in zip(left, right, strict=True)
    )


def _near_words(expected: str, got: str, tolerance: float) -> bool:
    number = _FLOAT.fullmatch(got) or _INTEGER.fullmatch(got)
    if not number or not _FLOAT.fullmatch(expected):
        return False
    return same(float(expected), float(got), tolerance)


def call_text(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> str:
    """Return the call as it would be written, cut to SHOWN characters."""
    words = [shown(arg, SHOWN) for arg in args]
    words += [f"{key}={shown(value, SHOWN)}" for key, value in kwargs.items()]
    return _short(f"{name}({', '.join(words)})")


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
