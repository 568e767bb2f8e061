"""TRL's trainer as a learner worker builds it, trained in this process: no Ray, a second or two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from selfplay.config.run import RunConfig
from selfplay.learner.batches import micro_batches
from selfplay.learner.build import build_trainer
from selfplay.learner.checkpoint import publishable_weights, restore_checkpoint, save_checkpoint
from selfplay.learner.trainer import MicroBatch, PackedGRPOTrainer
from selfplay.models.transfer import unpack_weights
from tests.selfplay.batches import PAD, SIZE, Weights, step_groups, tensors

Metrics = dict[str, float | None]
Source = Callable[[int], list[MicroBatch]]


class Watch(TrainerCallback):
    """Collects weights and metrics after every update; saves or goes back after one; stops."""

    def __init__(
        self,
        config: RunConfig,
        stop: int,
        save: tuple[int, Path] | None,
        back: tuple[int, Path, Path | None] | None = None,
    ) -> None:
        self._config, self._stop, self._save, self._back = config, stop, save, back
        self.trainer: PackedGRPOTrainer
        self.weights: list[Weights] = []
        self.metrics: list[Metrics] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.metrics.append(self.trainer.take_metrics())
        self._publish()
        if self._save is not None and state.global_step == self._save[0]:
            save_checkpoint(self.trainer, self._save[1])
        if self._back is not None and state.global_step == self._back[0]:
            restore_checkpoint(self.trainer, str(self._back[1]), _text(self._back[2]))
            self._publish()
        control.should_training_stop = state.global_step == self._stop

    def _publish(self) -> None:
        published = unpack_weights(publishable_weights(self.trainer, self._config))
        self.weights.append({name: tensor.clone() for name, tensor in published.items()})


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def batches_of(config: RunConfig, groups: Sequence[int] = (), shift: int = 0) -> Source:
    """Return a source whose batch depends on the update's number (+ `shift`) alone.

    `groups` has how many groups each update gets; without it all get `groups_per_step`.
    """
    steps = config.groups_per_step * SIZE // (config.micro_batch_size or 10**6) or 1

    def batch(step: int) -> list[MicroBatch]:
        number = step + shift
        made = step_groups(number, groups[number] if groups else config.groups_per_step)
        [share] = micro_batches(made, workers=1, steps=steps, group_size=SIZE, pad_id=PAD)
        return [tensors(arrays) for arrays in share]

    return batch


def train(
    config: RunConfig,
    folder: Path,
    *,
    stop: int,
    save: tuple[int, Path] | None = None,
    resume: Path | None = None,
    back: tuple[int, Path, Path | None] | None = None,
    source: Source | None = None,
) -> Watch:
    """Train to version `stop`, on `batches_of(config)` where no other source is given."""
    source = source or batches_of(config)
    trainer = build_trainer(config, str(resume or config.model), str(folder), source)
    return watched(trainer, Watch(config, stop, save, back), resume)


def watched(trainer: PackedGRPOTrainer, watch: Watch, resume: Path | None = None) -> Watch:
    """Train under a watch."""
    watch.trainer = trainer
    trainer.add_callback(watch)
    trainer.train(resume_from_checkpoint=_text(resume))
    return watch
