"""Code as the loop sees it: small Python functions, judged by hidden tests in a sandbox."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from envs import Prompt, Task
from envs.code import families
from envs.code.families.screen import Screen
from envs.code.prompts import render
from envs.code.proposer import DOMAIN as PROPOSE
from envs.code.proposer import render as render_request
from envs.errors import InputError
from rewards import RewardResult
from rewards.code.faults import faults
from rewards.code.heldout import HeldOut
from rewards.code.scorer import CodeScorer
from rewards.result import ScoreRequest
from selfplay.advantages import Advantage
from selfplay.config.run import RunConfig
from selfplay.domains.base import Ask, Domain, Row, Scorer, Source, drawn_results, mean
from selfplay.domains.code import proposer
from selfplay.domains.code.by_distance import gains
from selfplay.domains.code.config import (
    SUITES,
    TEST_SUITES,
    CodeConfig,
    ProposerConfig,
    SandboxConfig,
)
from selfplay.domains.code.evaluation import check_suite, evaluation_row, suite_numbers
from selfplay.domains.code.scoring import code_scorer
from selfplay.domains.code.soundness import sound_files
from selfplay.domains.code.tasks import (
    benchmark_tasks,
    family_tasks,
    suite_tasks,
    training_files,
    training_source,
)
from selfplay.records import EvalRow, Group
from selfplay.stats.clustered import FORMULA, cluster_of_key

GROUP = 0.75
"""Share of `scorer.deadline_s` that the answers to one task have; the rest is for what is not
timed: starting processes on a busy machine, and the last program that began in time."""


class SandboxScorer(Scorer):
    """Judges programs, and proposals, in the sandbox."""

    def __init__(self, scorer: CodeScorer, domain: CodeDomain) -> None:
        self._scorer = scorer
        self._domain = domain

    @property
    @override
    def doing(self) -> str:
        return self._scorer.doing

    @override
    def score(self, task: Task, completions: Sequence[str]) -> list[RewardResult]:
        if task.domain == PROPOSE:
            return self._domain.score_proposals(self._scorer, completions)
        return self._scorer.score([ScoreRequest(task, text) for text in completions])

    @override
    def close(self) -> None:
        self._scorer.close()


class CodeDomain(Domain):
    """Code under one configuration."""

    name: ClassVar[str] = "code"
    unsteady_parts: ClassVar[frozenset[str]] = frozenset({"seconds", "memory_mb"})

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        self._code = config.section(CodeConfig)
        self._proposer = config.section(ProposerConfig)
        self._evaluation: Screen | None = None
        self._benchmarks: HeldOut | None = None
        self._tier: str | None = None

    @override
    def check(self) -> None:
        """Refuse missing or broken data sets, and a machine whose sandbox is too weak."""
        self._try_sandbox()
        for suite in self.config.suites:
            if suite.startswith("code/"):
                check_suite(suite, self.config)

    @override
    def open_source(self, stack: ExitStack) -> Source:
        """Return the training tasks that hold, drawn by their running solve rate."""
        self._try_sandbox()
        files = sound_files(
            self.config, training_files(self.config), lambda: code_scorer(self.config)
        )
        tasks, settings = training_source(self.config, files), self._proposer
        if not settings.enabled:
            return tasks
        return proposer.ProposingSource(tasks, settings.share, self.config.seed)

    @override
    def identity(self) -> dict[str, Any]:
        """Return the sandbox's settings, the tier reached here, and the suites never trained on."""
        box = self.config.section(SandboxConfig).model_dump(mode="json")
        held_out = [*SUITES, *TEST_SUITES]
        return {"sandbox": box, "tier": self._tier, "held_out_code": held_out}

    @override
    def render(self, task: Task) -> Prompt:
        """Return the prompt in the configured style."""
        if task.domain == PROPOSE:
            return render_request(task, self._code.style, self._proposer.max_tokens)
        return render(task, self._code.style, self._code.max_tokens)

    @override
    def samples(self, task: Task) -> int:
        """Programs or proposals per task, at most a whole group."""
        size = self.config.group_size
        if task.domain == PROPOSE:
            return min(self._proposer.samples, size)
        return min(self._code.samples or size, size)

    @property
    @override
    def max_tokens(self) -> int:
        proposal = self._proposer.max_tokens if self._proposer.enabled else 0
        return max(self._code.max_tokens, proposal)

    @property
    @override
    def advantage(self) -> Advantage:
        """Code's own settings, else the learner's (RunConfig refuses a target: see there)."""
        code, learner = self._code, self.config.learner
        kind = code.advantage or learner.advantage
        return Advantage(
            "dr_grpo" if kind == "target" else kind, code.advantage_scale or learner.advantage_scale
        )

    @override
    def follow_ups(self, source: Source, groups: Sequence[Group]) -> list[Task]:
        """Return the tasks that proposals became; the source keeps them for later steps too."""
        made = proposer.proposed(groups)
        if made and isinstance(source, proposer.ProposingSource):
            source.propose(made)
        return [task.task() for task in made]

    @override
    def settle(self, groups: Sequence[Group], followed: Sequence[Group]) -> None:
        """Pay the proposals by how often they were solved."""
        proposer.settle(groups, followed)

    @override
    def make_scorer(self, *, evaluating: bool) -> SandboxScorer:
        deadline = GROUP * self.config.scorer.deadline_s
        return SandboxScorer(code_scorer(self.config, group_s=deadline), self)

    def score_proposals(self, scorer: CodeScorer, completions: Sequence[str]) -> list[RewardResult]:
        """Return the results of the answers to a request to propose a task."""
        aim, seed = self._proposer.aim, self.config.seed
        return scorer.score_proposals(
            completions, seed=seed, aim=aim, screen=self._screen(), heldout=self._heldout()
        )

    @override
    def metrics(self, groups: Sequence[Group], source: Source | None) -> dict[str, float | None]:
        """Return shares of tests and programs passed, and the curriculum's solve rates."""
        asked = [g for g in groups if g.task.domain != PROPOSE]
        results = drawn_results(asked)
        rates = [
            sum(r.verdict == "pass" for r in own) / len(own)
            for own in (drawn_results([g]) for g in asked)
            if own
        ]
        proposals = proposer.metrics(groups) if self._proposer.enabled else {}
        curriculum = {} if source is None else source.metrics()
        return proposals | {
            "pass_rate": mean([float(r.verdict == "pass") for r in results]),
            "hidden_rate": mean([r.parts.get("hidden", 0.0) for r in results]),
            "visible_rate": mean([r.parts.get("visible", 0.0) for r in results]),
            "hack_gap": mean([r.parts["hack_gap"] for r in results if "hack_gap" in r.parts]),
            "never_solved": mean([float(rate == 0) for rate in rates]),
            "always_solved": mean([float(rate == 1) for rate in rates]),
            **{f"curriculum/{name}": value for name, value in curriculum.items()},
        }

    @override
    def suite_tasks(self, suite: str, limit: int) -> list[Task]:
        return suite_tasks(suite, self.config, limit)

    @override
    def answers(self, tasks: Sequence[Task], start: int, ask: Ask) -> list[list[str]]:
        """The greedy program, then `eval.samples` drawn ones."""
        asked, prompts = self.config.eval, [self.render(task) for task in tasks]
        texts = ask(prompts, 1, 0.0)
        if not asked.samples:
            return texts
        more = ask(prompts, asked.samples, asked.temperature, self.config.seed + start)
        return [greedy + drawn for greedy, drawn in zip(texts, more, strict=True)]

    @override
    def stored_answers(self, row: Row, task: Task) -> list[str]:
        return [str(row["completion"]), *(str(text) for text, _ in row.get("samples", []))]

    @override
    def row(self, task: Task, texts: Sequence[str], results: Sequence[RewardResult]) -> EvalRow:
        return evaluation_row(task, texts, results)

    @override
    def cluster(self, task: Task) -> str:
        """Return the family of a built-in task."""
        return cluster_of_key(task.payload["key"])

    @override
    def numbers(self, suite: str, rows: Sequence[Row], formula: int = FORMULA) -> dict[str, Any]:
        return suite_numbers(rows, self.config.eval.samples, self.config.eval.k, formula)

    @override
    def compared(
        self, suite: str, base: Sequence[Row], final: Sequence[Row], formula: int = FORMULA
    ) -> dict[str, Any]:
        """With the gains by distance from what trains, where a suite is of families."""
        by_distance = gains(base, final, formula) if formula > 1 else {}
        found = super().compared(suite, base, final, formula)
        return found | ({"by_distance": by_distance} if by_distance else {})

    @override
    def check_scorer(self) -> str:
        """Start the sandbox, which attacks itself, and judge a few references and idle programs."""
        with code_scorer(self.config) as scorer:
            for family in families.TRAIN[:: len(families.TRAIN) // 4]:
                task = families.make(family, 1, 0)
                found = faults(task, scorer)
                if found:
                    raise InputError(f"{task.key}: {'; '.join(found)}")
            return f"{scorer.tier.value}; gold answers pass, idle programs do not"

    @override
    def scored(self, source: Path) -> Iterator[dict[str, Any]]:
        from selfplay.domains.code.score_file import scored_code

        return scored_code(source, self.config)

    @override
    def message(self, task: Task) -> str:
        """Return the task's key."""
        return str(task.payload.get("key", task.domain))

    def _try_sandbox(self) -> None:
        """Start a sandbox once in this process: it attacks itself and prints its tier."""
        if self._tier is None:
            with code_scorer(self.config) as scorer:
                self._tier = scorer.tier.value

    def _screen(self) -> Screen:
        """Return what keeps the evaluation's families from being proposed."""
        if self._evaluation is None:
            self._evaluation = Screen(family_tasks(self.config))
        return self._evaluation

    def _heldout(self) -> HeldOut:
        """Return what keeps HumanEval's and MBPP's evaluation tasks from being proposed."""
        if self._benchmarks is None:
            self._benchmarks = HeldOut(benchmark_tasks(self.config))
        return self._benchmarks
