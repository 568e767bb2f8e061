"""Weights that make a batch's gradient the same however it is cut into micro-batches.

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
