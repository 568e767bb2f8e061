"""The Hugging Face engine: one prefill per prompt, all its samples decoded after it.

`generate` repeats the prompt once per sample. Here the prompts of a batch are prefilled once, in
buckets of like length, and the samples of a prompt are the query rows of one batch row: under a
4-D mask each sees the shared prompt and its own tokens. A decoding step is then one forward of
(prompts, samples) tokens over one shared KV cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from transformers import DynamicCache

from selfplay.models.windows import Windows
from selfplay.sampler.engines.base import Sample, SampleRequest
from selfplay.sampler.engines.decode import Decode
from selfplay.sampler.engines.stopping import StopTables

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class HFEngine:
    """Packed sampling with a plain transformers causal language model.

    Args:
        model: in evaluation mode, every layer with full or sliding attention.
        tokenizer: for the stop rules; None with `stops`.
        prefill_tokens: padded prompt tokens per prefill forward.
        cache_tokens: padded KV positions per decoded batch; more requests go in several batches.
        stops: tables of an engine with the same tokenizer; making them reads the whole vocabulary.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase | None,
        *,
        version: int = 0,
        prefill_tokens: int = 1024,
        cache_tokens: int = 12_288,
        stops: StopTables | None = None,
    ) -> None:
        self.model = model
        self.version = version
        self._prefill_tokens = prefill_tokens
        self._cache_tokens = cache_tokens
        self.windows = Windows.of(model)
        self.stops = stops or _stop_tables(model, tokenizer)

    @property
    def device(self) -> torch.device:
        """The device that the model is on."""
        device: torch.device = self.model.device
        return device

    def update_weights(self, version: int, tensors: Mapping[str, torch.Tensor]) -> None:
        """Copy `tensors` (by parameter name) into the model, which becomes policy `version`.

        Raises ValueError, with the old weights still whole, where one is missing or misshapen.
        """
        parameters = dict(self.model.named_parameters())
        missing = parameters.keys() - tensors.keys()
        if missing:
            raise ValueError(f"version {version}: no weights for {sorted(missing)[:3]}")
        odd = [n for n, p in parameters.items() if tensors[n].shape != p.shape]
        if odd:
            raise ValueError(f"version {version}: weights of another shape for {sorted(odd)[:3]}")
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(tensors[name])
        self.version = version

    @torch.inference_mode()
    def sample(self, requests: Sequence[SampleRequest]) -> list[list[Sample]]:
        """Return the samples of each request, in order; see SamplerEngine.

        Raises ValueError for an empty prompt.
        """
        if any(not r.prompt_ids for r in requests):
            raise ValueError("a prompt is empty")
        order = sorted(range(len(requests)), key=lambda i: (len(requests[i].prompt_ids), i))
        answers: list[list[Sample]] = [[] for _ in requests]
        for batch in self._batches(order, requests):
            decoded = Decode(self, self.stops, [requests[i] for i in batch]).run()
            for i, samples in zip(batch, decoded, strict=True):
                answers[i] = samples
        return answers

    def _batches(self, order: list[int], requests: Sequence[SampleRequest]) -> list[list[int]]:
        """Cut `order` (by prompt length) so that each batch's padded cache fits."""
        batches: list[list[int]] = []
        widest = 0
        for i in order:
            width = len(requests[i].prompt_ids) + requests[i].n * requests[i].max_tokens
            widest = max(widest, width) if batches else width
            if not batches or (len(batches[-1]) + 1) * widest > self._cache_tokens:
                batches.append([])
                widest = width
            batches[-1].append(i)
        return batches

    def prefill(self, prompts: list[torch.Tensor]) -> tuple[DynamicCache, torch.Tensor]:
        """Forward prompts (ascending in length) once.

        Returns the KV cache of shape (P, heads, longest, dim) per layer, padded on the right, and
        the logits (P, V) after each prompt's last token.
        """
        longest = len(prompts[-1])
        buckets: list[list[torch.Tensor]] = []
        for ids in prompts:
            if not buckets or (len(buckets[-1]) + 1) * len(ids) > self._prefill_tokens:
                buckets.append([])
            buckets[-1].append(ids)
        merged = DynamicCache()
        logits = []
        start = 0
        for bucket in buckets:
            padded = torch.nn.utils.rnn.pad_sequence(bucket, batch_first=True)
            cache = DynamicCache()
            # Padding is on the right and the mask causal: no real token ever sees a pad.
            with _only_last(self.model, [len(ids) - 1 for ids in bucket]):
                out = self.model(
                    input_ids=padded, cache=cache, use_cache=True, **self.windows.arguments
                )
            logits.append(out.logits[:, 0])
            rows = slice(start, start + len(bucket))
            for i, layer in enumerate(cache.layers):
                if start == 0:
                    room = (
                        _room(kept, len(prompts), longest) for kept in (layer.keys, layer.values)
                    )
                    merged.update(*room, i)
                merged.layers[i].keys[rows, :, : padded.shape[1]] = layer.keys
                merged.layers[i].values[rows, :, : padded.shape[1]] = layer.values
            start += len(bucket)
        return merged, torch.cat(logits)


def _room(kept: torch.Tensor, prompts: int, longest: int) -> torch.Tensor:
    """Return zeros like keys or values (B, heads, S, D), for all prompts at their full length."""
    return kept.new_zeros(prompts, kept.shape[1], longest, kept.shape[3])


@contextmanager
def _only_last(model: PreTrainedModel, ends: list[int]) -> Iterator[None]:
    """Let the model's head see one place per row; what comes after the head still happens."""

    def pick(_: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        hidden = given[0]
        columns = torch.tensor(ends, device=hidden.device)
        return hidden[torch.arange(len(ends), device=hidden.device), columns][:, None], *given[1:]

    handle = model.get_output_embeddings().register_forward_pre_hook(pick)
    try:
        yield
    finally:
        handle.remove()


def _stop_tables(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None) -> StopTables:
    if tokenizer is None:
        raise ValueError("an engine needs a tokenizer or the stop tables of one")
    eos = model.generation_config.eos_token_id if model.generation_config else None
    ids = {tokenizer.eos_token_id, *(eos if isinstance(eos, list) else [eos])} - {None}
    return StopTables(tokenizer, ids, model.get_output_embeddings().weight.shape[0])
