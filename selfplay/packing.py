"""The learner's shared-prefix packing: G completions behind one prompt in one row.

A row of the packed batch is `[prompt without its last token | segment 1 | ... | segment G]`. A
segment starts with a copy of the prompt's last token, followed by the completion without its last
token, so the state at each of its T places predicts the completion token at that place. The 4-D
mask lets a segment see the shared prompt and itself; positions restart behind the prompt. The
prompt is forwarded once for the group where the usual layout forwards it G times, and the padding
behind short completions is not forwarded at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Packed:
    """A packed micro-batch of P groups, N completion places each (the padding of rows left out).

    input_ids and position_ids: (P, L-1 + N); attention_mask: bool (P, 1, W, W), True where a place
    may look; keep: (N,) columns whose states predict completion tokens; labels: (P, N); place:
    (P, N) index of each place in the flat (G*T) completions of its group; real: (P, N), False on
    places that only fill up a group with fewer tokens.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    attention_mask: torch.Tensor
    keep: torch.Tensor
    labels: torch.Tensor
    place: torch.Tensor
    real: torch.Tensor

    def unpack(self, values: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
        """Return values (P, N) as rows (B, T), 0 where a completion has no token."""
        flat = values.new_zeros(values.shape[0], shape[0] * shape[1] // values.shape[0])
        kept = torch.where(self.real, values, 0.0)
        return flat.scatter_add(1, self.place, kept).view(shape)


def pack_groups(
    input_ids: torch.Tensor, attention_mask: torch.Tensor, completion_length: int, group_size: int
) -> Packed:
    """Pack rows laid out as TRL does into one row per group.

    Args:
        input_ids: (B, L + T), prompt padded on the left, completion padded on the right; B is a
            multiple of `group_size` and the rows of a group follow each other.
        attention_mask: (B, L + T), 1 on real tokens.
        completion_length: T.
        group_size: G.

    Raises:
        ValueError: a group's rows do not share one prompt.
    """
    batch, width = input_ids.shape
    steps, prompts = completion_length, width - completion_length
    groups = batch // group_size
    ids = input_ids.view(groups, group_size, width)
    real = attention_mask.view(groups, group_size, width).bool()
    prompt, prompt_real = ids[:, 0, :prompts], real[:, 0, :prompts]
    if not bool((ids[:, :, :prompts] == prompt[:, None]).all()):
        raise ValueError("packing: the rows of a group must share one prompt")
    completion = ids[:, :, prompts:]
    last = prompt[:, None, -1:].expand(-1, group_size, -1)
    segments = torch.cat([last, completion[:, :, :-1]], dim=2).reshape(groups, -1)
    place, kept = _real_places(real[:, :, prompts:].reshape(groups, -1))
    lengths = prompt_real.sum(1)
    shared = prompts - 1
    device = input_ids.device
    head = (torch.arange(shared, device=device) - (prompts - lengths)[:, None]).clamp(min=0)
    tail = lengths[:, None] - 1 + place % steps
    return Packed(
        input_ids=torch.cat([prompt[:, :shared], segments.gather(1, place)], dim=1),
        position_ids=torch.cat([head, tail], dim=1),
        attention_mask=_mask(prompt_real[:, :shared], place // steps),
        keep=torch.arange(shared, shared + place.shape[1], device=device),
        labels=completion.reshape(groups, -1).gather(1, place),
        place=place,
        real=kept,
    )


def _real_places(real: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the indices (P, N) of the True entries of `real` (P, G*T) in order, and which count.

    N is the largest number of them in a row, at least 1; shorter rows are filled up with others.
    """
    counts = real.sum(1)
    longest = max(int(counts.max()), 1)
    place = torch.argsort(~real, dim=1, stable=True)[:, :longest]
    return place, torch.arange(longest, device=real.device) < counts[:, None]


def _mask(prompt_real: torch.Tensor, segment: torch.Tensor) -> torch.Tensor:
    """Return the bool mask (P, 1, W, W) for W = shared + N; `segment` (P, N) numbers the rows."""
    groups, shared = prompt_real.shape
    width = shared + segment.shape[1]
    device = prompt_real.device
    mask = torch.ones(width, width, dtype=torch.bool, device=device).tril().repeat(groups, 1, 1)
    mask[:, shared:, shared:] &= segment[:, :, None] == segment[:, None, :]
    mask[:, :, :shared] &= prompt_real[:, None, :]
    # A pad sees itself: a row of the softmax with nothing to look at would be NaN.
    pads = torch.arange(shared, device=device)
    mask[:, pads, pads] = True
    return mask[:, None]


def token_logprobs(
    logits: torch.Tensor, labels: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the labels' log-probabilities and the entropies (nats), each shaped as `labels`."""
    scaled = logits.float() / temperature
    logprobs = torch.log_softmax(scaled, dim=-1)
    entropy = -(logprobs.exp() * logprobs).sum(-1)
    return logprobs.gather(-1, labels[..., None])[..., 0], entropy
