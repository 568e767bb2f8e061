"""What every sampler engine takes and returns. No torch, no Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from envs import Stop

Finish = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """`n` completions of one prompt.

    `temperature` 0 is greedy. `seed` alone decides the draws: they do not depend on what else is
    in the batch.
    """

    prompt_ids: tuple[int, ...]
    n: int
    max_tokens: int
    stop: Stop
    temperature: float
    seed: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One completion: ids and log-probs (nats, at the sampling temperature) have equal length.

    The token that stopped the completion is its last id: the policy learns to stop.
    """

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: Finish


class SamplerEngine(Protocol):
    """A model that completes prompts and takes new weights."""

    version: int

    def sample(self, requests: Sequence[SampleRequest]) -> list[list[Sample]]:
        """Return the samples of each request, in order."""

    def update_weights(self, version: int, tensors: Mapping[str, Any]) -> None:
        """Replace the weights by those of policy `version`; every parameter must be there."""
