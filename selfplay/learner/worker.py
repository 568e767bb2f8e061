"""What runs in each learner worker under Ray Train: TRL's trainer, driven by commands."""

from __future__ import annotations

import functools
import logging
import os
from pathlib import Path
from typing import Any

import ray
import torch
from datasets import Dataset
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import GRPOConfig
from trl.trainer.grpo_trainer import is_peft_model

from selfplay.cluster.actors import whereabouts
from selfplay.config.run import RunConfig
from selfplay.fidelity.family import learner_gaps
from selfplay.learner.exchange import Command, Report
from selfplay.learner.restoring import restore_checkpoint
from selfplay.learner.schedule import rate
from selfplay.learner.trainer import MicroBatch, PackedGRPOTrainer
from selfplay.models.adapters import merged_parameters, save_merged
from selfplay.models.attention import attention_for
from selfplay.models.load import auto_dtype, load_model, load_tokenizer
from selfplay.models.memory import release_free_memory
from selfplay.models.noise import silence
from selfplay.models.transfer import pack_weights

log = logging.getLogger(__name__)
IDLE_LIMIT_S = 24 * 3600.0
"""A worker without a command for this long gives up: its loop is gone."""


def train_worker(settings: dict[str, Any]) -> None:
    """Train until told to stop. Runs in every worker of Ray Train's group.

    Args:
        settings: config (dump of RunConfig), model (spec or folder), resume (checkpoint folder or
            None), base (what an adapter is laid over), exchange (actor handle), work_dir (TRL's
            output folder), version (first one).
    """
    config = RunConfig.model_validate(settings["config"])
    rank = ray.train.get_context().get_world_rank()
    torch.set_num_threads(config.learner.threads or os.cpu_count() or 1)
    link = _Link(settings["exchange"], rank)
    # The checkpoint of an adapter holds the sum; what goes on training is laid over the base.
    model = settings["model" if config.learner.lora_rank is None else "base"]
    trainer = build_trainer(config, model, settings["work_dir"], link.batch)
    driver = _CommandCallback(link, config)
    driver.trainer = trainer
    trainer.add_callback(driver)
    try:
        trainer.train(resume_from_checkpoint=settings["resume"])
    except _StoppedEarly:
        log.info("learner worker %d: stopped before the first update", rank)


class _StoppedEarly(Exception):
    """Told to stop before the first update, where the trainer heeds no flag."""


class _Link:
    """A worker's end of the exchange."""

    def __init__(self, exchange: Any, rank: int) -> None:
        self._exchange = exchange
        self.rank = rank
        self._index = 0
        self._batch: list[MicroBatch] = []
        ray.get(exchange.arrive.remote(rank, whereabouts()), timeout=60)

    def take(self) -> Command:
        command: Command | None = ray.get(
            self._exchange.take.remote(self.rank, self._index, IDLE_LIMIT_S),
            timeout=IDLE_LIMIT_S + 60,
        )
        if command is None:
            raise TimeoutError(f"learner worker {self.rank}: no command for {IDLE_LIMIT_S:g} s")
        self._index += 1
        return command

    def keep(self, payload: list[dict[str, Any]]) -> None:
        self._batch = [{k: torch.tensor(v) for k, v in arrays.items()} for arrays in payload]

    def batch(self, _: int) -> list[MicroBatch]:
        batch, self._batch = self._batch, []
        return batch

    def report(self, report: Report) -> None:
        if self.rank == 0:
            ray.get(self._exchange.report.remote(report), timeout=60)


class _CommandCallback(TrainerCallback):
    """Obeys the loop between two updates: train on a batch, save, or stop."""

    trainer: PackedGRPOTrainer

    def __init__(self, link: _Link, config: RunConfig) -> None:
        self._link = link
        self._config = config
        self._logs: dict[str, float] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._link.report(Report("ready", {"version": state.global_step}))
        self._obey(control)
        if control.should_training_stop:
            raise _StoppedEarly

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        self._logs = dict(logs or {})

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        # The trainer logs behind this hook; take its metrics now, with the step they belong to.
        control.should_log = False
        self._publish(_metrics(self.trainer))
        self._obey(control)

    def _publish(self, metrics: dict[str, float | None]) -> None:
        version = self.trainer.state.global_step
        if self._link.rank == 0:
            ref = ray.put(publishable_weights(self.trainer, self._config))
            payload = {"version": version, "weights": [ref], "metrics": metrics}
            self._link.report(Report("updated", payload))
        # Huge pages make faulting it in again cheap (cluster.py); holes would add up otherwise.
        release_free_memory()

    def _obey(self, control: TrainerControl) -> None:
        while True:
            command = self._link.take()
            if command.kind == "update":
                self._link.keep(command.payload)
                self.trainer.time_gone = command.time_gone
                return
            if command.kind == "stop":
                control.should_training_stop = True
                return
            if command.kind == "restore":
                restore_checkpoint(self.trainer, *command.payload)
                self._publish({"lr": self.trainer.last_rate})
                continue
            if command.kind == "compare":
                self._link.report(Report("compared", self._compare(command.payload)))
                continue
            save_checkpoint(self.trainer, Path(command.payload))
            self._link.report(Report("saved", {"folder": command.payload}))

    def _compare(self, arrays: dict[str, Any]) -> dict[str, float]:
        trainer = self.trainer
        return learner_gaps(
            trainer.accelerator.unwrap_model(trainer.model),
            {key: torch.tensor(value) for key, value in arrays.items()},
            group_size=self._config.group_size,
            temperature=self._config.sampler.temperature,
        )


def build_trainer(config: RunConfig, model: str, work_dir: str, source: Any) -> PackedGRPOTrainer:
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
        max_completion_length=config.max_tokens,
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
    trainer._save_optimizer_and_scheduler(str(folder))
    trainer._save_rng_state(str(folder))
    if trainer.args.should_save:
        trainer.state.save_to_json(str(folder / "trainer_state.json"))
        trainer.save_entropy_state(folder)
    trainer.accelerator.wait_for_everyone()


def _metrics(trainer: PackedGRPOTrainer) -> dict[str, float | None]:
    """Take and clear TRL's metrics of the step, and the importance mismatch."""
    kept = {key: [v for v in values if v == v] for key, values in trainer._metrics["train"].items()}
    trainer._metrics["train"].clear()
    metrics: dict[str, float | None] = {
        key: sum(values) / len(values) if values else None for key, values in kept.items()
    }
    metrics["lr"] = trainer.last_rate
    metrics["grad_norm"] = trainer.last_grad_norm
    metrics["loss"] = trainer.last_loss
    if trainer.mismatch:
        total, peak, weights, count = zip(*trainer.mismatch, strict=True)
        metrics["mismatch_mean"] = sum(total) / sum(count)
        metrics["mismatch_max"] = max(peak)
        metrics["importance_mean"] = sum(weights) / sum(count)
        trainer.mismatch.clear()
    return metrics


def _unused_reward(*_: Any, **__: Any) -> list[float]:
    raise RuntimeError("rewards come scored from the loop; TRL never calls this")


def _peft(config: RunConfig) -> Any:
    if config.learner.lora_rank is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=config.learner.lora_rank,
        lora_alpha=config.learner.lora_alpha,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
