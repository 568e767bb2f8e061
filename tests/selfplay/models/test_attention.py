"""Grouped attention against torch's own, forward and backward."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from selfplay.models.attention import grouped_attention


def qkv(*, heads: int, kv_heads: int, width: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((2, heads, width, 8), (2, kv_heads, width, 8), (2, kv_heads, width, 8))
    return tuple(
        torch.randn(s, generator=generator, dtype=torch.float64, requires_grad=True) for s in shapes
    )


@pytest.mark.parametrize("additive", [False, True])
@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (6, 2), (3, 1)])
def test_equals_scaled_dot_product_attention(heads: int, kv_heads: int, additive: bool) -> None:
    width = 7
    mask = torch.rand(2, 1, width, width, generator=torch.Generator().manual_seed(1)) > 0.4
    mask |= torch.eye(width, dtype=torch.bool)
    given: torch.Tensor = mask
    if additive:
        given = torch.zeros(mask.shape, dtype=torch.float64).masked_fill(~mask, -1e30)
    ours = qkv(heads=heads, kv_heads=kv_heads, width=width)
    theirs = qkv(heads=heads, kv_heads=kv_heads, width=width)
    out, weights = grouped_attention(torch.nn.Module(), *ours, given, scaling=0.3)
    q, k, v = theirs
    repeat = heads // kv_heads
    expected = F.scaled_dot_product_attention(
        q,
        k.repeat_interleave(repeat, 1),
        v.repeat_interleave(repeat, 1),
        attn_mask=mask,
        scale=0.3,
    ).transpose(1, 2)
    assert weights is None
    torch.testing.assert_close(out, expected)
    probe = torch.randn(out.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    (out * probe).sum().backward()
    (expected * probe).sum().backward()
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, reference.grad)


def test_dropout_is_refused() -> None:
    with pytest.raises(ValueError, match="dropout"):
        grouped_attention(torch.nn.Module(), *qkv(heads=2, kv_heads=1, width=3), None, dropout=0.1)
