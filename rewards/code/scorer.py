"""CodeScorer: completions in, RewardResults out; with one sandbox and one judge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, get_args

from envs.code.extract import extract
from envs.code.families.screen import Screen
from envs.code.proposals import Aim
from envs.code.proposer import Proposal
from envs.code.task import CodeTask
from envs.errors import InputError
from rewards.closing import Closes
from rewards.code.allotment import Allotment, TimeSpentError
from rewards.code.faults import faults
from rewards.code.grade import Grade, clean
from rewards.code.heldout import BUDGET_S, HeldOut
from rewards.code.judge import IDLE, Judge
from rewards.code.proposing import RUN_S, score_proposal
from rewards.code.sandbox import Limits, Sandbox, SandboxError, Tier
from rewards.result import RewardResult, ScoreRequest

Shape = Literal["all", "fraction"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
"""`all`: 1 when all hidden tests pass, else 0; `fraction`: the share of them that pass."""
PROPOSAL_S = 2 * RUN_S + BUDGET_S
"""The longest that one proposal takes: its runs, its task's own judging, the held-out tasks."""
ONCE_S = 2.0
"""For all tests of a proposal's task; a sound proposal has answered them in less."""


class CodeScorer(Closes):
    """Scores programs; the hidden tests alone decide the value."""

    def __init__(
        self,
        *,
        shape: str = "all",
        limits: Limits | None = None,
        task_s: float = 8.0,
        group_s: float = math.inf,
        bubblewrap: bool | None = None,
        allow_weak: bool = False,
        secret: bytes | None = None,
    ) -> None:
        """Start the sandbox, which attacks itself and prints its tier.

        `limits.wall_s` is for one test, `task_s` for all of a program's; both grow where the
        reference is slow (`Judge`). `group_s` is for all answers of one call of `score` or
        `score_proposals`: an answer that it does not suffice for is an `infra_error`. `bubblewrap`
        None takes it where it works. What tests draw at random follows from `secret`, None: from
        one that nobody knows. Raises InputError for settings that cannot be used, and where only
        rlimits hold unless `allow_weak`.
        """
        if shape not in SHAPES:
            raise InputError(f"reward.shape={shape}: unknown; take one of {', '.join(SHAPES)}")
        self.shape = shape
        self._task_s, self._group_s = task_s, group_s
        limits = limits or Limits(wall_s=4.0)
        self._start = partial(Sandbox, limits, bubblewrap=bubblewrap, allow_weak=allow_weak)
        self._sandbox = self._start()
        self._others: list[Sandbox] = []
        try:
            self._judge = Judge(self._sandbox, limits, task_s=task_s, secret=secret)
        except BaseException:
            self._sandbox.close()
            raise

    @property
    def tier(self) -> Tier:
        """How much stands between a program and the machine."""
        return self._sandbox.tier

    @property
    def doing(self) -> str:
        """What is being worked on, for whoever wonders why it takes so long; `idle` otherwise."""
        judged = self._judge.doing
        if judged != IDLE:
            return f"{judged}; sandbox: {self._sandbox.doing}"
        return next((box.doing for box in self._sandboxes if box.doing != IDLE), IDLE)

    def close(self) -> None:
        """Kill the sandboxes and the process of the test code."""
        self._judge.close()
        for sandbox in self._sandboxes:
            sandbox.close()

    def score(self, requests: list[ScoreRequest]) -> list[RewardResult]:
        """Return one result for each request, in order; equal programs are graded once.

        A sandbox that failed gives `infra_error` and is used again for the next; so does a program
        for which the group's time does not suffice. Raises InputError for a task that is no code
        task or cannot be graded.
        """
        tasks = {request.task.id: request.task for request in requests}
        views = {key: CodeTask.of(task) for key, task in tasks.items()}
        answers = [extract(request.completion, views[request.task.id]) for request in requests]
        different = {
            (request.task.id, parsed.action)
            for request, parsed in zip(requests, answers, strict=True)
            if parsed.status == "ok"
        }
        group = Allotment(self._group_s, len(different), self._task_s)
        graded: dict[tuple[str, str], RewardResult] = {}
        results: list[RewardResult] = []
        for request, parsed in zip(requests, answers, strict=True):
            task = views[request.task.id]
            if parsed.status != "ok" or parsed.action is None:
                evidence = _evidence(task, None, parsed.status, parsed.detail)
                results.append(RewardResult(0.0, "unparsable", {}, evidence))
                continue
            asked = (request.task.id, parsed.action)
            known = graded.get(asked)
            if known is None or known.verdict == "infra_error":
                graded[asked] = self.score_program(task, parsed.action, group)
            results.append(graded[asked])
        return results

    def score_program(
        self, task: CodeTask, program: str, group: Allotment | None = None
    ) -> RewardResult:
        """Return the result of a whole program, which is graded as it stands."""
        try:
            return self._result(task, program, self._judge.grade(task, program, group))
        except SandboxError as error:
            evidence = _evidence(task, program, "infra_error", str(error))
            return RewardResult(0.0, "infra_error", {}, evidence)

    def score_proposals(
        self,
        completions: Sequence[str],
        *,
        seed: int,
        aim: Aim,
        screen: Screen | None = None,
        heldout: HeldOut | None = None,
    ) -> list[RewardResult]:
        """Return what became of each proposed function, in order, within the group's time.

        `infra_error` where that does not suffice; see score_proposal.
        """
        group = Allotment(self._group_s, len(completions), PROPOSAL_S)
        results = []
        for text in completions:
            try:
                group.begin(PROPOSAL_S)
            except TimeSpentError as error:
                results.append(_no_proposal(error))
                continue
            made = self.score_proposal(text, seed=seed, aim=aim, screen=screen, heldout=heldout)
            results.append(made)
        return results

    def score_proposal(
        self,
        completion: str,
        *,
        seed: int,
        aim: Aim,
        screen: Screen | None = None,
        heldout: HeldOut | None = None,
    ) -> RewardResult:
        """Return what became of a proposed function; see proposing.py.

        Takes PROPOSAL_S seconds at most on a machine that does not stall. `screen` and `heldout`
        hold the evaluation tasks that it must not give away. The first call starts a second
        sandbox, and two more where the order of a set may show.
        """

        def known(proposal: Proposal, task: CodeTask) -> str | None:
            fault = self._fault(task)
            if fault is not None or heldout is None:
                return fault
            return heldout.gives_away(proposal, self._sandbox, self._judge)

        return score_proposal(
            self._boxes, completion, seed=seed, aim=aim, screen=screen, known=known
        )

    def _boxes(self, count: int) -> list[Sandbox]:
        """Return that many sandboxes, each with a hash seed of its own; started when first asked.

        Raises SandboxError.
        """
        while len(self._sandboxes) < count:
            self._others.append(self._start(hash_seed=len(self._sandboxes)))
        return self._sandboxes[:count]

    def _fault(self, task: CodeTask) -> str | None:
        """Return why the task that a proposal became does not hold, or None."""
        return next(iter(faults(task, _Once(self._judge))), None)

    def score_completion(self, task: CodeTask, completion: str) -> RewardResult:
        """Return the result of one completion; see `score`."""
        [result] = self.score([ScoreRequest(task.task(), completion)])
        return result

    def grade(self, task: CodeTask, program: str) -> Grade:
        """Return the judge's grade of a whole program. Raises SandboxError and InputError."""
        return self._judge.grade(task, program)

    @property
    def _sandboxes(self) -> list[Sandbox]:
        return [self._sandbox, *self._others]

    def _result(self, task: CodeTask, program: str, grade: Grade) -> RewardResult:
        share = grade.hidden.share or 0.0
        value = share if self.shape == "fraction" else float(grade.verdict == "pass")
        parts = {"hidden": share, "seconds": grade.seconds, "memory_mb": grade.memory_mb}
        if grade.visible.share is not None and grade.hack_gap is not None:
            parts |= {"visible": grade.visible.share, "hack_gap": grade.hack_gap}
        failure, decisive = grade.failure, grade.hidden_failure
        detail = decisive.trial.detail if decisive else ""
        evidence = _evidence(task, program, grade.status, detail)
        evidence |= {
            "failed": failure.as_dict() if failure else None,
            "hidden": [grade.hidden.passed, grade.hidden.run, grade.hidden.total],
            "visible": [grade.visible.passed, grade.visible.run, grade.visible.total],
            "sandbox": self.tier.value,
        }
        return RewardResult(value, grade.verdict, parts, evidence)


class _Once:
    """The judge, with ONCE_S for each program."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def grade(self, task: CodeTask, program: str) -> Grade:
        """Return the grade of a whole program. Raises SandboxError."""
        return self._judge.grade(task, program, Allotment(once_s=ONCE_S))


def _no_proposal(error: Exception) -> RewardResult:
    evidence = {"action": None, "detail": clean(str(error)), "task": None}
    return RewardResult(0.0, "infra_error", {"sound": 0.0}, evidence)


def _evidence(task: CodeTask, action: str | None, status: str, detail: str) -> dict[str, Any]:
    return {
        "key": task.key,
        "action": None if action is None else clean(action),
        "status": status,
        "detail": clean(detail),
    }
