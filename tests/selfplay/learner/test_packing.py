"""The learner's packing: the tree, positions, labels, and the mask against a brute-force one."""

from __future__ import annotations

import itertools
import random

import pytest
import torch

from selfplay.learner.packing import Packed, pack_groups, token_logprobs


def rows(
    prompts: list[list[int]], completions: list[list[list[int]]]
) -> tuple[torch.Tensor, torch.Tensor, int, int]:
    """Return ids and mask as TRL lays them out, the completions' width and the group's size."""
    longest = max(map(len, prompts))
    steps = max(len(c) for group in completions for c in group)
    ids, mask = [], []
    for prompt, group in zip(prompts, completions, strict=True):
        for completion in group:
            left, right = longest - len(prompt), steps - len(completion)
            ids.append([0] * left + prompt + completion + [0] * right)
            mask.append([0] * left + [1] * (len(prompt) + len(completion)) + [0] * right)
    return torch.tensor(ids), torch.tensor(mask), steps, len(completions[0])


def random_rows(seed: int) -> tuple[list[list[int]], list[list[list[int]]]]:
    """Ragged prompts, and completions over three tokens, so that beginnings are shared."""
    rng = random.Random(seed)
    prompts = [[rng.randint(10, 99) for _ in range(rng.randint(1, 5))] for _ in range(3)]
    completions = [
        [[rng.randint(1, 3) for _ in range(rng.randint(1, 4))] for _ in range(5)] for _ in prompts
    ]
    return prompts, completions


def beginnings(group: list[list[int]]) -> list[tuple[int, ...]]:
    """The distinct proper beginnings of a group's completions, in the order of their first use."""
    seen = {tuple(c[:t]): None for c in group for t in range(len(c))}
    return list(seen)


@pytest.mark.parametrize("seed", range(6))
def test_mask_positions_and_ids_equal_brute_force(seed: int) -> None:
    prompts, completions = random_rows(seed)
    packed = pack_groups(*rows(prompts, completions))
    shared = max(map(len, prompts)) - 1
    most = max(len(beginnings(group)) for group in completions)
    width = shared + most
    assert packed.attention_mask.shape == (3, 1, width, width)
    assert packed.attention_mask.dtype == torch.bool
    assert packed.attention_mask.any(-1).all(), "a place that sees nothing gives NaN"
    assert packed.keep.tolist() == list(range(shared, width))
    for g, (prompt, group) in enumerate(zip(prompts, completions, strict=True)):
        nodes = beginnings(group)
        pads = shared + 1 - len(prompt)
        for i, node in enumerate(nodes):
            row = packed.attention_mask[g, 0, shared + i]
            seen = {nodes[j] for j in range(len(nodes)) if row[shared + j]}
            assert seen == {node[:t] for t in range(len(node) + 1)}
            assert row[:shared].tolist() == [k >= pads for k in range(shared)]
            assert not row[shared + len(nodes) :].any()
            assert packed.position_ids[g, shared + i] == len(prompt) - 1 + len(node)
            assert packed.input_ids[g, shared + i] == (node[-1] if node else prompt[-1])
        for q, k in itertools.product(range(shared), range(width)):
            expected = q == k or pads <= k <= q
            assert bool(packed.attention_mask[g, 0, q, k]) is expected, (g, q, k)


def test_equal_beginnings_are_forwarded_once() -> None:
    packed = pack_groups(*rows([[7, 8]], [[[1, 2, 3], [1, 2, 4], [1, 5], [1, 2, 3]]]))
    # The prompt's 7; then the nodes 8, 1, 1 2: what ends a completion is only predicted.
    assert packed.input_ids.tolist() == [[7, 8, 1, 2]]
    assert packed.position_ids.tolist() == [[0, 1, 2, 3]]
    assert packed.node.tolist() == [[[0, 1, 2], [0, 1, 2], [0, 1, 0], [0, 1, 2]]]
    assert packed.labels[0, 2, :2].tolist() == [1, 5]


def test_a_group_without_any_completion_token_packs() -> None:
    ids, mask, steps, size = rows([[7, 8], [9]], [[[1], [2]], [[1], [2]]])
    mask[2:, 2:] = 0
    packed = pack_groups(ids, mask, steps, size)
    assert not packed.real[1].any() and packed.attention_mask.any(-1).all()
    logprobs, entropies = token_logprobs(torch.randn(2, len(packed.keep), 11), packed, 1.0)
    assert not logprobs[2:].any() and not entropies[2:].any() and logprobs[:2].all()


def test_a_torn_group_is_refused() -> None:
    ids, mask, steps, size = rows([[7, 8], [9]], [[[1], [2]], [[1], [2]]])
    order = [0, 2, 1, 3]
    with pytest.raises(ValueError, match="share one prompt"):
        pack_groups(ids[order], mask[order], steps, size)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_logprobs_and_entropy_follow_their_definition(temperature: float) -> None:
    prompts, completions = random_rows(9)
    packed = pack_groups(*rows(prompts, completions))
    logits = torch.randn(3, len(packed.keep), 7, dtype=torch.float64)
    logprobs, entropy = token_logprobs(logits, packed, temperature)
    for g, group in enumerate(completions):
        nodes = beginnings(group)
        for i, completion in enumerate(group):
            row = g * len(group) + i
            assert not logprobs[row, len(completion) :].any()
            assert not entropy[row, len(completion) :].any()
            for t, token in enumerate(completion):
                weights = (logits[g, nodes.index(tuple(completion[:t]))] / temperature).exp()
                p = weights / weights.sum()
                assert float(logprobs[row, t]) == pytest.approx(float(p[token].log()), rel=1e-5)
                assert float(entropy[row, t]) == pytest.approx(float(-(p * p.log()).sum()))


def test_gradients_reach_every_use_of_a_node() -> None:
    packed: Packed = pack_groups(*rows([[7, 8]], [[[1, 2], [1, 3], [4]]]))
    logits = torch.zeros(1, 2, 5, requires_grad=True)
    logprobs, _ = token_logprobs(logits, packed, 1.0)
    logprobs.sum().backward()
    assert logits.grad is not None
    # Node 0 predicts 1, 1 and 4; node 1 predicts 2 and 3; each log-softmax gives one-hot - 1/5.
    assert logits.grad[0, 0].tolist() == pytest.approx([-0.6, 1.4, -0.6, -0.6, 0.4])
    assert logits.grad[0, 1].tolist() == pytest.approx([-0.4, -0.4, 0.6, 0.6, -0.4])
