"""Sliding windows under masks that are given whole: which layer may look how far back.

Sampler and learner hand the model a 4-D mask of their own, in which a row holds many sequences;
transformers takes it as it is and adds no window. Here the window is counted in positions, not in
columns, and the mask comes in the form that the model's family reads.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import torch

from envs.errors import InputError

FULL, SLIDING = "full_attention", "sliding_attention"
Masks = torch.Tensor | dict[str, torch.Tensor]
"""One mask for every layer, or one per kind of layer, as `config.layer_types` names them."""


@dataclass(frozen=True, slots=True)
class Windows:
    """How far back the layers of a model look: `width` tokens, the own one among them; None: all.

    `kinds` are those of `config.layer_types`; empty where all layers are alike.
    """

    width: int | None
    kinds: tuple[str, ...]
    arguments: dict[str, bool] = field(default_factory=dict)
    """Further arguments of the model's forward: routers compute no loss of their own, which
    reads a mask of padding and not one like ours (docs/adr/0017)."""

    @classmethod
    def of(cls, model: torch.nn.Module) -> Windows:
        """Read them from a transformers model.

        Raises:
            InputError: a kind of layer that keeps no keys and values per token, or hides some.
        """
        config: Any = model.config
        config = config.get_text_config()
        kinds = tuple(sorted(set(getattr(config, "layer_types", None) or ())))
        odd = [kind for kind in kinds if kind not in (FULL, SLIDING)]
        if odd:
            raise InputError(f"model: layers of kind {', '.join(odd)} cannot be packed")
        width = getattr(config, "sliding_window", None)
        routed = hasattr(config, "output_router_logits")
        arguments = {"output_router_logits": False} if routed else {}
        if kinds and SLIDING not in kinds:
            return cls(None, (), arguments)
        if kinds:
            return cls(width, kinds, arguments)
        # Older families have the setting for all layers or none, and some carry it unused.
        used = hasattr(
            sys.modules[type(model.base_model).__module__], "create_sliding_window_causal_mask"
        )
        return cls(width if used else None, (), arguments)

    def masks(self, mask: torch.Tensor, queries: torch.Tensor, keys: torch.Tensor) -> Masks:
        """Return what the model takes as its attention mask.

        Args:
            mask: bool (B, 1, W, S), True where a place may look if there were no window.
            queries: (B, W) positions of the places that look.
            keys: (B, S) positions of those looked at.
        """
        if self.width is None:
            return mask
        near = queries[:, :, None] - keys[:, None, :] < self.width
        windowed = mask & near[:, None]
        if not self.kinds:
            return windowed
        return {kind: windowed if kind == SLIDING else mask for kind in self.kinds}
