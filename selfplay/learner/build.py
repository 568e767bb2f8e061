"""From the run's configuration to TRL's trainer: model, arguments, adapter."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset
from trl import GRPOConfig

from selfplay.config.run import RunConfig
from selfplay.domains.made import longest_completion
from selfplay.learner.schedule import rate
from selfplay.learner.trainer import BatchSource, PackedGRPOTrainer
from selfplay.models.attention import attention_for
from selfplay.models.load import auto_dtype, load_model, load_tokenizer
from selfplay.models.noise import silence

if TYPE_CHECKING:
    from peft import LoraConfig


def build_trainer(
    config: RunConfig, model: str, work_dir: str, source: BatchSource
) -> PackedGRPOTrainer:
    """Return the trainer; weights in the learner's dtype, the optimiser's state in float32."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    policy = load_model(
        model,
        dtype=auto_dtype(config.learner.dtype, device),
        attention=attention_for(device),
    )
    silence(policy)
    # TRL asks for a dataset to draw prompts from; ours come with the batches.
    slots = [{"prompt": "slot"}] * (2 * config.accumulation_steps * config.learner.workers)
    return PackedGRPOTrainer(
        model=policy,
        reward_funcs=_unused_reward,
        args=grpo_config(config, work_dir),
        train_dataset=Dataset.from_list(slots),
        processing_class=load_tokenizer(model),
        peft_config=_peft(config),
        batch_source=source,
        importance_cap=config.learner.importance_cap,
        target_prior=config.learner.target_prior,
        rate_of=functools.partial(rate, config),
    )


def grpo_config(config: RunConfig, work_dir: str) -> GRPOConfig:
    """Return TRL's settings for the run's."""
    learner = config.learner
    return GRPOConfig(
        output_dir=work_dir,
        per_device_train_batch_size=config.group_size,
        gradient_accumulation_steps=config.accumulation_steps,
        steps_per_generation=config.accumulation_steps,
        num_generations=config.group_size,
        max_completion_length=longest_completion(config),
        max_steps=config.steps,
        learning_rate=learner.lr,
        lr_scheduler_type="constant",  # schedule.py gives the rate of each update
        weight_decay=learner.weight_decay,
        max_grad_norm=learner.max_grad_norm,
        bf16=False,  # the weights are in the learner's dtype already; no autocast
        use_cpu=not torch.cuda.is_available(),
        temperature=config.sampler.temperature,
        beta=0.0,
        loss_type=learner.loss,
        epsilon=learner.clip_low,
        # TRL takes cispo's bound as the ratio itself, the others' as its distance from 1.
        epsilon_high=learner.clip_high + (1.0 if learner.loss == "cispo" else 0.0),
        delta=max(learner.importance_cap, 1.0 + learner.clip_high),
        use_adaptive_entropy=learner.adaptive_entropy,
        entropy_coef=learner.entropy_coef,
        entropy_coef_delta=learner.entropy_coef_delta,
        entropy_coef_max=learner.entropy_coef_max,
        entropy_target=learner.entropy_target,
        router_aux_loss_coef=0.0,  # see docs/adr/0017
        gradient_checkpointing=learner.gradient_checkpointing,
        logging_strategy="no",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=config.seed,
        ignore_data_skip=True,
        dataloader_pin_memory=False,
        shuffle_dataset=False,
    )


def _peft(config: RunConfig) -> LoraConfig | None:
    if config.learner.lora_rank is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=config.learner.lora_rank,
        lora_alpha=config.learner.lora_alpha,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def _unused_reward(*_: Any, **__: Any) -> list[float]:
    raise RuntimeError("rewards come scored from the loop; TRL never calls this")
