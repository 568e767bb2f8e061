"""The learner's packing: shapes, positions, labels, and the mask against a brute-force one."""

from __future__ import annotations

import itertools

import pytest
import torch

from selfplay.packing import Packed, pack_groups, token_logprobs


def rows(lengths: list[int], size: int, prompts: int, steps: int) -> tuple[torch.Tensor, ...]:
    """Rows as TRL lays them out; every id tells its group, row and place."""
    ids = torch.zeros(len(lengths) * size, prompts + steps, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row in range(len(ids)):
        group, length = row // size, lengths[row // size]
        for place in range(length):
            ids[row, prompts - length + place] = 1000 * (group + 1) + place
        for step in range(steps):
            ids[row, prompts + step] = 10_000 * (row + 1) + step
        mask[row, prompts - length : prompts + 1 + row % steps] = 1
    return ids, mask


def may_look(packed: Packed, prompts: int, steps: int, length: int, q: int, k: int) -> bool:
    """The rule, place by place: real prompt before me, or my own segment up to me."""
    shared = prompts - 1
    pads = prompts - length
    if q == k:
        return True
    if k > q:
        return False
    if k < shared:
        return k >= pads
    return q >= shared and (q - shared) // steps == (k - shared) // steps


@pytest.mark.parametrize(
    ("lengths", "size", "prompts", "steps"),
    [([3], 2, 3, 2), ([2, 4, 1], 3, 4, 2), ([5, 3], 2, 5, 1), ([1], 2, 1, 3), ([4, 6], 4, 6, 3)],
)
def test_mask_equals_brute_force(lengths: list[int], size: int, prompts: int, steps: int) -> None:
    packed = pack_groups(*rows(lengths, size, prompts, steps), steps, size)
    width = prompts - 1 + size * steps
    assert packed.attention_mask.shape == (len(lengths), 1, width, width)
    assert packed.attention_mask.dtype == torch.bool
    for group, length in enumerate(lengths):
        for q, k in itertools.product(range(width), repeat=2):
            expected = may_look(packed, prompts, steps, length, q, k)
            assert bool(packed.attention_mask[group, 0, q, k]) is expected, (group, q, k)


def test_ids_positions_and_labels_line_up() -> None:
    lengths, size, prompts, steps = [2, 4], 3, 4, 2
    ids, mask = rows(lengths, size, prompts, steps)
    packed = pack_groups(ids, mask, steps, size)
    assert packed.input_ids.shape == packed.position_ids.shape == (2, 3 + 3 * 2)
    assert packed.keep.tolist() == [3, 4, 5, 6, 7, 8] and packed.labels.shape == (2, 6)
    # Group 0: a prompt of two tokens behind two pads; segments copy its last token.
    assert packed.input_ids[0].tolist() == [0, 0, 1000, 1001, 10_000, 1001, 20_000, 1001, 30_000]
    assert packed.position_ids[0].tolist() == [0, 0, 0, 1, 2, 1, 2, 1, 2]
    assert packed.labels[0].tolist() == [10_000, 10_001, 20_000, 20_001, 30_000, 30_001]
    assert packed.input_ids[1, :3].tolist() == [2000, 2001, 2002]
    assert packed.position_ids[1].tolist() == [0, 1, 2, 3, 4, 3, 4, 3, 4]
    assert packed.labels[1].tolist()[::2] == [40_000, 50_000, 60_000]


def test_a_torn_group_is_refused() -> None:
    ids, mask = rows([3, 2], 2, 3, 2)
    order = [0, 2, 1, 3]
    with pytest.raises(ValueError, match="share one prompt"):
        pack_groups(ids[order], mask[order], 2, 2)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_logprobs_and_entropy_follow_their_definition(temperature: float) -> None:
    logits = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([[0, 6, 3], [2, 2, 5]])
    logprobs, entropy = token_logprobs(logits, labels, temperature)
    for i, j in itertools.product(range(2), range(3)):
        weights = (logits[i, j] / temperature).exp()
        p = weights / weights.sum()
        assert float(logprobs[i, j]) == pytest.approx(float(p[labels[i, j]].log()), rel=1e-5)
        assert float(entropy[i, j]) == pytest.approx(float(-(p * p.log()).sum()), rel=1e-5)
