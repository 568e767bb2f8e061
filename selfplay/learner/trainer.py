"""Our subclass of TRL's GRPOTrainer: all that touches TRL's private methods is in this file.

TRL keeps the losses, the optimiser, PEFT, accelerate, adaptive entropy and the metrics. Two things
change and nothing else: where a batch comes from (`_prepare_inputs`: scored rollouts instead of
TRL's own generation) and how log-probabilities are computed
(`_get_per_token_logps_and_entropies`: packed after one shared prompt). docs/adr/0002 says why;
tests/selfplay/learner/test_trl_equality.py compares loss and gradients with TRL's own path.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from trl import GRPOTrainer
from trl.trainer.grpo_trainer import is_peft_model

from selfplay.learner.optim import MasterAdamW
from selfplay.learner.packing import pack_groups, packed_logits, token_logprobs
from selfplay.learner.weighing import Shares, corrected, shares_of, with_prior
from selfplay.models.adapters import load_adapter
from selfplay.models.windows import Windows

MicroBatch = dict[str, torch.Tensor]
BatchSource = Callable[[int], list[MicroBatch]]
"""Takes the number of the coming update, returns one micro-batch per accumulation step."""


class PackedGRPOTrainer(GRPOTrainer):
    """GRPOTrainer that trains on batches from `batch_source` with packed log-probs.

    Each micro-batch holds whole groups of `group_size` rows, with the keys that TRL's
    `_compute_loss` reads: prompt_ids, prompt_mask, completion_ids, completion_mask, advantages
    ((B,) or (B, T)), num_items_in_batch, and old_per_token_logps unless strictly on-policy; and
    what weighing.py reads: sampler_logps, versions and num_rows_in_batch.
    """

    optimizer: torch.optim.Optimizer | None

    def __init__(
        self,
        *args: Any,
        batch_source: BatchSource,
        importance_cap: float,
        target_prior: float = 0.0,
        rate_of: Callable[[int, float], float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        plain = self.model.get_base_model() if is_peft_model(self.model) else self.model
        self._windows = Windows.of(plain)
        self._batch_source = batch_source
        self._importance_cap = importance_cap
        self._target_prior = target_prior
        self._rate_of = rate_of
        self._decaying: list[bool] = []
        self.time_gone = 0.0
        """Share of the run's time that had passed when the coming update was asked for."""
        self.last_rate: float | None = None
        """Learning rate of the update under way, or of the last one."""
        self._micro_batches: list[MicroBatch] = []
        self._inputs: MicroBatch = {}
        self._shares = Shares()
        self.mismatch: list[tuple[float, float, float, float]] = []
        self.last_loss: float | None = None
        self.last_grad_norm: float | None = None

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Return AdamW with float32 master weights (optim.py) over TRL's usual parameter groups."""
        if self.optimizer is None:
            target = self.model if model is None else model
            decay = set(self.get_decay_parameter_names(target))
            named = [(n, p) for n, p in target.named_parameters() if p.requires_grad]
            decayed = [p for n, p in named if n in decay]
            groups = [
                {"params": decayed, "weight_decay": self.args.weight_decay},
                {"params": [p for n, p in named if n not in decay], "weight_decay": 0.0},
            ]
            self._decaying = [bool(group is groups[0]) for group in groups if group["params"]]
            self.optimizer = MasterAdamW(
                [g for g in groups if g["params"]], lr=self.args.learning_rate
            )
        return self.optimizer

    def _prepare_inputs(self, generation_batch: Any) -> MicroBatch:
        if not self._micro_batches:
            self._micro_batches = list(self._batch_source(self.state.global_step))
            self.last_loss = 0.0
            self.set_rate()
            if len(self._micro_batches) != self.args.gradient_accumulation_steps:
                raise ValueError(
                    f"{len(self._micro_batches)} micro-batches for "
                    f"{self.args.gradient_accumulation_steps} accumulation steps"
                )
        batch = self._micro_batches.pop(0)
        return {k: v.to(self.accelerator.device) for k, v in batch.items()}

    def set_rate(self) -> None:
        """Give the optimiser what the configuration says for the coming update.

        The checkpoint that a run goes on from holds the rate and the weight decay of its own time.
        """
        optimizer = self.optimizer
        if optimizer is None:
            return
        if self._rate_of is not None:
            self.last_rate = self._rate_of(self.state.global_step, self.time_gone)
        for group, decays in zip(optimizer.param_groups, self._decaying, strict=True):
            group["weight_decay"] = self.args.weight_decay if decays else 0.0
            if self.last_rate is not None:
                group["lr"] = self.last_rate

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """TRL's step, adding its loss (scaled for accumulation) up for the step's metrics."""
        loss = super().training_step(*args, **kwargs)
        self.last_loss = (self.last_loss or 0.0) + float(loss)
        return loss  # type: ignore[no-any-return]

    def _get_grad_norm(self, *args: Any, **kwargs: Any) -> Any:
        norm = super()._get_grad_norm(*args, **kwargs)
        self.last_grad_norm = float(norm) if norm is not None else None
        return norm

    def take_metrics(self) -> dict[str, float | None]:
        """Take and clear TRL's metrics of the step, and the importance mismatch."""
        kept = {
            key: [v for v in values if v == v] for key, values in self._metrics["train"].items()
        }
        self._metrics["train"].clear()
        metrics: dict[str, float | None] = {
            key: sum(values) / len(values) if values else None for key, values in kept.items()
        }
        metrics["lr"] = self.last_rate
        metrics["grad_norm"] = self.last_grad_norm
        metrics["loss"] = self.last_loss
        if self.mismatch:
            total, peak, weights, count = zip(*self.mismatch, strict=True)
            metrics["mismatch_mean"] = sum(total) / sum(count)
            metrics["mismatch_max"] = max(peak)
            metrics["importance_mean"] = sum(weights) / sum(count)
            self.mismatch.clear()
        return metrics

    def save_training_state(self, folder: Path) -> None:
        """Save optimiser, schedule, RNG, step and entropy controller, as TRL reads them again."""
        self._save_optimizer_and_scheduler(str(folder))
        self._save_rng_state(str(folder))
        if self.args.should_save:
            self.state.save_to_json(str(folder / "trainer_state.json"))
            self._save_entropy_state(folder)

    def load_optimizer_state(self, folder: str) -> None:
        """Load the optimiser's state of a checkpoint; the schedule stays where it is."""
        schedule = self.lr_scheduler.state_dict()
        self._load_optimizer_and_scheduler(folder)
        self.lr_scheduler.load_state_dict(schedule)

    def _save_entropy_state(self, folder: Path) -> None:
        """Save the entropy controller under the name that TRL looks for on resuming."""
        if self.use_adaptive_entropy:
            state = {
                "entropy_coef": self.entropy_coef,
                "last_world_entropy": self._last_world_entropy,
            }
            (folder / "entropy_ctrl_state.json").write_text(json.dumps(state), "utf-8")

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Load weights to go on from; an adapter lies in a folder of its checkpoint."""
        if is_peft_model(self.model):
            load_adapter(self.model, Path(resume_from_checkpoint))
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _compute_loss(self, model: Any, inputs: MicroBatch) -> torch.Tensor:
        """TRL's loss, so weighted that micro-batches add up to what the whole batch would give."""
        self._inputs = inputs
        self._shares = shares_of(
            inputs,
            self.loss_type,
            steps=self.current_gradient_accumulation_steps,
            workers=self.accelerator.num_processes,
        )
        inputs["advantages"] = inputs["advantages"] * self._shares.policy
        return super()._compute_loss(model, inputs)  # type: ignore[no-any-return]

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        *args: Any,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        group = self.num_generations
        packed = pack_groups(input_ids, attention_mask, logits_to_keep, group)
        with self.accelerator.autocast():
            logits = packed_logits(model, packed, self._windows)
        logps, entropies = token_logprobs(logits, packed, self.temperature)
        mask = attention_mask[:, -logits_to_keep:]
        # TRL reads the advantages after this call, so they may depend on the log-probs.
        if self._target_prior:
            self._inputs["advantages"] = with_prior(
                self._inputs["advantages"],
                (logps.detach() * mask).sum(1),
                group,
                self._target_prior,
            )
        self._correct(logps.detach(), mask)
        return logps, self._shares.weigh(entropies), None

    def _correct(self, logps: torch.Tensor, mask: torch.Tensor) -> None:
        """Bring the sampler's log-probs in; the mismatch is kept as it was before truncation."""
        inputs, sampler = self._inputs, self._inputs.get("sampler_logps")
        if sampler is None:
            return
        real = mask.bool() & ~sampler.isnan()
        if not bool(real.any()):
            return
        versions = inputs.get("versions")
        stale = None if versions is None else versions < self.state.global_step
        weights, old = corrected(logps, sampler, real, stale, self._importance_cap)
        if old is not None:
            inputs["old_per_token_logps"] = old
        advantages = inputs["advantages"]
        if advantages.dim() == 1:
            advantages = advantages[:, None]
        inputs["advantages"] = advantages * weights
        gap = torch.where(real, logps - sampler, 0.0)
        capped = gap.exp().clamp(max=self._importance_cap)
        self.mismatch.append(
            (
                float(gap.abs().sum()),
                float(gap.abs().max()),
                float((capped * real).sum()),
                float(real.sum()),
            )
        )
