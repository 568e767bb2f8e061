"""The sampler actor: the policy, and its guests, on one device."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ray

from selfplay.cluster.actors import whereabouts
from selfplay.config.run import RunConfig
from selfplay.models.memory import release_free_memory
from selfplay.sampler.engines import Sample, SampleRequest

if TYPE_CHECKING:
    from selfplay.sampler.engines.hf import HFEngine


@ray.remote(concurrency_groups={"watch": 1})
class SamplerActor:
    """One sampler: a model on its device, in a sampler engine.

    Other models (a frozen version, the champion) are its guests: loaded when they are first asked,
    and unloaded when another one needs the room or when they are dismissed.
    """

    def __init__(self, config: dict[str, Any], model: str, version: int) -> None:
        import torch

        from selfplay.models.load import load_tokenizer

        self._doing = "loading the model"
        self._settings = RunConfig.model_validate(config).sampler
        self._threads = self._settings.threads or os.cpu_count() or 1
        torch.set_num_threads(self._threads)
        self._tokenizer = load_tokenizer(model)
        self._engine = self._load(model)
        self._engine.version = version
        self._guests: OrderedDict[str, HFEngine] = OrderedDict()
        self._doing = "idle"

    def sample(self, version: int, requests: Sequence[SampleRequest]) -> list[list[Sample]]:
        """Return the samples of each request, from policy `version` and no other."""
        if version != self._engine.version:
            raise RuntimeError(f"asked for version {version}, holds {self._engine.version}")
        return self._sample(self._engine, f"version {version}", requests)

    def sample_guest(self, model: str, requests: Sequence[SampleRequest]) -> list[list[Sample]]:
        """Return the samples of each request from another model with the same tokenizer.

        Args:
            model: its folder, or whatever `model:` takes.
            requests: as for `sample`.
        """
        if model not in self._guests:
            self._doing = f"loading {model}"
            while len(self._guests) >= self._settings.guests:
                self._guests.popitem(last=False)
            release_free_memory()
            self._guests[model] = self._load(model)
        self._guests.move_to_end(model)
        return self._sample(self._guests[model], model, requests)

    def dismiss_guests(self) -> None:
        """Free the memory of all guests."""
        self._guests.clear()
        release_free_memory()

    def _load(self, model: str) -> HFEngine:
        import torch

        from selfplay.models.attention import attention_for
        from selfplay.models.load import auto_dtype, load_model
        from selfplay.sampler.engines.hf import HFEngine

        device = "cuda" if torch.cuda.is_available() else "cpu"
        loaded = load_model(
            model,
            dtype=auto_dtype(self._settings.dtype, device),
            device=device,
            attention=attention_for(device),
        )
        own: HFEngine | None = getattr(self, "_engine", None)
        return HFEngine(
            loaded,
            self._tokenizer,
            prefill_tokens=self._settings.prefill_tokens,
            stops=None if own is None else own.stops,
        )

    def _sample(
        self, engine: HFEngine, name: str, requests: Sequence[SampleRequest]
    ) -> list[list[Sample]]:
        import torch

        # OpenMP keeps its number of threads per thread, and Ray may run this in another one.
        torch.set_num_threads(self._threads)
        self._doing = f"sampling {len(requests)} prompts from {name}"
        try:
            return engine.sample(requests)
        finally:
            release_free_memory()
            self._doing = "idle"

    def update_weights(self, version: int, weights: dict[str, Any]) -> int:
        """Take the published weights of `version` (see models/transfer.py); returns it."""
        from selfplay.models.transfer import unpack_weights

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
