"""Countdown: make a number out of others with + - * /, each used at most once."""

from collections.abc import Sequence
from contextlib import ExitStack

from pydantic import Field

from countdown.tasks import asked, held_out, judged, make_tasks
from envs import Prompt, Task
from rewards import RewardResult
from selfplay.domains.base import Domain, Gold, Scorer, TaskList
from selfplay.registry import PASS_RATE, TASKS, DomainSpec, Measure, Section

SUITES = {"countdown/heldout": 3, "countdown/four": 4}
"""Numbers that never train: as many at once as in training, and more."""
SHOTS = (
    "Make 9 from 2, 7, 5.\n9 = 7 * 2 - 5\n\nMake 13 from 4, 9, 3.\n13 = 9 + 4\n\n"
    "Make 3 from 8, 1, 6.\n3 = 8 - 6 + 1\n\nMake 15 from 6, 3, 5.\n15 = 5 * 3\n\n"
)


class CountdownConfig(Section):
    """The keys of `countdown:` in a run's configuration."""

    KEPT = {"tasks": TASKS}
    tasks: int = Field(2000, ge=1, le=4000)
    """How many tasks are trained on."""


class Judge(Scorer):
    """Pays in full for the right value, and nothing for anything else."""

    def score(self, task: Task, completions: Sequence[str]) -> list[RewardResult]:
        return [self.paid(judged(task, text)) for text in completions]

    def paid(self, verdict: str) -> RewardResult:
        sound = float(verdict in ("pass", "fail"))
        return RewardResult(float(verdict == "pass"), verdict, {"sound": sound})


class Countdown(Domain):
    """Countdown under one configuration."""

    name = "countdown"

    def open_source(self, stack: ExitStack) -> TaskList:
        count, seed = self.config.section(CountdownConfig).tasks, self.config.seed
        return TaskList(make_tasks(f"train/{seed}", count, 3, evaluated=False), seed)

    def render(self, task: Task) -> Prompt:
        text = f"{SHOTS}Make {self.message(task)}.\n{asked(task)[1]} ="
        return Prompt(text, None, stop="line", max_tokens=16)

    def make_scorer(self, *, evaluating: bool) -> Judge:
        return Judge()

    def suite_tasks(self, suite: str, limit: int) -> list[Task]:
        return make_tasks(suite, 512, SUITES[suite], evaluated=True)[:limit]

    def gold(self) -> list[Gold]:
        task = Task.make("countdown", {"numbers": [2, 7, 5], "target": 9})
        wrong = {" 7 + 2 + 5": "fail", " 9": "illegal", " 7 + 2 + 0": "illegal", "": "unparsable"}
        found = [Gold(task, text, verdict, most=0.0) for text, verdict in wrong.items()]
        return [Gold(task, " 7 * 2 - 5", "pass", least=1.0), *found]

    def cluster(self, task: Task) -> str:
        return " ".join(map(str, sorted(asked(task)[0])))

    def message(self, task: Task) -> str:
        numbers, target = asked(task)
        return f"{target} from {', '.join(map(str, numbers))}"

    def may_train(self, task: Task) -> bool:
        return not held_out(asked(task)[0])


SPEC = DomainSpec(
    name="countdown",
    sections={"countdown": CountdownConfig},
    make=Countdown,
    suites=tuple(SUITES),
    measures=(PASS_RATE, Measure("sound", "sound expressions")),
)
