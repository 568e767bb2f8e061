"""The policy's own probabilities as the prior of the all-action target."""

from __future__ import annotations

import torch


def with_prior(
    advantages: torch.Tensor,
    logps: torch.Tensor,
    group_size: int,
    exponent: float,
    power: float = 0.0,
) -> torch.Tensor:
    """Return advantages * p^exponent, normalised in each group and scaled by J^power.

    With the advantages of `target`, w = softmax(reward / temperature), and an exponent of 1 that is
    q ~ p exp(reward / temperature): the improvement step of MPO (1806.06920) with the policy as
    its prior. It strengthens what the policy already believes among the good actions instead of
    spreading it over all of them, and never pays the rest. J is the policy's expectation of
    exp((reward - best reward) / temperature), in [0, 1]; the gradient is that of log J with a power
    of 0, where hopeless tasks pull as hard as any other, and that of J, the policy gradient summed
    over all actions (1709.00503), with a power of 1.

    Args:
        advantages: (B,), 0 or more; whole groups of `group_size` rows follow each other.
        logps: (B,) log-probability (nats) of each row's whole completion.
        group_size: rows per group.
        exponent: 0 is a uniform prior, 1 the policy.
        power: 0 to 1, see above.
    """
    weighed = advantages.view(-1, group_size)
    # Rows without advantage are fillers: their log-probs say nothing.
    scores = torch.where(weighed > 0, exponent * logps.view_as(weighed) + weighed.log(), -torch.inf)
    shares = torch.softmax(scores, dim=1).nan_to_num(0.0)
    scale = weighed.sum(1, keepdim=True)
    if power:
        best = weighed.max(1, keepdim=True).values
        ratio = torch.where(best > 0, weighed / best, 0.0)
        scale = scale * (logps.view_as(weighed).exp() * ratio).sum(1, keepdim=True) ** power
    return (shares * scale).view_as(advantages)
