"""The samplers of a run: prompts in, samples out, always on one policy version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from selfplay.cluster.placement import bundle
from selfplay.cluster.pools import ActorPool
from selfplay.config.run import RunConfig
from selfplay.sampler.actor import SamplerActor
from selfplay.sampler.engines import Sample, SampleRequest


class SamplerPool:
    """All samplers, always on one policy version.

    Args:
        config: the run's.
        model: what every sampler loads.
        version: the policy version that it is.
        gpus: per sampler.
        actor: the samplers' class; a benchmark puts a simulated one in its place.
    """

    def __init__(
        self, config: RunConfig, model: str, version: int, gpus: float, actor: Any = SamplerActor
    ) -> None:
        self.version = version
        self._source = model, version
        needs = bundle(config.sampler.cpus, gpus, config.sampler.resources)
        settings = config.as_json()

        def make(_: int) -> Any:
            options: dict[str, Any] = {
                "num_cpus": config.sampler.cpus,
                "num_gpus": gpus,
                "resources": config.sampler.resources,
            }
            return actor.options(**options).remote(settings, *self._source)

        self._pool = ActorPool(
            "sampler",
            make,
            count=config.sampler.count,
            deadline_s=config.sampler.deadline_s,
            start_s=config.ray.start_s,
            needs=needs,
        )

    def sample(self, requests: Sequence[SampleRequest]) -> list[list[Sample]]:
        """Return the samples of each request, in order.

        Requests are dealt by prompt length, so that what is sampled together depends on nothing but
        the requests and `sampler.count`, also when samplers are lost.
        """
        return self._dealt("sample", self.version, requests)

    def sample_guest(self, model: str, requests: Sequence[SampleRequest]) -> list[list[Sample]]:
        """Return the samples of each request from another model than the policy, in order.

        It must have the policy's tokenizer: a frozen version, or the model that the run began with.
        """
        return self._dealt("sample_guest", model, requests)

    def dismiss_guests(self) -> None:
        """Let every sampler free what it holds besides the policy."""
        self._pool.each("dismiss_guests")

    def _dealt(
        self, method: str, who: int | str, requests: Sequence[SampleRequest]
    ) -> list[list[Sample]]:
        order = sorted(range(len(requests)), key=lambda i: len(requests[i].prompt_ids))
        shares = [order[i :: len(self._pool)] for i in range(len(self._pool))]
        shares = [share for share in shares if share]
        calls = [(who, [requests[i] for i in share]) for share in shares]
        answers: list[list[Sample]] = [[] for _ in requests]
        for share, result in zip(shares, self._pool.map(method, calls), strict=True):
            for i, samples in zip(share, result, strict=True):
                answers[i] = samples
        return answers

    def update_weights(self, version: int, weights: Any) -> None:
        """Bring every sampler to `version`; `weights` is an object reference, kept for new ones."""
        self.version = version
        self._pool.each("update_weights", version, weights)

    def wait_started(self) -> None:
        """Wait until every sampler has loaded."""
        self._pool.wait_started()

    def start_from(self, model: str) -> None:
        """Let samplers that start from now on load `model`, which holds the current version.

        Published weights die with the learner that published them.
        """
        self._source = model, self.version
        self._pool.forget()

    @property
    def events(self) -> list[dict[str, Any]]:
        """Where samplers were placed and lost; see placement.event."""
        return self._pool.events

    @property
    def replaced(self) -> int:
        """How many samplers died or hung and were replaced."""
        return self._pool.replaced

    def close(self) -> None:
        """Kill the samplers."""
        self._pool.close()
