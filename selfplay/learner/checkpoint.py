"""The learner's weights on their way out and in: published, saved, and taken back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from trl.trainer.grpo_trainer import is_peft_model

from selfplay.config.run import RunConfig
from selfplay.models.adapters import forget, load_adapter, merged_parameters, save_merged
from selfplay.models.load import auto_dtype, load_model
from selfplay.models.transfer import pack_weights

if TYPE_CHECKING:
    from selfplay.learner.trainer import PackedGRPOTrainer


def publishable_weights(trainer: PackedGRPOTrainer, config: RunConfig) -> dict[str, Any]:
    """Return the policy's weights as packed arrays under the plain model's names."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = auto_dtype(config.sampler.dtype, device)
    model = trainer.accelerator.unwrap_model(trainer.model)
    if config.learner.lora_rank is None:
        # ray.put copies them before the next update can change them.
        return pack_weights(model.named_parameters(), dtype, copy=False)
    return pack_weights(merged_parameters(model), dtype)


def save_checkpoint(trainer: PackedGRPOTrainer, folder: Path) -> None:
    """Save a plain Hugging Face folder with optimiser, schedule and RNG state beside.

    With LoRA the folder holds the merged model, which everybody can load, and the adapter. Every
    worker calls this; when it returns, all of them have written.
    """
    model = trainer.accelerator.unwrap_model(trainer.model)
    if not is_peft_model(model):
        trainer.save_model(str(folder))
    elif trainer.args.should_save:
        save_merged(model, folder)
        trainer.processing_class.save_pretrained(folder)
    trainer.save_training_state(folder)
    trainer.accelerator.wait_for_everyone()


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
    if folder is not None and (Path(folder) / "optimizer.pt").is_file():
        trainer.load_optimizer_state(folder)
    elif trainer.optimizer is not None:
        trainer.optimizer.state.clear()
    trainer.lr_scheduler.step()
    trainer.state.global_step += 1
