"""Held-out evaluation of the samplers' policy: every suite by its domain, with intervals."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from typing import Any

from envs import Prompt
from envs.text import clean_text
from selfplay.config.run import RunConfig
from selfplay.display.numbers import prompt_name
from selfplay.domains.base import Ask, Domain, Progress
from selfplay.domains.made import Domains
from selfplay.league.sampled import AskSamplers
from selfplay.records import SampleRequest
from selfplay.registry import check_suites, domain_of_suite, specs, suite_names
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
            wanted += domains.own_suites()
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
                        found["prompts"] = self._variants(domain, suite, ask, scorers, progress)
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
        self, domain: Domain, suite: str, ask: Ask, scorers: ScorerPool, progress: Progress
    ) -> list[dict[str, Any]]:
        """Return a suite's numbers under the domain's other prompts, each with prompt and rows."""
        found = []
        for form, variant in domain.variants():
            words = form.model_dump()
            positions, name = self._config.eval.base_positions, prompt_name(words)
            note = functools.partial(_with_prompt, progress, name)
            numbers = variant.evaluate(suite, positions, ask, scorers.score, note)
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


def check_evaluation(
    config: RunConfig, domains: Domains | None = None, *, test: bool = False
) -> None:
    """Refuse unknown suites, broken files and weak sandboxes before anything has started.

    `domains` are those of a run, which are checked whether or not it is measured on their suites;
    without them those of the suites are made. Test sets are refused but with `test`.

    Raises:
        InputError: in one line, a broken row by its number.
    """
    trained = () if domains is None else tuple(domains)
    made = Domains(config) if domains is None else domains
    suites = check_suites(config.suites, test=test) + made.own_suites()
    for name in dict.fromkeys([*map(domain_of_suite, suites), *trained]):
        made[name].check()
