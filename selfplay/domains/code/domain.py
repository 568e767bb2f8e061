"""Code as the loop sees it: small Python functions, judged by hidden tests in a sandbox."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from envs import Prompt, Task
from envs.code.families.screen import Screen
from envs.code.prompts import render
from envs.code.proposer import DOMAIN as PROPOSE
from envs.code.proposer import render as render_request
from rewards import RewardResult
from rewards.code.heldout import HeldOut
from rewards.code.sandbox import Limits
from rewards.code.scorer import CodeScorer
from rewards.result import ScoreRequest
from selfplay.advantages import Advantage
from selfplay.config.run import RunConfig
from selfplay.domains.base import Ask, Progress, Score, drawn_results, has_infra_error, mean
from selfplay.domains.code import proposer
from selfplay.domains.code.evaluation import check_suite, evaluate_suite
from selfplay.domains.code.secret import tests_secret
from selfplay.domains.code.soundness import sound_files
from selfplay.domains.code.tasks import (
    benchmark_tasks,
    family_tasks,
    training_files,
    training_source,
)
from selfplay.domains.suites import CODE_SUITES
from selfplay.records import Group

GROUP = 0.75
"""Share of `scorer.deadline_s` that the answers to one task have; the rest is for what is not
timed: starting processes on a busy machine, and the last program that began in time."""


def code_scorer(config: RunConfig, *, group_s: float = math.inf) -> CodeScorer:
    """Return the scorer that `config` describes, its sandbox started; close it.

    `group_s` seconds are for all answers to one task (`CodeScorer`).

    Raises InputError where the sandbox that this machine allows is too weak.
    """
    box = config.sandbox
    limits = Limits(
        cpu_s=box.cpu_s,
        wall_s=box.wall_s,
        memory_mb=box.memory_mb,
        output_bytes=box.output_bytes,
        numpy=box.numpy,
    )
    return CodeScorer(
        shape=config.code.shape,
        limits=limits,
        task_s=box.task_s,
        group_s=group_s,
        bubblewrap=box.bubblewrap,
        allow_weak=box.allow_weak,
        secret=tests_secret(config),
    )


class CodeDomain:
    """Code under one configuration."""

    name = "code"

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._evaluation: Screen | None = None
        self._benchmarks: HeldOut | None = None
        self._tier: str | None = None

    def check(self) -> None:
        """Refuse missing or broken data sets, and a machine whose sandbox is too weak."""
        self._try_sandbox()
        for suite in self._config.suites:
            if suite.startswith("code/"):
                check_suite(suite, self._config)

    def open_source(self, stack: ExitStack) -> Any:
        """Return the training tasks that hold, drawn by their running solve rate."""
        self._try_sandbox()
        files = sound_files(
            self._config, training_files(self._config), lambda: code_scorer(self._config)
        )
        tasks, settings = training_source(self._config, files), self._config.proposer
        if not settings.enabled:
            return tasks
        return proposer.ProposingSource(tasks, settings.share, self._config.seed)

    def identity(self) -> dict[str, Any]:
        """Return the sandbox's settings, the tier reached here, and the suites never trained on."""
        box = self._config.sandbox.model_dump(mode="json")
        return {"sandbox": box, "tier": self._tier, "held_out_code": list(CODE_SUITES)}

    def render(self, task: Task) -> Prompt:
        """Return the prompt in the configured style."""
        if task.domain == PROPOSE:
            return render_request(task, self._config.code.style, self._config.proposer.max_tokens)
        return render(task, self._config.code.style, self._config.code.max_tokens)

    def samples(self, task: Task) -> int:
        """Programs or proposals per task, at most a whole group."""
        size = self._config.group_size
        if task.domain == PROPOSE:
            return min(self._config.proposer.samples, size)
        return min(self._config.code.samples or size, size)

    @property
    def advantage(self) -> Advantage:
        """Code's own settings, else the learner's (RunConfig refuses a target: see there)."""
        code, learner = self._config.code, self._config.learner
        kind = code.advantage or learner.advantage
        return Advantage(
            "dr_grpo" if kind == "target" else kind, code.advantage_scale or learner.advantage_scale
        )

    def actions(self, task: Task, limit: int, seed: int) -> list[str] | None:
        """Programs cannot be listed: what was drawn trains."""
        return None

    def answered(self, source: Any, group: Group, version: int) -> None:
        """Move the solve rate of the task's family."""
        if has_infra_error(group):
            source.skip(group.task.id)
        else:
            values = [float(r.verdict == "pass") for r in drawn_results([group])]
            source.advance(group.task.id, values, version)

    def follow_ups(self, source: Any, groups: Sequence[Group]) -> list[Task]:
        """Return the tasks that proposals became; the source keeps them for later steps too."""
        made = proposer.proposed(groups)
        if made:
            source.propose(made)
        return [task.task() for task in made]

    def settle(self, groups: Sequence[Group], followed: Sequence[Group]) -> None:
        """Pay the proposals by how often they were solved."""
        proposer.settle(groups, followed)

    def make_scorer(self, *, evaluating: bool) -> CodeScorer:
        """Return a scorer with its sandbox started."""
        return code_scorer(self._config, group_s=GROUP * self._config.scorer.deadline_s)

    def score(
        self, scorer: CodeScorer, task: Task, completions: Sequence[str]
    ) -> list[RewardResult]:
        """Return the results of the programs, or the proposals, for one task."""
        if task.domain == PROPOSE:
            aim, seed = self._config.proposer.aim, self._config.seed
            return scorer.score_proposals(
                completions, seed=seed, aim=aim, screen=self._screen(), heldout=self._heldout()
            )
        return scorer.score([ScoreRequest(task, text) for text in completions])

    def figures(self, groups: Sequence[Group], source: Any) -> dict[str, float | None]:
        """Return shares of tests and programs passed, and the curriculum's solve rates."""
        asked = [g for g in groups if g.task.domain != PROPOSE]
        results = drawn_results(asked)
        rates = [
            sum(r.verdict == "pass" for r in own) / len(own)
            for own in (drawn_results([g]) for g in asked)
            if own
        ]
        proposals = proposer.figures(groups) if self._config.proposer.enabled else {}
        return proposals | {
            "pass_rate": mean([float(r.verdict == "pass") for r in results]),
            "hidden_rate": mean([r.parts.get("hidden", 0.0) for r in results]),
            "visible_rate": mean([r.parts.get("visible", 0.0) for r in results]),
            "hack_gap": mean([r.parts["hack_gap"] for r in results if "hack_gap" in r.parts]),
            "never_solved": mean([float(rate == 0) for rate in rates]),
            "always_solved": mean([float(rate == 1) for rate in rates]),
            **{f"curriculum/{name}": value for name, value in source.metrics().items()},
        }

    def evaluate(
        self, suite: str, limit: int, ask: Ask, score: Score, progress: Progress
    ) -> dict[str, Any]:
        """Return a suite's numbers; see evaluation.py."""
        return evaluate_suite(suite, limit, self._config, self.render, ask, score, progress)

    def told(self, task: Task) -> str:
        """Return the task's key."""
        return str(task.payload.get("key", task.domain))

    def _try_sandbox(self) -> None:
        """Start a sandbox once in this process: it attacks itself and prints its tier."""
        if self._tier is None:
            with code_scorer(self._config) as scorer:
                self._tier = scorer.tier.value

    def _screen(self) -> Screen:
        """Return what keeps the evaluation's families from being proposed."""
        if self._evaluation is None:
            self._evaluation = Screen(family_tasks(self._config))
        return self._evaluation

    def _heldout(self) -> HeldOut:
        """Return what keeps HumanEval's and MBPP's evaluation tasks from being proposed."""
        if self._benchmarks is None:
            self._benchmarks = HeldOut(benchmark_tasks(self._config))
        return self._benchmarks
