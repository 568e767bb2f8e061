"""Runner: one program of one task in the sandbox, asked one list of tests after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

from envs.code.task import CallTest, CodeTask, CodeTest, ProgramTest, Test
from rewards.closing import Closes
from rewards.code.ahead import calls_ahead
from rewards.code.assert_process import AssertProcess
from rewards.code.grade import Trial
from rewards.code.sandbox import GONE, Candidate, Limits, Sandbox, Usage
from rewards.code.trials import SPENT, Budget, call_trials, code_trials, program_trials


class Runner(Closes):
    """Opens the program when it is first needed, and again after it was lost.

    `seconds` (wall clock), `cpu_s` and `memory_mb` (peak, MiB) say what its processes used; they
    are complete once it is closed. A context manager.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        process: AssertProcess,
        task: CodeTask,
        program: str,
        limits: Limits,
        budget: Budget,
    ) -> None:
        """Start nothing yet; `budget` is for all lists together."""
        self._sandbox, self._process = sandbox, process
        self._task, self._program = task, program
        self._limits, self._budget = limits, budget
        self._candidate: Candidate | None = None
        self.lost = False
        """Whether the program ran out of time or memory, or died, under some test."""
        self.seconds = 0.0
        self.cpu_s = 0.0
        self.memory_mb = 0.0

    def close(self) -> None:
        """Kill and reap the program's process. Raises SandboxError."""
        candidate, self._candidate = self._candidate, None
        if candidate is not None:
            self._used(candidate.close())

    def trials(self, tests: Sequence[Test], limits: Sequence[float]) -> list[Trial]:
        """Run tests, each with its limit in seconds, up to the first that loses the program.

        A program that cannot even be loaded fails the first test and runs no other. Raises
        SandboxError and AssertProcessError.
        """
        if not tests:
            return []
        if self._task.kind == "program":
            trials = list(self._programs(cast(Sequence[ProgramTest], tests), limits))
            self.lost = self.lost or trials[-1].status in GONE
            return trials
        if self._candidate is None:
            # Loading takes from the time of all tests too: a body may sleep as well as a function.
            left = self._budget.begin(self._limits.wall_s)
            if left <= 0:
                return [SPENT]
            loading = replace(self._limits, wall_s=left)
            ahead = calls_ahead(self._task, tests)
            self._candidate = self._sandbox.open(self._program, limits=loading, ahead=ahead)
        load = self._candidate.load
        if load.status != "ok":
            return [Trial(load.status, detail=load.detail, seconds=load.seconds)]
        trials = list(self._calls(self._candidate, tests, limits))
        if trials[-1].status in GONE:
            self.lost = True
            self.close()
        return trials

    def _calls(
        self, candidate: Candidate, tests: Sequence[Test], limits: Sequence[float]
    ) -> Iterator[Trial]:
        name = self._task.entry_point
        assert name is not None
        if self._task.kind == "calls":
            calls = cast(Sequence[CallTest], tests)
            return call_trials(candidate, name, calls, limits, self._budget)
        codes = cast(Sequence[CodeTest], tests)
        return code_trials(candidate, self._process, self._task, codes, limits, self._budget)

    def _programs(self, tests: Sequence[ProgramTest], limits: Sequence[float]) -> Iterator[Trial]:
        for trial, usage in program_trials(
            self._sandbox, self._program, tests, limits, self._budget, self._limits
        ):
            self._used(usage)
            yield trial

    def _used(self, usage: Usage) -> None:
        self.seconds += usage.wall_s
        self.cpu_s += usage.cpu_s
        self.memory_mb = max(self.memory_mb, usage.max_rss_mb)
