"""A policy that plays through a run's samplers: their own version, or a frozen one as guest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from selfplay.league.policy import Manner, PolicyPlayer, Sampling
from selfplay.sampler.engines.base import Sample, SampleRequest

AskSamplers = Callable[[Sequence[SampleRequest]], list[list[Sample]]]


@dataclass(frozen=True, slots=True)
class _Through:
    """A function as something that samples."""

    call: AskSamplers

    def sample(self, requests: Sequence[SampleRequest]) -> list[list[Sample]]:
        return self.call(requests)


class SampledPolicy(PolicyPlayer):
    """A PolicyPlayer without a model of its own: a run's samplers hold the weights already.

    Args:
        name: as in `selfplay match`, so that ratings know it as the same player.
        version: the policy version.
        manner: how it is asked.
        sample: requests in, samples out; which weights answer is the caller's to know.
        tokenizer: the run's.
        context: the longest sequence that the model takes, in tokens.
    """

    def __init__(
        self,
        name: str,
        version: str,
        manner: Manner,
        sample: AskSamplers,
        tokenizer: Any,
        context: int,
    ) -> None:
        super().__init__(name, version, "", manner)
        self._loaded = _Through(sample), tokenizer, context

    @override
    def close(self) -> None:
        """Do nothing: the samplers stay."""

    def _load(self) -> tuple[Sampling, Any, int]:
        raise RuntimeError(f"{self.name}: the samplers' policy is never loaded here")

    @staticmethod
    def _trim() -> None:
        """The samplers trim their own memory."""
