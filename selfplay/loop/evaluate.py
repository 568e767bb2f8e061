"""Held-out evaluation of the samplers' policy: every suite by its domain, with intervals."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from envs import Prompt
from envs.errors import InputError
from envs.text import clean_text
from selfplay.cluster.session import ray_session
from selfplay.config.run import RunConfig
from selfplay.display.numbers import prompt_name
from selfplay.domains.base import Domain, Progress
from selfplay.domains.made import Domains
from selfplay.league.sampled import AskSamplers
from selfplay.models.load import load_tokenizer, model_context
from selfplay.records import SampleRequest
from selfplay.registry import check_suites, domain_of_suite, specs, suite_names
from selfplay.rundir.folder import RunDir
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
        prompts: bool = False,
        progress: Progress = lambda _: None,
        guest: str | None = None,
    ) -> dict[str, Any]:
        """Return an evaluation record: per suite the policy's numbers and every row.

        `test` allows test sets among `suites`. Raises InputError as check_suites does.
        With `prompts` suites are asked again in the ways that `eval.base_prompts` names, as far as
        their domain has several, at `eval.base_positions` positions.
        `guest` is another model with the policy's tokenizer, version `step` of the run, which is
        measured in the policy's place.
        """
        sample = None if guest is None else functools.partial(self._samplers.sample_guest, guest)
        ask = functools.partial(self.ask, sample=sample)
        start = time.monotonic()
        config, domains = self._config, Domains(self._config)
        wanted = check_suites(suites or config.suites, test=test)
        if suites is None:
            wanted += own_suites(domains)
        result: dict[str, Any] = {}
        for name_ in specs():
            mine = [suite for suite in wanted if domain_of_suite(suite) == name_]
            if not mine:
                continue
            scorers = ScorerPool(config, [name_], evaluating=True)
            try:
                for suite in mine:
                    domain = domains[name_]
                    found = domain.evaluate(suite, positions, ask, scorers.score, progress)
                    if prompts and suite in suite_names(test=True):
                        found["prompts"] = self._variants(domain, suite, scorers, progress)
                    result[suite] = found
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

    def _variants(
        self, domain: Domain, suite: str, scorers: ScorerPool, progress: Progress
    ) -> list[dict[str, Any]]:
        """Return a suite's numbers under the domain's other prompts, each with prompt and rows."""
        found = []
        for form, variant in domain.variants():
            words = form.model_dump()
            positions, name = self._config.eval.base_positions, prompt_name(words)
            note = functools.partial(_with_prompt, progress, name)
            numbers = variant.evaluate(suite, positions, self.ask, scorers.score, note)
            found.append({**words, "positions": positions, **numbers})
        return found

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


def _with_prompt(progress: Progress, name: str, text: str) -> None:
    progress(f"{text}, {name}")


def own_suites(domains: Domains) -> list[str]:
    """Return the suites that the configuration asks for by keys of their own."""
    asked = [domains[name] for name, spec in specs().items() if spec.extra_suites]
    return [suite for domain in asked for suite in domain.own_suites()]


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


def check_evaluation(
    config: RunConfig, domains: Domains | None = None, *, test: bool = False
) -> None:
    """Refuse unknown suites, broken files and weak sandboxes before anything has started.

    `domains` are those of the run; without them they are made. Test sets are refused but with
    `test`.

    Raises:
        InputError: in one line, a broken row by its number.
    """
    domains = domains or Domains(config)
    suites = check_suites(config.suites, test=test) + own_suites(domains)
    for name in dict.fromkeys(domain_of_suite(suite) for suite in suites):
        domains[name].check()


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
    check_evaluation(config)
    prompts = found.run_dir is None
    with evaluator_of(config, found.model, found.version) as evaluator:
        positions = config.eval.positions
        return evaluator.evaluate(
            "eval", step=found.version, positions=positions, suites=suites, prompts=prompts
        )


def _is_run(target: str) -> bool:
    return any((p / "config.yaml").exists() for p in (Path(target), Path("runs") / target))
