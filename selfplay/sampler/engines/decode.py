"""Decoding a batch: P prompts, G rows after each, one forward of all rows per token.

The samples of a prompt are the query rows of one batch row; under a 4-D mask each sees the shared
prompt and its own tokens, which lie in the cache step by step, G columns each. Rows that have ended
are carried along only until a quarter of the rows can be left out: then the remaining rows move
together, in the cache too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
from transformers import DynamicCache

from selfplay.models.windows import Masks, Windows
from selfplay.sampler.engines.base import Sample, SampleRequest
from selfplay.sampler.engines.stopping import TEXT_STOPS, StopTables

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WORTH = 0.75
"""Rows are moved together when no more than this share of them goes on."""


class Prefiller(Protocol):
    """What Decode needs of its engine."""

    model: PreTrainedModel

    @property
    def device(self) -> torch.device:
        """The device that the model is on."""

    windows: Windows

    def prefill(self, prompts: list[torch.Tensor]) -> tuple[DynamicCache, torch.Tensor]:
        """Return the prompts' cache and the logits after their last tokens."""


class Decode:
    """One batch of requests being decoded, ascending in prompt length; T steps at most."""

    def __init__(
        self, engine: Prefiller, stops: StopTables, requests: Sequence[SampleRequest]
    ) -> None:
        self.engine = engine
        self.stops = stops
        self.requests = requests
        device = engine.device
        self.P = len(requests)
        self.G = max(r.n for r in requests)
        self.T = max(r.max_tokens for r in requests)
        self.lengths = torch.tensor([len(r.prompt_ids) for r in requests], device=device)
        self.temperature = torch.tensor([r.temperature for r in requests], device=device)
        self.uniforms = self._draws()
        self.live = torch.arange(self.G) < torch.tensor([[r.n] for r in requests])
        self.limits = torch.tensor([[r.max_tokens] for r in requests])
        self.tokens = torch.zeros(self.P, self.G, self.T, dtype=torch.long)
        self.logprobs = torch.zeros(self.P, self.G, self.T)
        self.counts = torch.zeros(self.P, self.G, dtype=torch.long)
        self.stopped = torch.zeros(self.P, self.G, dtype=torch.bool)
        # Which prompts (p,) and which of their rows (p, g) are still being forwarded.
        self.prompts = torch.arange(self.P)
        self.rows = torch.arange(self.G).expand(self.P, -1)

    def _draws(self) -> torch.Tensor:
        """Uniform numbers (P, G, T) in [0, 1): each request's own, whatever the batch."""
        draws = torch.zeros(self.P, self.G, self.T)
        for i, request in enumerate(self.requests):
            generator = torch.Generator().manual_seed(request.seed)
            draws[i, : request.n, : request.max_tokens] = torch.rand(
                request.n, request.max_tokens, generator=generator
            )
        return draws

    def run(self) -> list[list[Sample]]:
        """Return the samples of each request, in order."""
        device = self.engine.device
        cache, first = self.engine.prefill(
            [torch.tensor(r.prompt_ids, device=device) for r in self.requests]
        )
        logits = first[:, None, :].expand(self.P, self.G, -1)
        longest = int(self.lengths[-1])
        for t in range(self.T):
            tokens = self._step(t, logits)
            if not self.live.any():
                break
            tokens = self._move_together(tokens, cache, longest, t)
            lengths = self.lengths[self.prompts.to(device)]
            positions = (lengths[:, None] + t).expand(tokens.shape)
            # The whole model, not its trunk: families scale or cap the logits after the head.
            logits = self.engine.model(
                input_ids=tokens.to(device),
                position_ids=positions,
                attention_mask=self._masks(lengths, positions, longest, t),
                cache=cache,
                use_cache=True,
                **self.engine.windows.arguments,
            ).logits
        return self._samples()

    def _masks(self, lengths: torch.Tensor, positions: torch.Tensor, longest: int, t: int) -> Masks:
        """Return the masks (p, 1, g, longest + (t+1)g) of the tokens of step `t`."""
        count, rows = self.rows.shape
        device = lengths.device
        columns = torch.arange(longest, device=device)
        prompt = columns < lengths[:, None]
        own = torch.eye(rows, dtype=torch.bool, device=device).expand(count, -1, -1)
        mask = torch.cat([prompt[:, None].expand(-1, rows, -1), *([own] * (t + 1))], dim=2)
        if self.engine.windows.width is None:
            return mask[:, None]
        steps = torch.arange(t + 1, device=device).repeat_interleave(rows)
        keys = torch.cat([columns.expand(count, -1), lengths[:, None] + steps], dim=1)
        return self.engine.windows.masks(mask[:, None], positions, keys)

    def _move_together(
        self, tokens: torch.Tensor, cache: DynamicCache, longest: int, t: int
    ) -> torch.Tensor:
        """Leave out what has ended, if that is worth it; return the tokens (p, g) still to go."""
        live = self.live[self.prompts[:, None], self.rows]
        counts = live.sum(1)
        left = counts > 0
        size = int(counts.max())
        if int(left.sum()) * size > WORTH * live.numel():
            return tokens
        # Rows that live come first; a prompt with fewer of them is filled up with ended ones.
        order = torch.argsort(~live[left], dim=1, stable=True)[:, :size]
        columns = torch.arange(t)[None, :, None] * live.shape[1] + order[:, None, :]
        _keep(cache, left, longest, columns.flatten(1))
        self.prompts = self.prompts[left]
        self.rows = self.rows[left].gather(1, order)
        return tokens[left].gather(1, order)

    def _step(self, t: int, logits: torch.Tensor) -> torch.Tensor:
        """Choose, record and return the tokens (p, g) of step `t` from logits (p, g, V)."""
        at = (self.prompts[:, None], self.rows)
        live = self.live[at]
        chosen, logprobs = self._choose(t, logits)
        tokens, logprobs = chosen.cpu(), logprobs.cpu()
        self.tokens[(*at, t)] = torch.where(live, tokens, 0)
        self.logprobs[(*at, t)] = torch.where(live, logprobs, 0.0)
        self.counts[at] += live
        ended = torch.zeros_like(live)
        for i, prompt in enumerate(self.prompts.tolist()):
            stop = self.requests[prompt].stop
            ended[i] = self.stops.ends(stop, tokens[i], first=t == 0)
            if stop in TEXT_STOPS:
                for j in (live[i] & ~ended[i]).nonzero()[:, 0].tolist():
                    ids = self.tokens[prompt, self.rows[i, j], : t + 1].tolist()
                    ended[i, j] = self.stops.text_ended(stop, ids)
        self.stopped[at] |= live & ended
        self.live[at] = live & ~ended & (t + 1 < self.limits[self.prompts])
        return tokens

    def _choose(self, t: int, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw by inverse cumulative probability, or take the maximum where greedy."""
        temperature = self.temperature[self.prompts.to(logits.device)]
        greedy = temperature == 0
        scaled = logits.float() / torch.where(greedy, 1.0, temperature)[:, None, None]
        logprobs = torch.log_softmax(scaled, dim=-1)
        if bool(greedy.all()):
            chosen = logprobs.argmax(-1)
        else:
            cumulative = logprobs.exp().cumsum(-1)
            uniform = self.uniforms[self.prompts[:, None], self.rows, t].to(logits.device)
            draw = uniform * cumulative[..., -1]
            chosen = torch.searchsorted(cumulative, draw[..., None], right=True)[..., 0]
            chosen = chosen.clamp_(max=logits.shape[-1] - 1)
            if bool(greedy.any()):
                chosen = torch.where(greedy[:, None], logprobs.argmax(-1), chosen)
        return chosen, logprobs.gather(-1, chosen[..., None])[..., 0]

    def _samples(self) -> list[list[Sample]]:
        answers = []
        for i, request in enumerate(self.requests):
            row = []
            for j in range(request.n):
                count = int(self.counts[i, j])
                row.append(
                    Sample(
                        tuple(self.tokens[i, j, :count].tolist()),
                        tuple(self.logprobs[i, j, :count].tolist()),
                        "stop" if self.stopped[i, j] else "length",
                    )
                )
            answers.append(row)
        return answers


def _keep(cache: Any, left: torch.Tensor, longest: int, columns: torch.Tensor) -> None:
    """Keep the batch rows `left` (p,), of each the prompt and the own `columns` (p', c)."""
    for layer in cache.layers:
        device = layer.keys.device
        kept = left.to(device)
        for name in ("keys", "values"):
            tensor = getattr(layer, name)[kept]
            at = columns.to(device)[:, None, :, None].expand(
                -1, tensor.shape[1], -1, tensor.shape[3]
            )
            own = tensor[:, :, longest:].gather(2, at)
            setattr(layer, name, torch.cat([tensor[:, :, :longest], own], dim=2))
