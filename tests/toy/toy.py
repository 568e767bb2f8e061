"""A toy domain, found as an installed package's is: by the entry point in the folder beside it.

"Name a letter after k." An answer passes by its first letter. Even a model with random weights is
sometimes right, so that its groups have spread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field
from typing_extensions import override

from envs import Prompt, Task
from envs.errors import InputError
from envs.places import absolute_source
from rewards import RewardResult
from selfplay.domains.base import Domain, Gold, Scorer, TaskList
from selfplay.registry import MEASURED, PASS_RATE, TASKS, DomainSpec, Measure, Section

if TYPE_CHECKING:
    from selfplay.config.run import RunConfig

HELD_OUT = {"toy/vowels": "aeiou", "toy/rare": "qxyz", "toy/sealed": "jk"}
"""The letters of each suite and of the test set; all others train."""
TRAINING = [c for c in ascii_lowercase if c not in "".join(HELD_OUT.values())]


class ToyConfig(Section):
    """One key for everything that a section can say of its keys."""

    KEPT: ClassVar[Mapping[str, str]] = {"letters": TASKS, "capitals": MEASURED}
    BEFORE: ClassVar[Mapping[str, Any]] = {"capitals": True}
    NEUTRAL: ClassVar[frozenset[str]] = frozenset({"notes"})
    SETTLED: ClassVar[frozenset[str]] = frozenset({"mark"})

    letters: int = Field(len(TRAINING), ge=1)
    """How many letters are trained on, at most all that train."""
    capitals: bool = False
    """Whether capital letters count as answers."""
    max_tokens: int = Field(8, ge=1)
    notes: Path | None = None
    """A file that nothing depends on."""
    mark: str = ""
    """Settled by a new run when it begins: from its seed."""

    @override
    def absolute(self) -> Self:
        return self.model_copy(update={"notes": absolute_source(self.notes)})

    @override
    def check(self, run: RunConfig) -> None:
        if self.letters < run.groups_per_step:
            raise ValueError(
                f"toy.letters={self.letters} must be at least groups_per_step="
                f"{run.groups_per_step}; set toy.letters={run.groups_per_step}"
            )

    @override
    def fixed(self, run: RunConfig) -> Self:
        return self.model_copy(update={"mark": f"seed-{run.seed}"})


def make_task(letter: str) -> Task:
    return Task.make("toy", {"letter": letter})


def letter_of(task: Task) -> str:
    letter = task.payload.get("letter")
    if not isinstance(letter, str) or len(letter) != 1 or letter not in ascii_lowercase:
        raise InputError(f"{task.id}: 'letter' must be a letter from a to z, not {letter!r}")
    return letter


class ToyScorer(Scorer):
    def __init__(self, capitals: bool) -> None:
        self._capitals = capitals

    @override
    def score(self, task: Task, completions: Sequence[str]) -> list[RewardResult]:
        letter = letter_of(task)
        return [self._one(letter, text) for text in completions]

    def _one(self, letter: str, text: str) -> RewardResult:
        read = text.lower() if self._capitals else text
        answer = next((c for c in read if c in ascii_lowercase), None)
        if answer is None:
            return RewardResult(0.0, "unparsable")
        distance = ascii_lowercase.index(answer) - ascii_lowercase.index(letter)
        right = distance > 0
        return RewardResult(
            float(right),
            "pass" if right else "fail",
            {"distance": float(distance)},
            {"action": answer},
        )

    @override
    def identity(self) -> dict[str, Any]:
        return {"alphabet": ascii_lowercase}


class Toy(Domain):
    name: ClassVar[str] = "toy"

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        self._own = config.section(ToyConfig)

    @override
    def open_source(self, stack: ExitStack) -> TaskList:
        return TaskList([make_task(c) for c in TRAINING[: self._own.letters]], self.config.seed)

    @override
    def render(self, task: Task) -> Prompt:
        text = f"Name a letter after {letter_of(task)}.\nLetter:"
        return Prompt(text, None, "line", self._own.max_tokens)

    @override
    def make_scorer(self, *, evaluating: bool) -> ToyScorer:
        return ToyScorer(self._own.capitals)

    @override
    def suite_tasks(self, suite: str, limit: int) -> list[Task]:
        return [make_task(c) for c in HELD_OUT[suite]][:limit]

    @override
    def gold(self) -> list[Gold]:
        return [
            Gold(make_task("k"), " m", "pass", least=1.0),
            Gold(make_task("k"), " c", "fail", most=0.0),
            Gold(make_task("k"), " 7", "unparsable", most=0.0),
        ]

    @override
    def may_train(self, task: Task) -> bool:
        return letter_of(task) in TRAINING


SPEC = DomainSpec(
    name="toy",
    sections={"toy": ToyConfig},
    make=Toy,
    suites=("toy/vowels", "toy/rare"),
    test_suites=("toy/sealed",),
    measures=(PASS_RATE, Measure("distance", "letters further", bounds=(-25.0, 25.0), unit="")),
)
