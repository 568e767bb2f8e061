"""The policy's own probabilities as the prior of the all-action target."""

from __future__ import annotations

import torch


def with_prior(
    advantages: torch.Tensor, logps: torch.Tensor, group_size: int, exponent: float
) -> torch.Tensor:
    """Return advantages * p^exponent, scaled so that every group keeps its sum.

    With the advantages of `target`, softmax(reward / temperature), and an exponent of 1 that is
    q ~ p exp(reward / temperature): the improvement step of MPO (1806.06920) with the policy as
    its prior, and the gradient that of the log of the policy's expected exp(reward / temperature).
    It strengthens what the policy already believes among the good actions instead of spreading it
    over all of them, and never pays the rest.

    Args:
        advantages: (B,), 0 or more; whole groups of `group_size` rows follow each other.
        logps: (B,) log-probability (nats) of each row's whole completion.
        group_size: rows per group.
        exponent: 0 is a uniform prior, 1 the policy.
    """
    weighed = advantages.view(-1, group_size)
    # Rows without advantage are fillers: their log-probs say nothing.
    scores = torch.where(weighed > 0, exponent * logps.view_as(weighed) + weighed.log(), -torch.inf)
    shares = torch.softmax(scores, dim=1).nan_to_num(0.0)
    return (shares * weighed.sum(1, keepdim=True)).view_as(advantages)
