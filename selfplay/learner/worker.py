"""What runs in each learner worker under Ray Train: TRL's trainer, driven by commands."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import ray
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from selfplay.cluster.actors import whereabouts
from selfplay.config.run import RunConfig
from selfplay.learner.build import build_trainer
from selfplay.learner.checkpoint import publishable_weights, restore_checkpoint, save_checkpoint
from selfplay.learner.exchange import Command, Report
from selfplay.learner.gaps import learner_gaps
from selfplay.learner.trainer import MicroBatch, PackedGRPOTrainer
from selfplay.models.memory import release_free_memory

log = logging.getLogger(__name__)
IDLE_LIMIT_S = 24 * 3600.0
"""A worker without a command for this long gives up: its loop has ended."""


def train_worker(settings: dict[str, Any]) -> None:
    """Train until the loop says stop. Runs in every worker of Ray Train's group.

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
    """The loop said stop before the first update, where the trainer heeds no flag."""


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

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._link.report(Report("ready", {"version": state.global_step}))
        self._obey(control)
        if control.should_training_stop:
            raise _StoppedEarly

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        # The trainer logs after this hook; take its metrics now, with the step they belong to.
        control.should_log = False
        self._publish(self.trainer.take_metrics())
        self._obey(control)

    def _publish(self, metrics: dict[str, float | None]) -> None:
        version = self.trainer.state.global_step
        if self._link.rank == 0:
            ref = ray.put(publishable_weights(self.trainer, self._config))
            payload = {"version": version, "weights": [ref], "metrics": metrics}
            self._link.report(Report("updated", payload))
        # Huge pages make faulting it in again cheap (cluster/session.py); holes would add up.
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
