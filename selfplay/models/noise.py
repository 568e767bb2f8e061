"""Dropout and its kin out of the learner: it must give the log-probs that the sampler drew from."""

from __future__ import annotations

from typing import Any

import torch

_MARKS = ("drop", "input_jitter", "moe_jitter")
_NAMES = ("jitter_noise",)
"""What families keep as plain numbers: attn_pdrop, layerdrop, ... PhiMoE's `router_jitter_noise` is
not among them: it is a threshold that holds in sampling too."""


def silence(model: torch.nn.Module) -> None:
    """Turn every dropout, layer drop and router noise off, in the config too: some read it there.

    A probability that is drawn under one mask and learnt under another is off-policy: TRL leaves
    dropout on (`disable_dropout=False`), and families keep it in modules and in plain numbers.
    """
    config: Any = model.config
    for module in (config, config.get_text_config(), *model.modules()):
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
        for name, value in list(vars(module).items()):
            if isinstance(value, float) and _is_noise(name):
                setattr(module, name, 0.0)


def _is_noise(name: str) -> bool:
    return name in _NAMES or any(mark in name for mark in _MARKS)
