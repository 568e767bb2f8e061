"""What every sampler engine takes and returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from selfplay.records import Finish, Sample, SampleRequest


class SamplerEngine(Protocol):
    """A model that completes prompts and takes new weights."""

    version: int

    def sample(self, requests: Sequence[SampleRequest]) -> list[list[Sample]]:
        """Return the samples of each request, in order."""

    def update_weights(self, version: int, tensors: Mapping[str, Any]) -> None:
        """Replace the weights by those of policy `version`; every parameter must be there."""


__all__ = ["Finish", "Sample", "SampleRequest", "SamplerEngine"]
