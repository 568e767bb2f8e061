"""Judge: a program in, a Grade out. Tests and expected values stay on this side.

The program runs in the sandbox, a process without the tests. Only calls go there and only plain
values come back; comparison, clock and verdict are here, each piece of the data set's test code in
a process of its own (assert_process.py). An exit status or a printed text is never a verdict.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from envs.code.task import CodeTask, CodeTest
from envs.errors import InputError
from rewards.closing import Closes
from rewards.code.allotment import Allotment
from rewards.code.assert_process import AssertProcess, AssertProcessError
from rewards.code.grade import Failure, Grade, Tally, Trial, Verdict, tallied
from rewards.code.refused import refusal
from rewards.code.runner import Runner
from rewards.code.sandbox import Limits, Sandbox
from rewards.code.scheduling import unhurried
from rewards.code.trials import Budget

IDLE = "idle"
FACTOR = 4.0
"""How many times as long as the reference a program may take (EvalPlus)."""
REFERENCE_S = 60.0
"""The longest that a reference may take for one test; all of its tests have twice that."""
LOST = 0.25
"""Share of its time that a visible test still has once the program was lost in the hidden ones."""
STALLED = 0.2
"""A program that got less than this share of a CPU was waiting: for a sleep, or for the machine."""
_REMEASURE_S = 60.0
_LEAST_S = 0.1
"""What is not tried with less time than this."""
_TIMINGS_KEPT = 1024


@dataclass(frozen=True, slots=True)
class Allowance:
    """Wall-clock seconds for each hidden and each visible test, and for all of them together."""

    hidden: tuple[float, ...]
    visible: tuple[float, ...]
    task_s: float

    @classmethod
    def equal(cls, task: CodeTask, test_s: float, task_s: float) -> Allowance:
        """Return `test_s` for every test."""
        return cls((test_s,) * len(task.hidden), (test_s,) * len(task.visible), task_s)

    def exceeds(self, other: Allowance) -> bool:
        """Return whether some limit is higher than in `other`."""
        mine, theirs = (
            (*allowed.hidden, *allowed.visible, allowed.task_s) for allowed in (self, other)
        )
        return any(one > another for one, another in zip(mine, theirs, strict=True))


@dataclass(frozen=True, slots=True)
class _Run:
    """What came of one program under one allowance."""

    hidden: list[Trial]
    visible: list[Trial]
    seconds: float = 0.0
    cpu_s: float = 0.0
    memory_mb: float = 0.0

    @property
    def timed_out(self) -> bool:
        """Whether some test did not end in its time."""
        return any(trial.status == "timeout" for trial in (*self.hidden, *self.visible))


class Judge(Closes):
    """Grades programs in a sandbox that the caller made and closes. Not thread-safe.

    A test may take `limits.wall_s` and a program `task_s` seconds of wall clock, or FACTOR times
    what the reference takes where that is more. The reference is measured only when a program ran
    out of time, and then at once: on a machine that is busy at the moment both are slow. A program
    that lost its time while it hardly ran is run once more: a machine that stalls looks like that.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        limits: Limits | None = None,
        *,
        task_s: float = 8.0,
        secret: bytes | None = None,
    ) -> None:
        """Start nothing yet. Raises InputError for a task_s that is no time.

        What tests draw at random follows from `secret`; None: one that nobody knows.
        """
        if not (math.isfinite(task_s) and task_s > 0):
            raise InputError(f"sandbox.task_s={task_s}: must be above 0; give some seconds")
        self._sandbox = sandbox
        self._limits = limits or Limits(wall_s=4.0)
        self._task_s = task_s
        self._process = AssertProcess(sandbox, secret)
        self._timings: dict[tuple[str, int, int], tuple[float, Allowance]] = {}
        self._slow: dict[tuple[str, int, int], tuple[float, float]] = {}
        """References that did not end: when they were tried last, and for how many seconds."""
        self._doing = IDLE

    def close(self) -> None:
        """End the processes of the test code; the sandbox is the caller's."""
        self._process.close()

    @property
    def tests_pid(self) -> int | None:
        """The process that forks those of the tests, or bubblewrap around it; None without one."""
        return self._process.pid

    @property
    def doing(self) -> str:
        """The task that is being graded; `idle` otherwise."""
        return self._doing

    def grade(self, task: CodeTask, program: str, group: Allotment | None = None) -> Grade:
        """Return the grade of a program: hidden tests first, they alone decide.

        `group` is the time that it shares with others; it has its own, and second runs and the
        reference take what is spare. Raises SandboxError where the sandbox failed or that time is
        spent (TimeSpentError), InputError for a task that cannot be graded. Nothing passes where
        test code would run what a program returns (refused.py).
        """
        if not task.hidden:
            raise InputError(f"task {task.key}: no hidden test; give at least one")
        if task.kind != "program" and task.entry_point is None:
            raise InputError(f"task {task.key}: no entry_point; name the function")
        if (reason := refusal(task)) is not None:
            return _graded(task, _Run([Trial("refused", detail=reason)], []))
        self._doing = f"task {task.key}"
        try:
            with unhurried():
                return self._grade(task, program, group or Allotment())
        finally:
            self._doing = IDLE

    def _grade(self, task: CodeTask, program: str, group: Allotment) -> Grade:
        if group.once_s is not None:
            once = Allowance.equal(task, group.once_s, group.once_s)
            return _graded(task, self._run_twice(task, program, once))
        allowed = self._known(task)
        group.begin(allowed.task_s)
        run = self._run_twice(task, program, allowed)
        stalled = run.timed_out and run.cpu_s < STALLED * run.seconds
        if stalled and group.spare >= allowed.task_s:
            run = self._run_twice(task, program, allowed)
        if run.timed_out and task.reference is not None:
            measured = self._measured(task, task.reference, group)
            if measured.exceeds(allowed):
                group.need(measured.task_s, f"with a slow reference, task {task.key}")
                self._doing = f"task {task.key}, again with more time"
                run = self._run_twice(task, program, measured)
        return _graded(task, run)

    def _known(self, task: CodeTask) -> Allowance:
        if _name(task) in self._timings:
            return self._timings[_name(task)][1]
        return Allowance.equal(task, self._limits.wall_s, self._task_s)

    def _measured(self, task: CodeTask, reference: str, group: Allotment) -> Allowance:
        """Run the reference and return what its time allows a program.

        It may take a program's time, or all that is spare in the group. Raises TimeSpentError where
        that does not suffice: what a program would have been allowed is not known then.
        """
        when, known = self._timings.get(_name(task), (-math.inf, None))
        if known is not None and time.monotonic() - when < _REMEASURE_S:
            return known
        self._doing = f"the reference of task {task.key}"
        most = min(2 * REFERENCE_S, max(group.spare, min(self._task_s, group.left)))
        if most < _LEAST_S:
            raise group.spent(f"the reference of task {task.key} has to be measured")
        when, took = self._slow.get(_name(task), (-math.inf, 0.0))
        slow = took >= most and time.monotonic() - when < _REMEASURE_S
        if not slow:
            allowed = Allowance.equal(task, min(REFERENCE_S, most), most)
            run = self._run_twice(task, reference, allowed)
        if slow or (run.timed_out and most < 2 * REFERENCE_S):
            self._slow[_name(task)] = (time.monotonic(), most)
            raise group.spent(f"the reference of task {task.key} takes more than {most:.3g} s")
        spent = sum(trial.seconds for trial in (*run.hidden, *run.visible))
        allowed = Allowance(
            _scaled(run.hidden, len(task.hidden), self._limits.wall_s),
            _scaled(run.visible, len(task.visible), self._limits.wall_s),
            max(self._task_s, FACTOR * spent),
        )
        if len(self._timings) >= _TIMINGS_KEPT:
            self._timings.clear()
            self._slow.clear()
        self._timings[_name(task)] = (time.monotonic(), allowed)
        return allowed

    def _run_twice(self, task: CodeTask, program: str, allowed: Allowance) -> _Run:
        """Run it, again where the test code's process failed.

        Once that may be the machine; twice in a row it is what the program returns to the tests.
        """
        try:
            return self._run(task, program, allowed)
        except AssertProcessError:
            try:
                return self._run(task, program, allowed)
            except AssertProcessError as error:
                return _Run([Trial("error", detail=str(error))], [])

    def _run(self, task: CodeTask, program: str, allowed: Allowance) -> _Run:
        longest = max(*allowed.hidden, *allowed.visible, 0.0)
        limits = self._limits
        if longest != limits.wall_s:
            limits = replace(limits, wall_s=longest)
        if limits.cpu_s < allowed.task_s:
            # The kernel counts over the program's whole life, which is as long as all its tests;
            # each test has its wall clock.
            limits = replace(limits, cpu_s=allowed.task_s)
        if task.kind in ("asserts", "check"):
            codes = (test.code for test in task.hidden if isinstance(test, CodeTest))
            numpy = self._process.needs_numpy(task.setup, task.prefix or "", *codes)
            self._process.start(numpy=numpy)  # before the clock runs
        budget = Budget.of(allowed.task_s)
        with Runner(self._sandbox, self._process, task, program, limits, budget) as runner:
            hidden = runner.trials(task.hidden, allowed.hidden)
            share = LOST if runner.lost else 1.0
            visible = runner.trials(task.visible, [share * limit for limit in allowed.visible])
        return _Run(hidden, visible, runner.seconds, runner.cpu_s, runner.memory_mb)


def _name(task: CodeTask) -> tuple[str, int, int]:
    """Return what stands for a task; keys of foreign data may be given twice."""
    return task.key, len(task.hidden), len(task.visible)


def _scaled(trials: Sequence[Trial], count: int, floor: float) -> tuple[float, ...]:
    """Return the limit of each test; one the reference did not reach has the floor."""
    seconds = [trial.seconds for trial in trials] + [0.0] * (count - len(trials))
    return tuple(max(floor, FACTOR * second) for second in seconds)


def _graded(task: CodeTask, run: _Run) -> Grade:
    hidden, hidden_failure = tallied(run.hidden, len(task.hidden), hidden=True)
    visible, visible_failure = tallied(run.visible, len(task.visible), hidden=False)
    return Grade(
        _verdict(hidden, hidden_failure),
        hidden,
        visible,
        hidden_failure,
        visible_failure,
        run.seconds,
        run.memory_mb,
    )


def _verdict(hidden: Tally, failure: Failure | None) -> Verdict:
    if hidden.passed == hidden.total:
        return "pass"
    return "timeout" if failure is not None and failure.trial.status == "timeout" else "fail"
