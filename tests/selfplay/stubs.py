"""Stand-ins for everything that costs seconds: a whole run of the loop in milliseconds.

The domain asks for the last digit of a sum. Samplers draw digits by the request's seed, scorers
know the right one; learner, evaluator and gate do what a test says. What happens is noted, in
order, in one log.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rich.console import Console
from typing_extensions import override

from envs import Prompt, Task
from rewards import RewardResult
from selfplay.config.run import RunConfig
from selfplay.display.console import RunConsole
from selfplay.domains.base import Domain, Scorer, Source, TaskList
from selfplay.domains.made import Domains
from selfplay.domains.mixed import RunSource
from selfplay.gate.decide import Decision
from selfplay.learner.handle import Update
from selfplay.loop.checkpoints import Checkpoints
from selfplay.loop.collect import Collector
from selfplay.loop.journal import Journal
from selfplay.loop.parts import Parts
from selfplay.loop.title import Title
from selfplay.records import Group, Sample, SampleRequest
from selfplay.rundir.folder import RunDir

KEPT, DROPPED = Decision(False, False, "better in none", ()), Decision(False, True, "worse", ())
PROMOTED = Decision(True, False, "better in sums, worse in none", ())


def sums(count: int, name: str = "sums") -> list[Task]:
    """Return tasks: two numbers each."""
    return [Task(f"{name}/{i}", name, {"a": i, "b": 3 * i}) for i in range(count)]


def right_digit(task: Task) -> str:
    return str((task.payload["a"] + task.payload["b"]) % 10)


class Sums(Domain):
    """The last digit of a sum; what a test needs of a domain besides is a subclass's."""

    name = "sums"

    def __init__(self, config: RunConfig, tasks: Sequence[Task] = ()) -> None:
        super().__init__(config)
        self._tasks = tasks or sums(100)

    @override
    def open_source(self, stack: ExitStack) -> Source:
        return TaskList(self._tasks, self.config.seed)

    @override
    def render(self, task: Task) -> Prompt:
        return Prompt(f"{task.payload['a']}+{task.payload['b']}=", None, "eos", 1)

    @override
    def make_scorer(self, *, evaluating: bool) -> Scorer:
        raise NotImplementedError("the stub of the pool scores")

    @override
    def suite_tasks(self, suite: str, limit: int) -> Sequence[Task]:
        return []


class Given(Domains):
    """Domains that were made before, none of them found by its name."""

    def __init__(self, *domains: Domain) -> None:
        self._given = {domain.name: domain for domain in domains}

    @override
    def __getitem__(self, name: str) -> Domain:
        return self._given[name]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    @override
    def __len__(self) -> int:
        return len(self._given)


class Letters:
    """A tokenizer: a character is a token."""

    bos_token_id = None
    pad_token_id = 0
    chat_template = None

    def __call__(self, text: str, add_special_tokens: bool = True) -> SimpleNamespace:
        return SimpleNamespace(input_ids=[ord(letter) for letter in text])

    def decode(self, ids: Iterable[int], **_: bool) -> str:
        return "".join(chr(number) for number in ids)


@dataclass
class Samplers:
    """Draws digits, each answer by its request's seed alone."""

    log: list[str]
    version: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    requests: list[SampleRequest] = field(default_factory=list)

    def sample(self, requests: Sequence[SampleRequest]) -> list[list[Sample]]:
        self.requests += requests
        self.log.append(f"sample {len(requests)} from v{self.version}")
        return [self._digits(request) for request in requests]

    def _digits(self, request: SampleRequest) -> list[Sample]:
        rng = random.Random(request.seed)
        drawn = [ord(rng.choice("0123456789")) for _ in range(request.n)]
        return [Sample((digit,), (-2.3,), "stop") for digit in drawn]

    def update_weights(self, version: int, weights: object) -> None:
        self.version = version
        self.log.append(f"samplers take v{version}")

    def dismiss_guests(self) -> None:
        self.log.append("guests dismissed")

    def sample_guest(self, model: str, requests: Sequence[SampleRequest]) -> list[list[Sample]]:
        self.log.append(f"ask {model}")
        return [self._digits(request) for request in requests]


Verdicts = Callable[[Task, Sequence[str]], list[RewardResult]]


def judged(task: Task, texts: Sequence[str]) -> list[RewardResult]:
    """Pay for the right digit."""
    return [
        RewardResult(float(passed), "pass" if passed else "fail")
        for passed in (text == right_digit(task) for text in texts)
    ]


def with_spread(task: Task, texts: Sequence[str]) -> list[RewardResult]:
    """Pay every answer of a task something else."""
    return [RewardResult(i / len(texts), "fail") for i in range(len(texts))]


def flat(task: Task, texts: Sequence[str]) -> list[RewardResult]:
    """Pay nothing for anything."""
    return [RewardResult(0.0, "fail")] * len(texts)


def broken(task: Task, texts: Sequence[str]) -> list[RewardResult]:
    """Fail by our own fault."""
    return [RewardResult(0.0, "infra_error")] * len(texts)


@dataclass
class Scorers:
    """Scores by `verdicts`; each call is a round, with the tasks that it was asked."""

    verdicts: Verdicts = judged
    events: list[dict[str, Any]] = field(default_factory=list)
    rounds: list[list[str]] = field(default_factory=list)

    def score(self, answers: Sequence[tuple[Task, Sequence[str]]]) -> list[list[RewardResult]]:
        self.rounds.append([task.id for task, _ in answers])
        return [self.verdicts(task, texts) for task, texts in answers]


@dataclass
class Learner:
    """Counts versions; `during` is called while an update runs, with its number."""

    log: list[str]
    version: int = 0
    during: Callable[[int], None] = lambda step: None
    events: list[dict[str, Any]] = field(default_factory=list)
    times_gone: list[float] = field(default_factory=list)

    def submit(self, groups: Sequence[Group], pad_id: int, time_gone: float) -> None:
        self.log.append(f"submit {len(groups)} groups")
        self.times_gone.append(time_gone)

    def wait(self, step: int) -> Update:
        self.during(step)
        self.version += 1
        self.log.append(f"update to v{self.version}")
        return Update(self.version, None, {"lr": 1e-5})

    def restore(self, model: str, folder: Path | None) -> Update:
        self.version += 1
        self.log.append(f"restore {Path(model).name} as v{self.version}")
        return Update(self.version, None, {"lr": 1e-5})

    def save(self, folder: Path, timeout_s: float | None = None) -> None:
        self.log.append(f"save {folder.name}")
        (folder / "model.safetensors").write_text(folder.name)

    def check(self) -> None:
        """It is alive."""


@dataclass
class Evaluator:
    """Returns records without rows."""

    log: list[str]

    def evaluate(
        self, name: str, *, step: int, positions: int, guest: str | None = None, **_: Any
    ) -> dict[str, Any]:
        self.log.append(f"evaluate {name} on {positions}")
        head = {"name": name, "step": step, "version": step, "positions": positions}
        return {**head, "seconds": 0.0, "suites": {}}


@dataclass
class Gate:
    """Decides as a test says, evaluation by evaluation."""

    log: list[str]
    decisions: dict[str, Decision] = field(default_factory=dict)

    def judge(self, result: dict[str, Any], progress: object) -> Decision:
        self.log.append(f"judge {result['name']}")
        return self.decisions.get(result["name"], KEPT)

    def measure_champion(self, result: dict[str, Any], evaluator: object, progress: object) -> None:
        self.log.append(f"measure the champion like {result['name']}")


class Board:
    """Takes what TensorBoard would plot."""

    def add(self, row: dict[str, Any]) -> None:
        """Take a step's row."""

    def add_eval(self, result: dict[str, Any]) -> None:
        """Take an evaluation."""


class Bench:
    """A run's folder, journal, checkpoints and title with stand-ins around them.

    A second one on the same folder goes on from the newest checkpoint.
    """

    def __init__(
        self, folder: Path, stack: ExitStack, domains: Sequence[Domain] = (), **settings: Any
    ) -> None:
        given = {"model": "tiny-random", "steps": 4, "groups_per_step": 3, "group_size": 4}
        self.config = RunConfig.model_validate(
            {"name": "r", "runs_dir": folder, "max_refills": 0, **given, **settings}
        )
        new = not (folder / "r").exists()
        self.run_dir = RunDir.create(self.config) if new else RunDir.open(folder / "r")
        stack.callback(self.run_dir.close)
        checkpoint = self.run_dir.versions.latest()
        step = int(checkpoint.name[1:]) if checkpoint else 0
        self.log: list[str] = []
        self.screen = io.StringIO()
        self.domains = Given(*(domains or [Sums(self.config)]))
        sources = {name: domain.open_source(stack) for name, domain in self.domains.items()}
        self.source = RunSource(sources, dict.fromkeys(sources, 1.0))
        if checkpoint:
            self.source.restore(json.loads((checkpoint / "source.json").read_text()))
        self.stand_in(step)
        self.parts = self._parts(step)

    def stand_in(self, step: int) -> None:
        """Make the stand-ins of a run that goes on from `step`."""
        self.samplers, self.scorers = Samplers(self.log, step), Scorers(with_spread)
        self.learner, self.gate = Learner(self.log, step), Gate(self.log)
        self.evaluator, self.tokenizer = Evaluator(self.log), Letters()

    def _parts(self, step: int) -> Parts:
        # The loop's parts name the classes that they are made for.
        learner, samplers, scorers, gate, evaluator, board, tokenizer = _any(
            self.learner, self.samplers, self.scorers, self.gate, self.evaluator, Board(),
            self.tokenizer,
        )  # fmt: skip
        collector = Collector(
            self.config,
            domains=self.domains,
            source=self.source,
            samplers=samplers,
            scorers=scorers,
            tokenizer=tokenizer,
            context=100,
        )
        console = RunConsole(Console(file=self.screen, width=200))
        console.start(self.config, None)
        journal = Journal(
            self.config,
            run_dir=self.run_dir,
            console=console,
            board=board,
            domains=self.domains,
            source=self.source,
            step=step,
        )
        checkpoints = Checkpoints(self.config, journal=journal, learner=learner, league=None)
        title = Title(
            self.config,
            journal=journal,
            checkpoints=checkpoints,
            learner=learner,
            evaluator=evaluator,
            gate=gate,
            league=None,
        )
        return Parts(
            learner=learner,
            samplers=samplers,
            scorers=scorers,
            collector=collector,
            journal=journal,
            checkpoints=checkpoints,
            title=title,
            base="the-base-model",
            pad_id=0,
        )

    def metrics(self, key: str) -> list[Any]:
        """Return one figure of every step that was recorded."""
        return [row.get(key) for row in self.run_dir.read_metrics()]

    def asked(self) -> list[str]:
        """Return the tasks of the rollouts on disk, in the order in which they were written."""
        files = self.run_dir.rollouts.files()
        rows = [row for step in sorted(files) for row in self.run_dir.rollouts.read(step)]
        return list(dict.fromkeys(row["task_id"] for row in rows))


def _any(*stubs: object) -> tuple[Any, ...]:
    return stubs
