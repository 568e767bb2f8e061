"""Grouped-query attention as three batched products: samplers' and learner's on the CPU.

torch's fused CPU kernel recomputes the scores in its backward pass at a small fraction of the
processor's matrix speed; for rows of a few hundred tokens plain products are two to three times
faster (benchmarks/learning.py), and a step of decoding gains since keys and values are never
repeated per query head.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, AutoModelForCausalLM
from transformers.masking_utils import eager_mask

GROUPED = "grouped"


def attention_for(device: str | torch.device) -> str:
    """Return the name of the attention that is fastest on `device`."""
    return GROUPED if torch.device(device).type == "cpu" else "sdpa"


def implementation(config: Any, wanted: str) -> str:
    """Return `wanted`, or what comes nearest to it among what the model's family can do.

    sdpa has neither a cap nor sinks, so families with one of them refuse it; families that are
    older than transformers' attention interface know eager alone, or eager and sdpa.
    """
    family = AutoModelForCausalLM._model_mapping.get(type(config), None)
    open_to_all = getattr(family, "_supports_attention_backend", False)
    if wanted == "sdpa" and not getattr(family, "_supports_sdpa", True):
        return GROUPED if open_to_all else "eager"
    if wanted == GROUPED and not open_to_all:
        return "sdpa" if getattr(family, "_supports_sdpa", False) else "eager"
    return wanted


def grouped_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend; shapes and arguments as in transformers' attention functions.

    Args:
        module: the attention layer, unused.
        query: (B, heads, W, D).
        key: (B, kv_heads, S, D), heads a multiple of kv_heads.
        value: (B, kv_heads, S, E); E is D but in multi-head latent attention.
        attention_mask: additive (B, 1, W, S), or bool with True where a place may look.
        scaling: factor of the scores; None is D ** -0.5.
        dropout: must be 0.
        softcap: bound of the scores, c tanh(score / c) (Gemma 2, 2408.00118).
        s_aux: (heads,) a sink's score per head, which takes weight and has no value (gpt-oss).

    Returns:
        (B, W, heads, E), and None for the weights.
    """
    if dropout:
        raise ValueError("grouped attention has no dropout")
    batch, heads, width, dim = query.shape
    kv_heads, length = key.shape[1], key.shape[2]
    scale = dim**-0.5 if scaling is None else scaling
    rows = (query * scale).reshape(batch * kv_heads, heads // kv_heads * width, dim)
    keys = key.reshape(batch * kv_heads, length, dim)
    values = value.reshape(batch * kv_heads, length, value.shape[3])
    scores = torch.bmm(rows, keys.transpose(1, 2)).view(batch, heads, width, length)
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if attention_mask is not None:
        if attention_mask.dtype == torch.bool:
            floor = torch.finfo(scores.dtype).min
            attention_mask = torch.zeros_like(attention_mask, dtype=scores.dtype).masked_fill(
                ~attention_mask, floor
            )
        scores = scores + attention_mask
    if s_aux is not None:
        sinks = s_aux.to(scores.dtype).view(1, heads, 1, 1).expand(batch, -1, width, 1)
        scores = torch.cat([scores, sinks], dim=-1)
    weights = torch.softmax(scores, dim=-1)[..., :length]
    weights = weights.reshape(batch * kv_heads, -1, length)
    out = torch.bmm(weights, values).view(batch, heads, width, -1)
    return out.transpose(1, 2), None


AttentionInterface.register(GROUPED, grouped_attention)
AttentionMaskInterface.register(GROUPED, eager_mask)
