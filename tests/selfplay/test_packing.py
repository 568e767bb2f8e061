"""The learner's packing: shapes, positions, labels, and the mask against a brute-force one."""

from __future__ import annotations

import itertools

import pytest
import torch

from selfplay.packing import pack_groups, token_logprobs


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


def real_places(size: int, steps: int, group: int) -> list[tuple[int, int]]:
    """The (segment, step) of a group's real completion tokens, as `rows` makes them."""
    counts = [1 + (group * size + segment) % steps for segment in range(size)]
    return [(segment, step) for segment in range(size) for step in range(counts[segment])]


@pytest.mark.parametrize(
    ("lengths", "size", "prompts", "steps"),
    [([3], 2, 3, 2), ([2, 4, 1], 3, 4, 2), ([5, 3], 2, 5, 1), ([1], 2, 1, 3), ([4, 6], 4, 6, 3)],
)
def test_mask_equals_brute_force(lengths: list[int], size: int, prompts: int, steps: int) -> None:
    packed = pack_groups(*rows(lengths, size, prompts, steps), steps, size)
    groups = len(lengths)
    places = [real_places(size, steps, group) for group in range(groups)]
    shared, most = prompts - 1, max(map(len, places))
    width = shared + most
    assert packed.attention_mask.shape == (groups, 1, width, width)
    assert packed.attention_mask.dtype == torch.bool
    assert packed.attention_mask.any(-1).all(), "a place that sees nothing gives NaN"
    for group, (length, mine) in enumerate(zip(lengths, places, strict=True)):
        mask = packed.attention_mask[group, 0]
        assert packed.real[group].tolist() == [i < len(mine) for i in range(most)]
        for q, k in itertools.product(range(shared + len(mine)), range(width)):
            if q == k:
                expected = True
            elif k > q:
                expected = False
            elif k < shared:
                expected = k >= prompts - length
            else:
                expected = mine[q - shared][0] == mine[k - shared][0]
            assert bool(mask[q, k]) is expected, (group, q, k)


def test_ids_positions_and_labels_line_up() -> None:
    lengths, size, prompts, steps = [2, 4], 3, 4, 2
    packed = pack_groups(*rows(lengths, size, prompts, steps), steps, size)
    # Group 0 has completions of 1, 2 and 1 tokens, group 1 of 2, 1 and 2.
    assert packed.input_ids.shape == packed.position_ids.shape == (2, 3 + 5)
    assert packed.keep.tolist() == [3, 4, 5, 6, 7] and packed.labels.shape == (2, 5)
    assert packed.real.tolist() == [[True] * 4 + [False], [True] * 5]
    # A prompt of two tokens behind two pads; each segment begins with a copy of its last token.
    assert packed.input_ids[0, :7].tolist() == [0, 0, 1000, 1001, 1001, 20_000, 1001]
    assert packed.position_ids[0, :7].tolist() == [0, 0, 0, 1, 1, 2, 1]
    assert packed.labels[0, :4].tolist() == [10_000, 20_000, 20_001, 30_000]
    assert packed.input_ids[1].tolist() == [2000, 2001, 2002, 2003, 40_000, 2003, 2003, 60_000]
    assert packed.position_ids[1].tolist() == [0, 1, 2, 3, 4, 3, 3, 4]
    assert packed.labels[1].tolist() == [40_000, 40_001, 50_000, 60_000, 60_001]


def test_unpacked_values_stand_at_their_tokens() -> None:
    lengths, size, prompts, steps = [2, 4, 3], 3, 4, 3
    ids, mask = rows(lengths, size, prompts, steps)
    packed = pack_groups(ids, mask, steps, size)
    values = packed.unpack(packed.labels.float(), (len(ids), steps))
    assert torch.equal(values, (ids * mask)[:, prompts:].float())


def test_gradients_flow_through_unpacking_to_real_places_alone() -> None:
    packed = pack_groups(*rows([2, 4], 3, 4, 2), 2, 3)
    values = torch.zeros(packed.labels.shape, requires_grad=True)
    packed.unpack(values, (6, 2)).sum().backward()
    assert values.grad is not None and torch.equal(values.grad, packed.real.float())


def test_a_group_without_any_completion_token_packs() -> None:
    ids, mask = rows([2, 3], 2, 3, 2)
    mask[2:, 3:] = 0
    packed = pack_groups(ids, mask, 2, 2)
    assert not packed.real[1].any() and packed.attention_mask.any(-1).all()
    assert not packed.unpack(torch.ones(packed.labels.shape), (4, 2))[2:].any()
    mask[:, 3:] = 0
    assert pack_groups(ids, mask, 2, 2).labels.shape == (2, 1)


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
