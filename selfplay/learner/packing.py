"""The learner's shared-prefix packing: a group's prompt and the tree of its completions in one row.

A row of the packed batch is `[prompt | nodes]`. Node 0 is the prompt's last token; every other one
is a distinct beginning of the group's completions, the whole completions themselves left out: their
last tokens are only predicted. A node's state predicts the next token of all completions that begin
with it. The 4-D mask lets a node see the prompt, its ancestors and itself; positions follow depth.
The usual layout forwards the prompt once per completion and a shared beginning as often; here each
is forwarded once, and padding after short completions not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from selfplay.models.windows import Windows


@dataclass(frozen=True, slots=True)
class Packed:
    """A packed micro-batch of P groups with up to M nodes each; L is the longest prompt.

    input_ids and position_ids: (P, L-1 + M); attention_mask: bool (P, 1, W, W), True where a place
    may look; keep: (M,) columns of the nodes; node: (P, G, T) the node whose state predicts each
    completion token; labels: (P, G, T) those tokens; real: (P, G, T), False on padding.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    attention_mask: torch.Tensor
    keep: torch.Tensor
    node: torch.Tensor
    labels: torch.Tensor
    real: torch.Tensor


@dataclass(slots=True)
class _Tree:
    """Distinct beginnings of one group's completions; parents come before their children."""

    tokens: list[int]
    parents: list[int]
    depths: list[int]
    node: list[list[int]]


def _tree(rows: list[list[int]], lengths: list[int], root: int) -> _Tree:
    """Return the tree of `rows`, of which the first `lengths` tokens are real."""
    tree = _Tree([root], [-1], [0], [])
    children: dict[tuple[int, int], int] = {}
    for row, length in zip(rows, lengths, strict=True):
        nodes = [0] * len(row)
        for t in range(1, length):
            edge = (nodes[t - 1], row[t - 1])
            if edge not in children:
                children[edge] = len(tree.tokens)
                tree.tokens.append(row[t - 1])
                tree.parents.append(edge[0])
                tree.depths.append(t)
            nodes[t] = children[edge]
        tree.node.append(nodes)
    return tree


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
    prompts = width - completion_length
    groups = batch // group_size
    ids = input_ids.view(groups, group_size, width)
    real = attention_mask.view(groups, group_size, width).bool()
    prompt, prompt_real = ids[:, 0, :prompts], real[:, 0, :prompts]
    if not bool((ids[:, :, :prompts] == prompt[:, None]).all()):
        raise ValueError("packing: the rows of a group must share one prompt")
    completion, kept = ids[:, :, prompts:], real[:, :, prompts:]
    rows, counts = completion.tolist(), kept.sum(2).tolist()
    roots = prompt[:, -1].tolist()
    trees = [_tree(r, c, root) for r, c, root in zip(rows, counts, roots, strict=True)]
    most = max(len(tree.tokens) for tree in trees)
    device = input_ids.device

    def stacked(lists: list[list[int]], fill: int) -> torch.Tensor:
        return torch.tensor([x + [fill] * (most - len(x)) for x in lists], device=device)

    lengths = prompt_real.sum(1)
    shared = prompts - 1
    head = (torch.arange(shared, device=device) - (prompts - lengths)[:, None]).clamp(min=0)
    depths = stacked([tree.depths for tree in trees], 0)
    return Packed(
        input_ids=torch.cat([prompt[:, :shared], stacked([t.tokens for t in trees], 0)], dim=1),
        position_ids=torch.cat([head, lengths[:, None] - 1 + depths], dim=1),
        attention_mask=_mask(prompt_real[:, :shared], [tree.parents for tree in trees], most),
        keep=torch.arange(shared, shared + most, device=device),
        node=torch.tensor([tree.node for tree in trees], device=device),
        labels=completion,
        real=kept,
    )


def _mask(prompt_real: torch.Tensor, parents: list[list[int]], most: int) -> torch.Tensor:
    """Return the bool mask (P, 1, W, W) for W = shared + most."""
    groups, shared = prompt_real.shape
    device = prompt_real.device
    width = shared + most
    mask = torch.zeros(groups, width, width, dtype=torch.bool, device=device)
    mask[:, :shared, :shared] = torch.ones(shared, shared, dtype=torch.bool, device=device).tril()
    mask[:, shared:, :shared] = True
    mask[:, :, :shared] &= prompt_real[:, None, :]
    ancestry = torch.eye(most, dtype=torch.bool).repeat(groups, 1, 1)
    for group, tree in enumerate(parents):
        for node, parent in enumerate(tree[1:], start=1):
            ancestry[group, node] |= ancestry[group, parent]
    mask[:, shared:, shared:] = ancestry.to(device)
    # A pad sees itself: a row of the softmax with nothing to look at would be NaN.
    pads = torch.arange(shared, device=device)
    mask[:, pads, pads] = True
    return mask[:, None]


def packed_logits(model: Any, packed: Packed, windows: Windows) -> torch.Tensor:
    """Forward a packed batch; returns the logits (P, M, V) of the nodes.

    Args:
        model: a causal language model, wrapped or not.
        packed: the batch.
        windows: the model's.
    """
    positions = packed.position_ids
    logits: torch.Tensor = model(
        input_ids=packed.input_ids,
        attention_mask=windows.masks(packed.attention_mask, positions, positions),
        position_ids=positions,
        logits_to_keep=packed.keep,
        use_cache=False,
        **windows.arguments,
    ).logits
    return logits


def token_logprobs(
    logits: torch.Tensor, packed: Packed, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the completion tokens' log-probabilities and entropies (nats), as rows (B, T).

    Padding is 0.

    Args:
        logits: (P, M, V), of the nodes.
        packed: the batch that they are of.
        temperature: divides the logits.
    """
    scaled = logits.float() / temperature
    logprobs = torch.log_softmax(scaled, dim=-1)
    entropy = -(logprobs.exp() * logprobs).sum(-1)
    groups, size, steps = packed.node.shape
    flat = packed.node.reshape(groups, -1)
    which = torch.arange(groups, device=logits.device)[:, None]
    labels = torch.where(packed.real, packed.labels, 0).reshape(groups, -1)
    shape = (groups * size, steps)
    real = packed.real.reshape(shape)
    chosen = logprobs[which, flat, labels].view(shape)
    return torch.where(real, chosen, 0.0), torch.where(real, entropy[which, flat].view(shape), 0.0)
