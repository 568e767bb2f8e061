"""What the loop asks of a domain: tasks, prompts, scores, metrics. One class per domain."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

from envs import Prompt, Task
from rewards import RewardResult
from selfplay.advantages import Advantage
from selfplay.records import FORCED, Group

Answers = Sequence[tuple[Task, Sequence[str]]]
Score = Callable[[Answers], list[list[RewardResult]]]
"""Tasks with their answers in, the results of each task's answers out: the scorer pool's call."""


class Ask(Protocol):
    """The samplers' policy answering: Evaluator.ask."""

    def __call__(
        self, prompts: Sequence[Prompt], samples: int, temperature: float, seed: int = 0
    ) -> list[list[str]]:
        """Return `samples` texts for each prompt; temperature 0 is greedy."""


Progress = Callable[[str], None]


class Scorer(Protocol):
    """Scores the completions of one domain in one process."""

    @property
    def doing(self) -> str:
        """What is being worked on; `idle` otherwise."""

    def close(self) -> None:
        """Free what the scorer holds."""


class Source(Protocol):
    """Where the tasks of a run come from; see envs.chess.sources.TaskSource."""

    def next_tasks(self, n: int) -> list[Task]:
        """Return up to `n` distinct tasks."""

    def skip(self, task_id: str) -> None:
        """Free a task in flight unanswered."""

    def state(self) -> dict[str, Any]:
        """Return everything as JSON."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""


class Domain(Protocol):
    """One domain under one configuration. Makes no process before it is asked for a scorer."""

    name: str

    def check(self) -> None:
        """Refuse files and settings that a run could not use, before anything starts.

        Raises InputError.
        """

    def open_source(self, stack: ExitStack) -> Source:
        """Return the training tasks; what they need to live is closed by `stack`."""

    def identity(self) -> dict[str, Any]:
        """Return what scores the answers, for the manifest; known once the source is open."""

    def render(self, task: Task) -> Prompt:
        """Return the prompt of a task."""

    def samples(self, task: Task) -> int:
        """How many answers are drawn for a task."""

    @property
    def advantage(self) -> Advantage:
        """How the domain's groups are turned into advantages."""

    def actions(self, task: Task, limit: int, seed: int) -> list[str] | None:
        """Return the completions that train whether drawn or not; None: those drawn train.

        At most `limit` are returned, unless `advantage.most` chooses among them when they are
        scored.
        """

    def answered(self, source: Source, group: Group, version: int) -> None:
        """Take the results of a task in flight: a game goes on, a solve rate moves."""

    def follow_ups(self, source: Any, groups: Sequence[Group]) -> list[Task]:
        """Return tasks that the answers made, to be answered in the same step."""

    def settle(self, groups: Sequence[Group], followed: Sequence[Group]) -> None:
        """Finish the results that depend on what became of the follow-ups."""

    def make_scorer(self, *, evaluating: bool) -> Scorer:
        """Return a scorer, started. Raises InputError for what cannot be used."""

    def score(self, scorer: Any, task: Task, completions: Sequence[str]) -> list[RewardResult]:
        """Return the results of the answers to one task, in order."""

    def figures(self, groups: Sequence[Group], source: Any) -> dict[str, float | None]:
        """Return the domain's own figures of a step, over what the policy drew."""

    def evaluate(
        self, suite: str, limit: int, ask: Ask, score: Score, progress: Progress
    ) -> dict[str, Any]:
        """Return a suite's numbers with intervals, and its rows."""

    def told(self, task: Task) -> str:
        """Return the task in a few words, for the console."""


def domain_of(task: Task) -> str:
    """Return the name of the domain that handles a task: `code` also asks for `code/propose`."""
    return task.domain.partition("/")[0]


def has_infra_error(group: Group) -> bool:
    """Whether an answer of the group is unscored through our own fault."""
    return any(r.result is None or r.result.verdict == "infra_error" for r in group.rollouts)


def drawn_results(groups: Sequence[Group]) -> list[RewardResult]:
    """Return the results of what the policy drew itself."""
    return [r.result for g in groups for r in g.rollouts if r.finish != FORCED and r.result]


def mean(values: Sequence[float]) -> float | None:
    """Return the mean, None of nothing."""
    return sum(values) / len(values) if values else None


def tell_excluded(section: str, excluded: Mapping[str, int]) -> None:
    """Say on stderr how much of each file does not train because it is evaluated."""
    for name, count in excluded.items():
        if count:
            note = f"{section}.{name}: {count} left out: they are evaluated, and so never train"
            print(note, file=sys.stderr, flush=True)
