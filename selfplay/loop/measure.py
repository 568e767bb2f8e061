"""`selfplay eval`: a run's newest version, or a model, measured once on held-out suites."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from envs.errors import InputError
from selfplay.cluster.session import ray_session
from selfplay.config.run import RunConfig
from selfplay.loop.evaluate import Evaluator, check_evaluation
from selfplay.models.load import load_tokenizer, model_context
from selfplay.registry import check_suites, suite_names
from selfplay.rundir.folder import RunDir
from selfplay.sampler.pool import SamplerPool


def suites_of(given: Sequence[str] | None, *, test: bool = False) -> list[str] | None:
    """Return suites as given on the command line: with commas, and by what follows the slash where
    no two have the same.

    Raises InputError as check_suites does, test sets without `test` included.
    """
    if given is None:
        return None
    # Test sets are given whole.
    short = [name.partition("/")[2] for name in suite_names()]
    whole = {s: n for s, n in zip(short, suite_names(), strict=True) if short.count(s) == 1}
    names = [part for text in given for part in text.split(",") if part]
    return check_suites([whole.get(name, name) for name in names], test=test)


@contextmanager
def evaluator_of(config: RunConfig, model: str, version: int) -> Iterator[Evaluator]:
    """Start Ray and the samplers for `model`; yield an evaluator; leave nothing running."""
    from selfplay.fidelity.family import refuse_unfit  # torch: not for a wrong argument

    refuse_unfit(model, learns=False)
    with ray_session(config) as placement:
        tokenizer = load_tokenizer(model)
        samplers = SamplerPool(config, model, version, placement.sampler_gpus)
        try:
            context = model_context(model)
            yield Evaluator(config, samplers=samplers, tokenizer=tokenizer, context=context)
        finally:
            samplers.close()


@dataclass(frozen=True, slots=True)
class Measured:
    """What `selfplay eval` measures: a model and the configuration under which it is asked.

    `run_dir` is None for a model that is no run's.
    """

    config: RunConfig
    model: str
    version: int
    run_dir: RunDir | None = None

    def asking(self, suites: list[str] | None) -> RunConfig:
        """Return the configuration with these suites alone (None: its own), files from the root."""
        wanted = {"suites": suites, "puzzles": None} if suites is not None else {}
        evaluation = self.config.eval.model_copy(update=wanted)
        return self.config.model_copy(update={"eval": evaluation}).with_absolute_paths()

    def of_base(self) -> Measured:
        """Return the same for the model that the run began with."""
        return replace(self, model=self.config.model, version=0)


def find_measured(target: str, overrides: list[str]) -> Measured:
    """Return a run's newest checkpoint or a model, to be measured.

    Args:
        target: a run (name below ./runs, or folder), or whatever `model:` takes.
        overrides: `a.b=c` on the run's configuration, or on the defaults for a model.

    Raises:
        InputError: no such run, or none of its checkpoints is complete.
    """
    from selfplay.config.reading import parse_config

    if not _is_run(target):
        return Measured(parse_config({}, "defaults", overrides), target, 0)
    run_dir = RunDir.open(target)
    checkpoint = run_dir.versions.latest()
    if checkpoint is None:
        raise InputError(f"{target}: this run has no complete checkpoint to evaluate")
    stored = run_dir.config().model_dump(mode="json")
    config = parse_config(stored, str(run_dir.path), overrides)
    return Measured(config, str(checkpoint), int(checkpoint.name[1:]), run_dir)


def evaluate_model(target: str, suites: list[str] | None, overrides: list[str]) -> dict[str, Any]:
    """Evaluate a run's newest checkpoint or a model, as `selfplay eval` does.

    Args:
        target, overrides: see find_measured.
        suites: their names; None takes those of the configuration.

    Raises:
        InputError: no such run, model or suite.
    """
    found = find_measured(target, overrides)
    config = found.asking(suites)
    check_evaluation(config)
    prompts = found.run_dir is None
    with evaluator_of(config, found.model, found.version) as evaluator:
        positions = config.eval.positions
        return evaluator.evaluate(
            "eval", step=found.version, positions=positions, suites=suites, prompts=prompts
        )


def _is_run(target: str) -> bool:
    return any((p / "config.yaml").exists() for p in (Path(target), Path("runs") / target))
