"""What the learner makes of log-probs that another policy, or another kernel, drew with.

On the version that sampled, sampler and learner differ by rounding alone, and the advantages are
multiplied by the truncated ratio (TIS). On an older version the ratio is the policy's own movement:
it goes into the loss as PPO's ratio (1707.06347), where `clip_low` and `clip_high` act.
"""

from __future__ import annotations

import torch


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
