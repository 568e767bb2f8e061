"""Held-out evaluation of the samplers' policy: every suite by its domain, with intervals."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from envs import Prompt
from envs.errors import InputError
from envs.text import clean_text
from selfplay.cluster.session import ray_session
from selfplay.config.run import PromptForm, RunConfig
from selfplay.display.numbers import prompt_name
from selfplay.domains import NAMES, Domain, domain_of_suite, make_domain
from selfplay.domains.base import Progress
from selfplay.domains.chess.domain import PUZZLES
from selfplay.domains.suites import CODE_SUITES, TEST_SUITES, check_suites
from selfplay.league.sampled import AskSamplers
from selfplay.models.load import load_tokenizer, model_context
from selfplay.rundir.folder import RunDir
from selfplay.sampler.engines import SampleRequest
from selfplay.sampler.pool import SamplerPool
from selfplay.sampler.prompts import answer_text, prompt_ids
from selfplay.scorer.pool import ScorerPool


class Evaluator:
    """Measures the samplers' current policy; scorers with `eval.nodes` live while it does."""

    def __init__(
        self, config: RunConfig, *, samplers: SamplerPool, tokenizer: Any, context: int
    ) -> None:
        self._config = config
        self._samplers = samplers
        self._tokenizer = tokenizer
        self._context = context

    def evaluate(
        self,
        name: str,
        *,
        step: int,
        positions: int,
        suites: Sequence[str] | None = None,
        test: bool = False,
        prompts: Sequence[PromptForm] = (),
        progress: Progress = lambda _: None,
        guest: str | None = None,
    ) -> dict[str, Any]:
        """Return an evaluation record: per suite the policy's numbers and every row.

        `test` allows test sets among `suites`. Raises InputError as check_suites does.
        Chess suites are asked again under each of `prompts`, at `eval.base_positions` positions.
        `guest` is another model with the policy's tokenizer, version `step` of the run, which is
        measured in the policy's place.
        """
        sample = None if guest is None else functools.partial(self._samplers.sample_guest, guest)
        ask = functools.partial(self.ask, sample=sample)
        start = time.monotonic()
        config = self._config
        wanted = check_suites(suites or config.suites, test=test)
        if config.eval.puzzles is not None and suites is None:
            wanted.append(PUZZLES)
        result: dict[str, Any] = {}
        for domain in NAMES:
            mine = [suite for suite in wanted if domain_of_suite(suite) == domain]
            if not mine:
                continue
            scorers = ScorerPool(config, [domain], evaluating=True)
            try:
                made = make_domain(domain, config)
                for suite in mine:
                    result[suite] = made.evaluate(suite, positions, ask, scorers.score, progress)
                    if prompts and domain == "chess" and suite != PUZZLES:
                        result[suite]["prompts"] = [
                            self._under(form, suite, scorers, progress) for form in prompts
                        ]
            finally:
                scorers.close()
        return {
            "name": name,
            "version": self._samplers.version if guest is None else step,
            "step": step,
            "positions": positions,
            "seconds": round(time.monotonic() - start, 2),
            "suites": {suite: result[suite] for suite in wanted},
        }

    def _under(
        self, form: PromptForm, suite: str, scorers: ScorerPool, progress: Progress
    ) -> dict[str, Any]:
        """Return a chess suite's numbers under another prompt, with the prompt and rows."""
        config = self._config
        chess = config.chess.model_copy(update=form.model_dump())
        made = make_domain("chess", config.model_copy(update={"chess": chess}))
        positions = config.eval.base_positions
        name = prompt_name(form.model_dump())
        numbers = made.evaluate(
            suite, positions, self.ask, scorers.score, lambda text: progress(f"{text}, {name}")
        )
        return {**form.model_dump(), "positions": positions, **numbers}

    def ask(
        self,
        prompts: Sequence[Prompt],
        samples: int,
        temperature: float,
        seed: int = 0,
        *,
        sample: AskSamplers | None = None,
    ) -> list[list[str]]:
        """Return `samples` texts for each prompt; temperature 0 is greedy.

        `sample` answers in the policy's place.
        """
        requests = [
            SampleRequest(
                prompt_ids(self._tokenizer, prompt, self._context),
                samples,
                prompt.max_tokens,
                prompt.stop,
                temperature,
                seed + number,
            )
            for number, prompt in enumerate(prompts)
        ]
        answers = (sample or self._samplers.sample)(requests)
        return [[clean_text(answer_text(self._tokenizer, s.ids)) for s in row] for row in answers]


def suites_of(given: Sequence[str] | None, *, test: bool = False) -> list[str] | None:
    """Return suites as given on the command line: with commas, and code's by their short names.

    Raises InputError as check_suites does, test sets without `test` included.
    """
    if given is None:
        return None
    # Test sets of several domains may have one short name: they are given whole.
    short = {n.partition("/")[2]: n for n in CODE_SUITES if n not in TEST_SUITES}
    names = [part for text in given for part in text.split(",") if part]
    return check_suites([short.get(name, name) for name in names], test=test)


def check_evaluation(
    config: RunConfig, domains: Mapping[str, Domain], *, test: bool = False
) -> None:
    """Refuse unknown suites, broken files and weak sandboxes before anything has started.

    `domains` are those that there are already; others are made. Test sets are refused but with
    `test`.

    Raises:
        InputError: in one line, a broken row by its number.
    """
    suites = check_suites(config.suites, test=test)
    suites += [PUZZLES] if config.eval.puzzles is not None else []
    for name in dict.fromkeys(domain_of_suite(suite) for suite in suites):
        (domains.get(name) or make_domain(name, config)).check()


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
    checkpoint = run_dir.latest_checkpoint()
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
    check_evaluation(config, {})
    prompts = config.eval.base_prompts if found.run_dir is None else ()
    with evaluator_of(config, found.model, found.version) as evaluator:
        positions = config.eval.positions
        return evaluator.evaluate(
            "eval", step=found.version, positions=positions, suites=suites, prompts=prompts
        )


def _is_run(target: str) -> bool:
    return any((p / "config.yaml").exists() for p in (Path(target), Path("runs") / target))
