"""What a row, a token and a micro-batch weigh in the loss.

A row by its prior, the policy's own probability of it (`with_prior`), a token by how far the policy
has moved from the one that drew it (`corrected`), a micro-batch by its share of the whole batch
(`shares_of`).

Sampler and learner on one version differ by rounding alone, and the advantages are multiplied by
the truncated ratio (TIS). On an older version the ratio is the policy's own movement: it goes into
the loss as PPO's ratio (1707.06347), where `clip_low` and `clip_high` act.

TRL averages some losses over the rows or the tokens of a micro-batch and then over micro-batches.
With groups dropped, and masked copies in their places, a row's share would then depend on how many
others came into the same micro-batch: by a factor of up to the number of micro-batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

_PER_ROW = ("grpo", "dr_grpo")
_PER_TOKEN = ("bnpo",)


def with_prior(
    advantages: torch.Tensor, logps: torch.Tensor, group_size: int, exponent: float
) -> torch.Tensor:
    """Return advantages * p^exponent, scaled so that every group keeps its sum.

    p is the prior: the policy's own probability of the whole completion. With the advantages of
    `target`, softmax(reward / temperature), and an exponent of 1 that is
    q ~ p exp(reward / temperature): the improvement step of MPO (1806.06920) with the policy as
    its prior, and the gradient that of the log of the policy's expected exp(reward / temperature).
    It strengthens what the policy already believes among the good actions instead of spreading it
    over all of them, and never pays the rest.

    Args:
        advantages: (B,), 0 or more; whole groups of `group_size` rows follow each other.
        logps: (B,) log-probability (nats) of each row's whole completion.
        group_size: rows per group.
        exponent: 0 is a uniform prior, 1 the policy itself.
    """
    weighed = advantages.view(-1, group_size)
    # Rows without advantage are fillers: their log-probs say nothing.
    scores = torch.where(weighed > 0, exponent * logps.view_as(weighed) + weighed.log(), -torch.inf)
    shares = torch.softmax(scores, dim=1).nan_to_num(0.0)
    return (shares * weighed.sum(1, keepdim=True)).view_as(advantages)


def corrected(
    logps: torch.Tensor,
    sampler: torch.Tensor,
    real: torch.Tensor,
    stale: torch.Tensor | None,
    cap: float,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return what advantages are multiplied by, and TRL's old log-probs.

    Args:
        logps: (B, T), the learner's, without a gradient.
        sampler: (B, T), those that were drawn with; anything where not `real`.
        real: bool (B, T), tokens that the policy drew.
        stale: bool (B,), rows of an older version than the learner's; None: no row is.
        cap: of the truncated ratio learner / sampler.

    Returns:
        weights (B, T): min(ratio, cap) on rows of the same version, 1 elsewhere; and (B, T)
        log-probs of the old policy, the learner's own where the ratio is to be 1, or None where it
        is 1 everywhere.
    """
    weights = torch.where(real, (logps - sampler).exp().clamp(max=cap), 1.0)
    if stale is None or not bool((stale[:, None] & real).any()):
        return weights, None
    older = stale[:, None] & real
    return torch.where(older, 1.0, weights), torch.where(older, sampler, logps)


@dataclass(frozen=True, slots=True)
class Shares:
    """What a micro-batch's policy loss and entropy bonus are multiplied by."""

    policy: float = 1.0
    entropy: float = 1.0

    def weigh(self, entropies: torch.Tensor) -> torch.Tensor:
        """Return the same entropies with the gradient weighted: TRL also reports and steers by
        them."""
        if self.entropy == 1.0:
            return entropies
        fixed = entropies.detach()
        return fixed + self.entropy * (entropies - fixed)


def shares_of(inputs: Mapping[str, torch.Tensor], loss: str, *, steps: int, workers: int) -> Shares:
    """Return the shares of a micro-batch, 1 for what TRL divides by the whole batch itself.

    Args:
        inputs: the micro-batch; without num_rows_in_batch it counts as the whole batch.
        loss: TRL's loss_type.
        steps: micro-batches per update and worker; TRL divides by them.
        workers: over which gradients are averaged.
    """
    rows = inputs.get("num_rows_in_batch")
    if rows is None:
        return Shares()
    mask = inputs["completion_mask"]
    per_row = len(mask) * steps * workers / max(float(rows), 1.0)
    per_token = float(mask.sum()) * steps * workers / max(float(inputs["num_items_in_batch"]), 1.0)
    policy = per_row if loss in _PER_ROW else per_token if loss in _PER_TOKEN else 1.0
    return Shares(policy, per_token)
