"""Grouped-query attention as three batched products: samplers' and learner's on the CPU.

torch's fused CPU kernel recomputes the scores in its backward pass at a small fraction of the
processor's matrix speed; for rows of a few hundred tokens plain products are two to three times
faster (benchmarks/learning.py), and a step of decoding gains since keys and values are never
repeated per query head.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

GROUPED = "grouped"


def attention_for(device: str | torch.device) -> str:
    """Return the name of the attention that is fastest on `device`."""
    return GROUPED if torch.device(device).type == "cpu" else "sdpa"


def grouped_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend; shapes as in transformers' attention functions.

    Args:
        module: the attention layer, unused.
        query: (B, heads, W, D).
        key: (B, kv_heads, S, D), heads a multiple of kv_heads.
        value: like `key`.
        attention_mask: additive (B, 1, W, S), or bool with True where a place may look.
        scaling: factor of the scores; None is D ** -0.5.
        dropout: must be 0.

    Returns:
        (B, W, heads, D), and None for the weights.
    """
    if dropout:
        raise ValueError("grouped attention has no dropout")
    batch, heads, width, dim = query.shape
    kv_heads, length = key.shape[1], key.shape[2]
    scale = dim**-0.5 if scaling is None else scaling
    rows = (query * scale).reshape(batch * kv_heads, heads // kv_heads * width, dim)
    keys = key.reshape(batch * kv_heads, length, dim)
    values = value.reshape(batch * kv_heads, length, dim)
    scores = torch.bmm(rows, keys.transpose(1, 2)).view(batch, heads, width, length)
    if attention_mask is not None:
        if attention_mask.dtype == torch.bool:
            floor = torch.finfo(scores.dtype).min
            attention_mask = torch.zeros_like(attention_mask, dtype=scores.dtype).masked_fill(
                ~attention_mask, floor
            )
        scores = scores + attention_mask
    weights = torch.softmax(scores, dim=-1).view(batch * kv_heads, -1, length)
    out = torch.bmm(weights, values).view(batch, heads, width, dim)
    return out.transpose(1, 2), None


AttentionInterface.register(GROUPED, grouped_attention)
AttentionMaskInterface.register(GROUPED, eager_mask)
