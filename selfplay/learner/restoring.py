"""A learner that goes back to a frozen version, in the middle of its training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from trl.trainer.grpo_trainer import is_peft_model

from selfplay.models.adapters import forget, load_adapter
from selfplay.models.load import load_model

if TYPE_CHECKING:
    from selfplay.learner.trainer import PackedGRPOTrainer


def restore_checkpoint(trainer: PackedGRPOTrainer, model: str, folder: str | None) -> None:
    """Go on from other weights, as one step of the run; every worker calls this.

    The learning rate follows the run's steps, not the policy's: the schedule goes on (ADR 9).

    Args:
        trainer: between two updates.
        model: the weights' folder, or whatever `model:` takes.
        folder: a checkpoint with the optimiser's state of those weights. Where there is none the
            moments are fresh, and low-precision weights get new float32 masters.
    """
    policy = trainer.accelerator.unwrap_model(trainer.model)
    if is_peft_model(policy) and folder is None:
        forget(policy)
    elif is_peft_model(policy):
        load_adapter(policy, Path(str(folder)))
    else:
        source = dict(load_model(model, dtype=policy.dtype).named_parameters())
        with torch.no_grad():
            for name, parameter in policy.named_parameters():
                parameter.copy_(source[name])
    schedule = trainer.lr_scheduler.state_dict()
    if folder is not None and (Path(folder) / "optimizer.pt").is_file():
        trainer._load_optimizer_and_scheduler(folder)
        trainer.lr_scheduler.load_state_dict(schedule)
    elif trainer.optimizer is not None:
        trainer.optimizer.state.clear()
    trainer.lr_scheduler.step()
    trainer.state.global_step += 1
