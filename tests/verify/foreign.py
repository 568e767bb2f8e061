"""Runs of a domain from outside (tests/toy) by the loop's own code, without Ray and in a second.

Collector, journal, gate, domain, its scorer and the tokenizer are real. A policy that follows from
seeds stands for the samplers, and the learner copies a tiny model.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import override

from envs import Prompt, Task
from envs.text import clean_text
from rewards import RewardResult
from selfplay.domains.checks import identity_of
from selfplay.domains.made import Domains
from selfplay.gate.gate import Gate
from selfplay.loop.interrupt import Interrupt
from selfplay.loop.run import train
from selfplay.models.load import load_tokenizer
from selfplay.records import Sample, SampleRequest
from selfplay.report.summary import build_summary
from selfplay.rundir.checksums import seal
from selfplay.rundir.folder import RunDir
from selfplay.rundir.writes import write_json
from tests.selfplay import stubs

ANSWERS = (" m", " c", " z", " the", " 7", " Q!")
BETTER = (" z", " y", " w")


@dataclass
class Policy(stubs.Samplers):
    """Answers by the request's seed alone."""

    tokenizer: Any = None

    @override
    def sample(self, requests: Sequence[SampleRequest]) -> list[list[Sample]]:
        return [self._texts(request) for request in requests]

    def _texts(self, request: SampleRequest) -> list[Sample]:
        rng = random.Random(request.seed)
        drawn = [self.tokenizer(rng.choice(ANSWERS)).input_ids for _ in range(request.n)]
        return [Sample(tuple(ids), (-0.5,) * len(ids), "stop") for ids in drawn]


@dataclass
class Scorers(stubs.Scorers):
    """The domains' own scorers, in this process."""

    domains: Domains | None = None
    evaluating: bool = False

    @override
    def score(self, answers: Sequence[tuple[Task, Sequence[str]]]) -> list[list[RewardResult]]:
        assert self.domains is not None
        results = []
        for task, texts in answers:
            with self.domains.of(task).make_scorer(evaluating=self.evaluating) as scorer:
                results.append(scorer.score(task, texts))
        return results


@dataclass
class Evaluator(stubs.Evaluator):
    """The domains' own evaluation of a policy that gets better."""

    domains: Domains | None = None

    @override
    def evaluate(
        self, name: str, *, step: int, positions: int, guest: str | None = None, **_: Any
    ) -> dict[str, Any]:
        assert self.domains is not None
        domains, scorers = self.domains, Scorers(domains=self.domains, evaluating=True)

        def ask(prompts: Sequence[Prompt], n: int, temperature: float, seed: int = 0) -> Any:
            rng = random.Random(f"{name}/{seed}")
            pool = BETTER if step else ANSWERS
            return [[clean_text(rng.choice(pool)) for _ in range(n)] for _ in prompts]

        suites = {
            suite: domains.of_suite(suite).evaluate(suite, positions, ask, scorers.score, str)
            for suite in domains.config.suites
        }
        record = super().evaluate(name, step=step, positions=positions)
        return record | {"suites": suites}


@dataclass
class Learner(stubs.Learner):
    """Its checkpoints are copies of a model."""

    model: Path = Path()

    @override
    def save(self, folder: Path, timeout_s: float | None = None) -> None:
        shutil.copytree(self.model, folder, dirs_exist_ok=True)
        write_json(
            folder / "trainer_state.json", {"global_step": int(folder.name[1:])}, overwrite=True
        )


class Foreign(stubs.Bench):
    """A run's parts, made as `stubs.Bench` makes them, of domains that are found by their names."""

    def __init__(self, folder: Path, stack: ExitStack, model: Path, **settings: Any) -> None:
        self._model = model
        given = {"domain": "toy", "model": str(model), **settings}
        # The bench takes domains that are made; these know the same settings.
        config = stubs.RunConfig.model_validate(
            {"name": "r", "runs_dir": folder, "groups_per_step": 3, "group_size": 4, **given}
        )
        self.found = Domains(config)
        super().__init__(folder, stack, list(self.found.values()), **given)

    @override
    def stand_in(self, step: int) -> None:
        super().stand_in(step)
        self.tokenizer = load_tokenizer(str(self._model))
        self.samplers = Policy(self.log, step, tokenizer=self.tokenizer)
        self.scorers = Scorers(domains=self.found)
        self.evaluator = Evaluator(self.log, domains=self.found)
        self.learner = Learner(self.log, step, model=self._model)
        parts: Any = {"samplers": self.samplers, "tokenizer": self.tokenizer, "context": 512}
        self.gate = Gate(self.config, run_dir=self.run_dir, base=str(self._model), **parts)


def foreign_run(folder: Path, model: Path, **settings: Any) -> Path:
    """Return the folder of a finished run of three steps."""
    with ExitStack() as stack:
        bench = Foreign(folder, stack, model, **{"steps": 3, "seed": 5, **settings})
        config, run_dir, title = bench.config, bench.run_dir, bench.parts.title
        run_dir.write_manifest(identity_of(bench.found), {"run": config.seed})
        title.evaluate("base", config.eval.positions)
        assert train(config, bench.parts, Interrupt()) == "finished"
        bench.parts.checkpoints.save(wait=True)
        title.evaluate("final", config.eval.positions)
        run_dir.write_summary(
            build_summary(run_dir, status="finished", wall_seconds=1.0, peak_memory_bytes=1)
        )
        seal(run_dir.path)
        return run_dir.path


def copy_of(run: Path, target: Path, edit: Callable[[Path], None]) -> RunDir:
    """Return an edited copy of a run, without the hashes of its end."""
    copied = Path(shutil.copytree(run, target))
    (copied / "SHA256SUMS").unlink()
    edit(copied)
    return RunDir.open(copied)
