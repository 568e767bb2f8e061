"""The trainer that a learner worker builds, trained by TRL in this process."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from envs.errors import InputError
from selfplay.config.run import RunConfig
from selfplay.fidelity.family import check_family
from selfplay.learner.batches import micro_batches
from selfplay.learner.build import build_trainer
from selfplay.learner.checkpoint import publishable_weights, restore_checkpoint, save_checkpoint
from selfplay.learner.trainer import MicroBatch, PackedGRPOTrainer
from selfplay.models.load import load_config, load_model, load_tokenizer
from selfplay.models.transfer import unpack_weights
from tests.selfplay.batches import (
    PAD,
    SIZE,
    Weights,
    distance,
    learner_config,
    step_groups,
    tensors,
)

pytestmark = pytest.mark.usefixtures("one_thread")
Metrics = dict[str, float | None]


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


def batches(config: RunConfig, steps: int, step: int) -> list[MicroBatch]:
    [share] = micro_batches(
        step_groups(step, config.groups_per_step),
        workers=1,
        steps=steps,
        group_size=SIZE,
        pad_id=PAD,
    )
    return [tensors(arrays) for arrays in share]


def train(
    config: RunConfig,
    folder: Path,
    *,
    stop: int,
    save: tuple[int, Path] | None = None,
    resume: Path | None = None,
    back: tuple[int, Path, Path | None] | None = None,
    shift: int = 0,
) -> Watch:
    """Train to version `stop`; each update's batch depends on its number (+ `shift`) alone."""
    steps = config.groups_per_step * SIZE // (config.micro_batch_size or 10**6) or 1
    source = functools.partial(_shifted, shift, config, steps)
    trainer = build_trainer(config, str(resume or config.model), str(folder), source)
    watch = Watch(config, stop, save, back)
    watch.trainer = trainer
    trainer.add_callback(watch)
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    return watch


def _shifted(shift: int, config: RunConfig, steps: int, step: int) -> list[MicroBatch]:
    return batches(config, steps, step + shift)


def base_weights(folder: Path) -> Weights:
    model = load_model(str(folder), dtype=torch.float32)
    return {name: p.detach() for name, p in model.named_parameters()}


def test_metrics_of_a_step(tiny_model: Path, tmp_path: Path) -> None:
    watch = train(learner_config(tiny_model), tmp_path, stop=3)
    for metrics in watch.metrics:
        json.dumps(metrics, allow_nan=False)
        assert metrics["grad_norm"] is not None and metrics["grad_norm"] > 1e-3
        assert metrics["loss"] is not None and metrics["importance_mean"] is not None
        # Random weights over 512 tokens are nearly uniform: ln 512 = 6.24.
        assert metrics["entropy"] is not None and 6.0 < metrics["entropy"] < 6.25
        # The sampler's log-probs in the batch were drawn from -7 to -5.
        assert metrics["mismatch_mean"] is not None and 0.1 < metrics["mismatch_mean"] < 1.3
        assert metrics["mismatch_max"] is not None
        assert metrics["mismatch_mean"] < metrics["mismatch_max"] < 1.5
    assert [m["entropy_coef"] for m in watch.metrics] == pytest.approx([0.01, 0.02, 0.03])
    # Linear from 1e-3 over 10 steps.
    assert [m["lr"] for m in watch.metrics] == pytest.approx([1e-3, 9e-4, 8e-4])


def test_the_same_run_twice_is_the_same(tiny_model: Path, tmp_path: Path) -> None:
    runs = [train(learner_config(tiny_model), tmp_path, stop=2) for _ in range(2)]
    for one, two in zip(runs[0].metrics, runs[1].metrics, strict=True):
        assert one | {"step_time": 0.0} == two | {"step_time": 0.0}
    assert distance(runs[0].weights[-1], runs[1].weights[-1]) == 0.0
    assert distance(runs[0].weights[-1], base_weights(tiny_model)) > 1e-4


@pytest.mark.parametrize("loss", ["dapo", "dr_grpo", "cispo"])
def test_micro_batches_add_up_to_the_whole_batch(
    tiny_model: Path, tmp_path: Path, loss: str
) -> None:
    """Accumulation over 4 micro-batches, over more updates than an epoch of slots has."""
    whole = learner_config(tiny_model, adaptive_entropy=False, loss=loss)
    micro = whole.model_copy(update={"micro_batch_size": SIZE})
    one, other = (train(config, tmp_path, stop=5) for config in (whole, micro))
    for a, b in zip(one.metrics, other.metrics, strict=True):
        assert b["loss"] == pytest.approx(a["loss"], rel=1e-3, abs=1e-6)
        assert b["grad_norm"] == pytest.approx(a["grad_norm"], rel=1e-4)
    for c, d in zip(one.weights, other.weights, strict=True):
        assert distance(c, d) < 1e-5


@pytest.mark.parametrize(
    "learner",
    [
        {},
        # A step of 1e-5 is below bfloat16's rounding: only the masters can carry it over.
        {"dtype": "bfloat16", "lr": 1e-5, "schedule": "constant", "warmup_steps": 4},
    ],
    ids=["float32_adaptive_entropy", "bfloat16_masters"],
)
def test_resuming_continues_identically(
    tiny_model: Path, tmp_path: Path, learner: dict[str, Any]
) -> None:
    config = learner_config(tiny_model, **learner)
    saved = tmp_path / "v000002"
    straight = train(config, tmp_path, stop=6, save=(2, saved))
    resumed = train(config, tmp_path, stop=6, resume=saved)
    assert len(resumed.weights) == 4
    for a, b in zip(straight.weights[2:], resumed.weights, strict=True):
        assert distance(a, b) == 0.0
    for name in ("lr", "entropy_coef", "loss", "grad_norm"):
        assert [m[name] for m in straight.metrics[2:]] == [m[name] for m in resumed.metrics], name
    assert distance(straight.weights[1], straight.weights[5]) > 0.0
    state = torch.load(saved / "optimizer.pt", weights_only=True)["state"]
    assert {v.dtype for entry in state.values() for v in entry.values()} == {torch.float32}
    assert all(
        ("master" in entry) == ("dtype" in learner and learner["dtype"] == "bfloat16")
        for entry in state.values()
    )


def test_the_first_update_of_a_warm_up_changes_the_weights(
    tiny_model: Path, tmp_path: Path
) -> None:
    config = learner_config(tiny_model, warmup_steps=3, schedule="constant")
    watch = train(config, tmp_path, stop=4)
    assert [m["lr"] for m in watch.metrics] == pytest.approx([2.5e-4, 5e-4, 7.5e-4, 1e-3])
    assert distance(watch.weights[0], base_weights(tiny_model)) > 1e-5


def test_a_resumed_learner_takes_the_settings_that_it_is_given(
    tiny_model: Path, tmp_path: Path
) -> None:
    """The optimiser's state in the checkpoint has the rate and the weight decay of before."""
    saved = tmp_path / "v000002"
    before = learner_config(tiny_model, schedule="constant")
    train(before, tmp_path, stop=2, save=(2, saved))
    after = learner_config(tiny_model, schedule="linear", lr=4e-3, weight_decay=0.5)
    watch = train(after, tmp_path, stop=4, resume=saved)
    assert [m["lr"] for m in watch.metrics] == pytest.approx([3.2e-3, 2.8e-3])
    groups = watch.trainer.optimizer.param_groups  # type: ignore[union-attr]
    assert sorted({group["weight_decay"] for group in groups}) == [0.0, 0.5]
    same = train(before, tmp_path, stop=4, resume=saved)
    assert distance(watch.weights[-1], same.weights[-1]) > 1e-3


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_going_back_continues_from_the_frozen_version(
    tiny_model: Path, tmp_path: Path, dtype: str
) -> None:
    """Weights, moments and masters are those of version 2; the rollback is a step of its own."""
    config = learner_config(tiny_model, dtype=dtype, schedule="constant")
    saved = tmp_path / "v000002"
    watch = train(config, tmp_path, stop=7, save=(2, saved), back=(4, saved, saved))
    # Versions 1 to 4, the rollback to 2 as version 5, then 6 and 7.
    assert len(watch.weights) == 7
    assert distance(watch.weights[1], watch.weights[3]) > 0.0
    assert distance(watch.weights[1], watch.weights[4]) == 0.0
    straight = train(config, tmp_path, stop=4, resume=saved, shift=3)
    for ours, theirs in zip(watch.weights[5:], straight.weights, strict=True):
        assert distance(ours, theirs) == 0.0


def test_going_back_to_the_base_model_has_fresh_moments_and_the_schedule_goes_on(
    tiny_model: Path, tmp_path: Path
) -> None:
    saved = tmp_path / "v000006"
    watch = train(
        learner_config(tiny_model), tmp_path, stop=6, save=(6, saved), back=(4, tiny_model, None)
    )
    assert distance(watch.weights[4], base_weights(tiny_model)) == 0.0
    state = torch.load(saved / "optimizer.pt", weights_only=True)["state"]
    assert {float(entry["step"]) for entry in state.values()} == {1.0}
    # Linear over 10 steps: the rates of updates 1 to 4 and 6; the rollback took one.
    assert [m["lr"] for m in watch.metrics] == pytest.approx([1e-3, 9e-4, 8e-4, 7e-4, 5e-4])
    assert json.loads((saved / "trainer_state.json").read_text())["global_step"] == 6


def test_lora_publishes_merged_weights_under_the_plain_names(
    tiny_model: Path, tmp_path: Path
) -> None:
    base = base_weights(tiny_model)
    watch = train(learner_config(tiny_model, lora_rank=4, lr=1e-2), tmp_path, stop=2)
    first, second = watch.weights
    assert distance(base, first) > 1e-4 and distance(first, second) > 1e-4
    assert torch.equal(base["model.embed_tokens.weight"], second["model.embed_tokens.weight"])
    plain = load_model(str(tiny_model), dtype=torch.float32)
    plain.load_state_dict(second, strict=False)
    trained = watch.trainer.accelerator.unwrap_model(watch.trainer.model).eval()
    ids = torch.arange(3, 23)[None]
    with torch.no_grad():
        torch.testing.assert_close(plain(ids).logits, trained(ids).logits, rtol=1e-5, atol=1e-5)


def lora(model: Path, dtype: str = "float32") -> RunConfig:
    return learner_config(model, lora_rank=4, lr=1e-2, dtype=dtype, adaptive_entropy=False)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_publishing_leaves_the_frozen_base_alone(
    tiny_model: Path, tmp_path: Path, dtype: str
) -> None:
    config = lora(tiny_model, dtype)
    trainer = train(config, tmp_path, stop=1).trainer
    frozen = {
        name: p.detach().clone()
        for name, p in trainer.model.named_parameters()
        if "lora_" not in name
    }
    first = publishable_weights(trainer, config)
    for _ in range(20):
        again = publishable_weights(trainer, config)
    assert all((first[name] == again[name]).all() for name in first)
    for name, parameter in trainer.model.named_parameters():
        assert "lora_" in name or torch.equal(parameter, frozen[name]), name


def test_a_lora_checkpoint_is_a_plain_model_and_goes_on_identically(
    tiny_model: Path, tmp_path: Path
) -> None:
    config, saved = lora(tiny_model), tmp_path / "v000002"
    straight = train(config, tmp_path, stop=4, save=(2, saved))
    assert distance(base_weights(saved), straight.weights[1]) < 1e-6
    assert load_tokenizer(str(saved)).pad_token_id == PAD
    check_family(str(saved), load_config(str(saved)))
    resumed = Watch(config, 4, None)
    source = functools.partial(_shifted, 0, config, 1)
    resumed.trainer = build_trainer(config, str(tiny_model), str(tmp_path), source)
    resumed.trainer.add_callback(resumed)
    resumed.trainer.train(resume_from_checkpoint=str(saved))
    for one, other in zip(straight.weights[2:], resumed.weights, strict=True):
        assert distance(one, other) == 0.0


def test_lora_goes_back_to_a_checkpoint_and_to_the_base(tiny_model: Path, tmp_path: Path) -> None:
    config, saved = lora(tiny_model), tmp_path / "v000001"
    watch = train(config, tmp_path, stop=4, save=(1, saved), back=(2, saved, saved))
    assert distance(watch.weights[2], watch.weights[0]) < 1e-6
    base = train(config, tmp_path, stop=4, back=(2, tiny_model, None))
    assert distance(base.weights[2], base_weights(tiny_model)) < 1e-6


def test_the_folder_of_an_adapter_is_a_model_too(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As older runs saved it, and as peft does."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    saved = tmp_path / "v000001"
    watch = train(lora(tiny_model), tmp_path, stop=1, save=(1, saved))
    assert distance(base_weights(saved / "adapter"), watch.weights[0]) < 1e-6
    assert load_tokenizer(str(saved / "adapter")).pad_token_id == PAD
    (saved / "adapter" / "adapter_model.safetensors").unlink()
    with pytest.raises(InputError, match=r"no adapter_model\.safetensors"):
        load_model(str(saved / "adapter"), dtype=torch.float32)


def test_a_source_of_the_wrong_length_is_named(tiny_model: Path, tmp_path: Path) -> None:
    config = learner_config(tiny_model)
    trainer = build_trainer(config, config.model, str(tmp_path), lambda _: [])
    with pytest.raises(ValueError, match="0 micro-batches for 1 accumulation steps"):
        trainer.train()
