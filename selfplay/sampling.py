"""The sampler actor and its pool: prompts in, samples out, weights by version."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import ray

from selfplay.actors import whereabouts
from selfplay.config import RunConfig
from selfplay.engines import Sample, SampleRequest
from selfplay.memory import release_free_memory
from selfplay.placement import bundle
from selfplay.pools import ActorPool


@ray.remote(concurrency_groups={"watch": 1})
class SamplerActor:
    """One sampler: a model on its device behind a sampler engine."""

    def __init__(self, config: dict[str, Any], model: str, version: int) -> None:
        import torch

        from selfplay.attention import attention_for
        from selfplay.engines.hf import HFEngine
        from selfplay.models import auto_dtype, load_model, load_tokenizer

        self._doing = "loading the model"
        settings = RunConfig.model_validate(config).sampler
        self._threads = settings.threads or os.cpu_count() or 1
        torch.set_num_threads(self._threads)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        loaded = load_model(
            model,
            dtype=auto_dtype(settings.dtype, device),
            device=device,
            attention=attention_for(device),
        )
        self._engine = HFEngine(
            loaded,
            load_tokenizer(model),
            version=version,
            prefill_tokens=settings.prefill_tokens,
        )
        self._doing = "idle"

    def sample(self, version: int, requests: Sequence[SampleRequest]) -> list[list[Sample]]:
        """Return the samples of each request, from policy `version` and no other."""
        import torch

        if version != self._engine.version:
            raise RuntimeError(f"asked for version {version}, holds {self._engine.version}")
        # OpenMP keeps its number of threads per thread, and Ray may run this in another one.
        torch.set_num_threads(self._threads)
        self._doing = f"sampling {len(requests)} prompts from version {version}"
        try:
            return self._engine.sample(requests)
        finally:
            release_free_memory()
            self._doing = "idle"

    def update_weights(self, version: int, weights: dict[str, Any]) -> int:
        """Take the published weights of `version` (see weights.py); returns it."""
        from selfplay.weights import unpack_weights

        self._doing = f"taking the weights of version {version}"
        self._engine.update_weights(version, unpack_weights(weights))
        self._doing = "idle"
        return version

    @ray.method(concurrency_group="watch")
    def doing(self) -> str:
        """Return what this actor is working on."""
        return self._doing

    @ray.method(concurrency_group="watch")
    def where(self) -> dict[str, Any]:
        """Return where this actor runs, once it has loaded."""
        return whereabouts()


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
        settings = config.model_dump(mode="json")

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
        order = sorted(range(len(requests)), key=lambda i: len(requests[i].prompt_ids))
        shares = [order[i :: len(self._pool)] for i in range(len(self._pool))]
        shares = [share for share in shares if share]
        calls = [(self.version, [requests[i] for i in share]) for share in shares]
        answers: list[list[Sample]] = [[] for _ in requests]
        for share, result in zip(shares, self._pool.map("sample", calls), strict=True):
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
