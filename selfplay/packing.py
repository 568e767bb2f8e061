"""The learner's shared-prefix packing: G completions behind one prompt in one row.

A row of the packed batch is `[prompt without its last token | segment 1 | ... | segment G]`. A
segment starts with a copy of the prompt's last token, followed by the completion without its last
token, so the state at each of its T places predicts the completion token at that place. The 4-D
mask lets a segment see the shared prompt and itself; positions restart behind the prompt. The
prompt is forwarded once for the group where the usual layout forwards it G times.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Packed:
    """A packed micro-batch of P groups.

    input_ids and position_ids: (P, L-1 + G*T); attention_mask: bool (P, 1, W, W), True where a
    place may look; keep: (G*T,) columns whose states predict completion tokens; labels: (P, G*T).
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    attention_mask: torch.Tensor
    keep: torch.Tensor
    labels: torch.Tensor


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
    lengths = prompt_real.sum(1)
    shared = prompts - 1
    device = input_ids.device
    head = (torch.arange(shared, device=device) - (prompts - lengths)[:, None]).clamp(min=0)
    tail = lengths[:, None] - 1 + torch.arange(steps, device=device).repeat(group_size)
    mask = _mask(prompt_real[:, :shared], group_size, steps)
    return Packed(
        input_ids=torch.cat([prompt[:, :shared], segments], dim=1),
        position_ids=torch.cat([head, tail], dim=1),
        attention_mask=mask,
        keep=torch.arange(shared, shared + group_size * steps, device=device),
        labels=completion.reshape(groups, -1),
    )


def _mask(prompt_real: torch.Tensor, group_size: int, steps: int) -> torch.Tensor:
    """Return the bool mask (P, 1, W, W) for W = shared + G*T."""
    groups, shared = prompt_real.shape
    width = shared + group_size * steps
    device = prompt_real.device
    mask = torch.ones(width, width, dtype=torch.bool, device=device).tril()
    own = torch.arange(group_size, device=device).repeat_interleave(steps)
    mask[shared:, shared:] &= own[:, None] == own[None, :]
    mask = mask.repeat(groups, 1, 1)
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
