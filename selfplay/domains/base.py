"""Domain: what a task domain must be. Four methods to write, the rest is inherited.

A domain of one's own is a subclass in a package of its own (docs/domains.md). The loop, the
samplers, the scorers, the gate, the pages and `selfplay verify` ask it and decide nothing by its
name.

Longer than 400 lines, since all that a domain may be asked stands in one class.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from envs import Prompt, Task
from envs.errors import InputError
from rewards import RewardResult
from rewards.closing import Closes
from selfplay.advantages import Advantage
from selfplay.domains import scored as files
from selfplay.domains.rows import Row, numbers_of, paired_of, passed
from selfplay.domains.shown import Rows, before_after
from selfplay.domains.source import Source, TaskList
from selfplay.records import FORCED, EvalRow, Group
from selfplay.registry import spec_of
from selfplay.stats.clustered import FORMULA

if TYPE_CHECKING:  # at run time a domain's module may hold its spec, which RunConfig is made of
    from envs.opponents import Opponents
    from selfplay.config.run import PromptForm, RunConfig

Answers = Sequence[tuple[Task, Sequence[str]]]
Score = Callable[[Answers], list[list[RewardResult]]]
"""Tasks with their answers in, the results of each task's answers out: the scorer pool's call."""
Progress = Callable[[str], None]


class Ask(Protocol):
    """The samplers' policy answering: Evaluator.ask."""

    def __call__(
        self, prompts: Sequence[Prompt], samples: int, temperature: float, seed: int = 0
    ) -> list[list[str]]:
        """Return `samples` texts for each prompt; temperature 0 is greedy."""


class Scorer(Closes):
    """Scores the completions of one domain in one process."""

    @property
    def doing(self) -> str:
        """What is being worked on, for the message when a deadline passes; other threads ask."""
        return "idle"

    @abstractmethod
    def score(self, task: Task, completions: Sequence[str]) -> list[RewardResult]:
        """Return the results of the answers to one task, in order; none depends on the others.

        Raises InputError for a task that is none. A failure of our own is the verdict
        `infra_error`: it is tried again and never trains.
        """

    def close(self) -> None:
        """Free what the scorer holds; safe to call again."""

    def identity(self) -> dict[str, Any]:
        """Return what decides the scores besides the task (a program's hash, say), for verify."""
        return {}


@dataclass(frozen=True, slots=True)
class Gold:
    """An answer whose verdict is known: what `selfplay doctor` and a dry run try the scorer with.

    `least` and `most` bound its value.
    """

    task: Task
    completion: str
    verdict: str
    least: float = 0.0
    most: float = 1.0


class Domain(ABC):
    """One domain under one configuration. Starts no process before it is asked for a scorer."""

    name: ClassVar[str]
    """The name of its DomainSpec."""
    chunk: ClassVar[int] = 32
    """Tasks per call of the samplers in an evaluation. Fixed: low-precision results depend on what
    is batched together."""

    unsteady_parts: ClassVar[frozenset[str]] = frozenset()
    """Parts of a reward that are measured and not decided, as seconds are: `selfplay verify` does
    not expect them to be the same when an answer is scored again."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config

    # What must be written

    @abstractmethod
    def open_source(self, stack: ExitStack) -> Source:
        """Return the training tasks; `stack` closes what they need to live.

        None of them may be one of a suite. Raises InputError for files that cannot be used.
        """

    @abstractmethod
    def render(self, task: Task) -> Prompt:
        """Return the prompt of a task."""

    @abstractmethod
    def make_scorer(self, *, evaluating: bool) -> Scorer:
        """Return a scorer, started. Raises InputError for what cannot be used."""

    @abstractmethod
    def suite_tasks(self, suite: str, limit: int) -> Sequence[Task]:
        """Return the first `limit` tasks of a held-out suite, always the same in the same order.

        Raises InputError where its data set is missing or broken.
        """

    # Before a run

    def check(self) -> None:
        """Refuse files and settings that a run could not use, before anything starts.

        Raises InputError.
        """
        if self.config.learner.advantage == "target" and not spec_of(self.name).lists_actions:
            raise InputError(
                f"learner.advantage=target needs listed actions, which the domain {self.name} does "
                "not have; set learner.advantage=dr_grpo"
            )
        for suite in self.config.suites:
            if suite in spec_of(self.name).suites and not self.suite_tasks(suite, 1):
                raise InputError(f"suite {suite}: has no task")

    def gold(self) -> Sequence[Gold]:
        """Return answers whose verdict is known; the default knows none."""
        return ()

    def check_scorer(self) -> str:
        """Start a scorer, try it with `gold` and return what it is, in a line.

        Raises:
            InputError: it cannot be started, or a gold answer does not score as it must.
        """
        with self.make_scorer(evaluating=False) as scorer:
            gold = list(self.gold())
            for one in gold:
                [result] = scorer.score(one.task, [one.completion])
                if result.verdict != one.verdict or not one.least <= result.value <= one.most:
                    raise InputError(
                        f"{self.name}: the gold answer {one.completion.strip()[:60]!r} to "
                        f"{self.message(one.task)} scored {result.verdict} {result.value:g}, not "
                        f"{one.verdict}"
                    )
        return f"{self.name}: {len(gold)} gold answers score as they must"

    def identity(self) -> dict[str, Any]:
        """Return what scores the answers, for the manifest; known once the source is open.

        `selfplay verify` compares it with what Scorer.identity says, key by key.
        """
        return {}

    # Training

    @property
    def max_tokens(self) -> int:
        """The longest completion in tokens; by default that of the first held-out task."""
        tasks = self.suite_tasks(spec_of(self.name).suites[0], 1)
        return max(self.render(task).max_tokens for task in tasks)

    @property
    def advantage(self) -> Advantage:
        """How the domain's groups are turned into advantages: the learner's settings."""
        learner = self.config.learner
        return Advantage(
            learner.advantage,
            learner.advantage_scale,
            learner.target_temperature,
            flat=learner.flat_groups == "target",
        )

    def samples(self, task: Task) -> int:
        """How many answers are drawn for a task: a whole group."""
        return self.config.group_size

    def actions(self, task: Task, limit: int, seed: int) -> list[str] | None:
        """Return the completions that train whether drawn or not; None: those drawn train.

        At most `limit` are returned, unless `advantage.most` chooses among them when they are
        scored.
        """
        return None

    def follow_ups(self, source: Source, groups: Sequence[Group]) -> list[Task]:
        """Return tasks that the answers made, to be answered in the same step."""
        return []

    def settle(self, groups: Sequence[Group], followed: Sequence[Group]) -> None:
        """Finish the results of `groups` that depend on what became of the follow-ups.

        Those without a follow-up stay as they are. When `selfplay verify` asks, `followed` holds
        all other groups of the step.
        """
        return

    def metrics(self, groups: Sequence[Group], source: Source | None) -> dict[str, float | None]:
        """Return the domain's own metrics of a step, over what the policy drew.

        `source` is None where they are recomputed from stored rollouts: its metrics are left out.
        The default has `pass_rate` and the mean of every part of the rewards.
        """
        results = drawn_results(groups)
        names = sorted({name for result in results for name in result.parts})
        parts = {n: mean([r.parts[n] for r in results if n in r.parts]) for n in names}
        passed = mean([float(r.verdict == "pass") for r in results])
        own = {} if source is None else source.metrics()
        return {"pass_rate": passed, **parts, **own}

    # Measuring

    def evaluate(
        self, suite: str, limit: int, ask: Ask, score: Score, progress: Progress
    ) -> dict[str, Any]:
        """Return a suite's numbers with intervals, and its rows under "rows"."""
        tasks = self.suite_tasks(suite, limit)
        made: list[Row] = []
        for start in range(0, len(tasks), self.chunk):
            part = tasks[start : start + self.chunk]
            texts = self.answers(part, start, ask)
            results = score(list(zip(part, texts, strict=True)))
            for task, own, scored in zip(part, texts, results, strict=True):
                made.append(self.row(task, own, scored).as_json())
            progress(f"{suite} {len(made)}/{len(tasks)}")
        return {**self.numbers(suite, made), "rows": made}

    def own_suites(self) -> list[str]:
        """Return further suites that the configuration asks for by a key of its own.

        They are among the spec's `extra_suites`.
        """
        return []

    def answers(self, tasks: Sequence[Task], start: int, ask: Ask) -> list[list[str]]:
        """Return the texts that are scored for each task, the policy's greedy answer first.

        `start` is the place of the first task in its suite.
        """
        return ask([self.render(task) for task in tasks], 1, 0.0)

    def stored_answers(self, row: Row, task: Task) -> list[str]:
        """Return the texts that a stored row was made of: what `answers` gave for its task.

        `selfplay verify` has them scored again, and makes `row` of the results.
        """
        return [str(row["completion"])]

    def row(self, task: Task, texts: Sequence[str], results: Sequence[RewardResult]) -> EvalRow:
        """Return what is kept of the answers to one task: the first, its verdict and its parts.

        `message` is there for the pages, which have rows and no tasks, where it is not the id.
        """
        first = results[0]
        columns = {"value": first.value, "action": first.evidence.get("action"), **first.parts}
        if (asked := self.message(task)) != task.id:
            columns["message"] = asked
        return EvalRow(task.id, self.cluster(task), texts[0], first.verdict, columns)

    def cluster(self, task: Task) -> str:
        """Return the cluster of a task: tasks of one are solved or failed together.

        Intervals and tests are over clusters. By default every task is one of its own.
        """
        return task.id

    def numbers(self, suite: str, rows: Sequence[Row], formula: int = FORMULA) -> dict[str, Any]:
        """Return a suite's estimates: {"policy": {measure: interval}, "infra_errors": n, ...}.

        By default the share that passed and, for every other measure of the spec, the mean of the
        rows' column of that name. `formula`: see stats/clustered.py.
        """
        return numbers_of(rows, spec_of(self.name).measures, formula)

    def compared(
        self, suite: str, base: Sequence[Row], final: Sequence[Row], formula: int = FORMULA
    ) -> dict[str, Any]:
        """Return what a summary says of two evaluations of a suite: {"paired": {...}, ...}."""
        return {"paired": paired_of(base, final, self.utility, formula)}

    def utility(self, row: Row) -> float | None:
        """Return what an answer was worth in [0, 1], for the gate; None: it was never scored."""
        return passed(row)

    def variants(self) -> list[tuple[PromptForm, Domain]]:
        """Return the domain under each of `eval.base_prompts`, where it has several prompts."""
        return []

    # Pages and messages

    def message(self, task: Task) -> str:
        """Return the task in a few words, for the console and for messages."""
        return task.id

    def beside(self, estimates: Row) -> dict[str, Any]:
        """Return what a summary has of the baselines that a suite's estimates have.

        By default {"baselines": {key: {measure: interval}}}, if they have it; the titles are the
        spec's.
        """
        return {key: estimates[key] for key in ("baselines",) if estimates.get(key)}

    def before_after(self, base: Rows, final: Rows) -> str:
        """Return answers before and after training as HTML for the report, "" for none.

        By default a few tasks of each suite, evenly spaced, by `show`. `base` and `final` have the
        rows of the domain's suites, by suite. Every text out of them must be escaped
        (display.text.escape); the page runs no script and loads nothing.
        """
        return before_after(base, final, spec_of(self.name).answer, self.show)

    def show(self, base: Row, final: Row) -> str | None:
        """Return one task before and after training as HTML, escaped as in `before_after`.

        None: the report shows the two answers as text (DomainSpec.answer).
        """
        return None

    # Verification

    def may_train(self, task: Task) -> bool:
        """Return whether a task is one that may train: verify names those that may not.

        Raises InputError for a payload that is no task; nothing of it is run.
        """
        return True

    def payment(self, row: Row) -> dict[str, Any]:
        """Return what columns of a stored rollout must be, given its others (`parts.NAME` too)."""
        return {}

    # Scoring files

    def scored(self, source: Path) -> Iterator[dict[str, Any]]:
        """Check every row of a JSONL file, then yield each with its score (`selfplay score`).

        Raises InputError naming file:line for the first broken row, before any is scored.
        """
        rows = files.read_rows(source, self.score_task)

        def results() -> Iterator[dict[str, Any]]:
            with self.make_scorer(evaluating=False) as scorer:
                for row, task in rows:
                    [result] = scorer.score(task, [files.completion_of(row)])
                    yield files.with_score(row, result)

        return results()

    def score_task(self, row: Row, where: str) -> Task:
        """Return the task of a row that `selfplay score` reads, from the row's own fields.

        By default the row has the task's `payload`. Raises InputError naming `where`, the row.
        """
        payload = row.get("payload")
        if not isinstance(payload, dict):
            raise InputError(f"{where}: key 'payload' must hold the task, as {{...}}")
        return Task.make(self.name, payload)


class GamesDomain(Domain):
    """A domain whose answers are moves of games (DomainSpec.games)."""

    opponents: Opponents | None = None
    """Who plays against the policy in training games; set before `open_source` is called."""


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


def report_excluded(section: str, excluded: Mapping[str, int]) -> None:
    """Say on stderr how much of each file does not train because it is evaluated."""
    for name, count in excluded.items():
        if count:
            note = f"{section}.{name}: {count} left out: they are evaluated, and so never train"
            print(note, file=sys.stderr, flush=True)


__all__ = [
    "Answers",
    "Ask",
    "Domain",
    "GamesDomain",
    "Gold",
    "Progress",
    "Row",
    "Score",
    "Scorer",
    "Source",
    "TaskList",
    "domain_of",
    "drawn_results",
    "has_infra_error",
    "mean",
    "report_excluded",
]
