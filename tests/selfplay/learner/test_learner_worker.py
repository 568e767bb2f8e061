"""The trainer that a learner worker builds, trained by TRL in this process."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
import ray.train
import torch

from envs.errors import InputError
from selfplay.config.run import RunConfig
from selfplay.fidelity.family import check_family
from selfplay.learner.batches import micro_batches
from selfplay.learner.build import build_trainer
from selfplay.learner.checkpoint import publishable_weights
from selfplay.learner.exchange import Command, Report
from selfplay.learner.worker import train_worker
from selfplay.models.load import load_config, load_model, load_tokenizer
from tests.selfplay.batches import PAD, SIZE, Weights, distance, learner_config, step_groups
from tests.selfplay.in_process import Watch, batches_of, train, watched

pytestmark = pytest.mark.usefixtures("one_thread")


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
    straight = train(config, tmp_path, stop=4, resume=saved, source=batches_of(config, shift=3))
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
    laid_over = build_trainer(config, str(tiny_model), str(tmp_path), batches_of(config))
    resumed = watched(laid_over, Watch(config, 4, None), resume=saved)
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


class Ordered:
    """The exchange as a worker sees it: hands out commands in order, keeps the reports."""

    def __init__(self, *commands: Command) -> None:
        self._commands = commands
        self.reports: list[Report] = []
        self.arrive, self.take, self.report = (
            SimpleNamespace(remote=call) for call in (self._arrive, self._take, self._report)
        )

    def _arrive(self, rank: int, where: dict[str, Any]) -> None:
        assert rank == 0 and where

    def _take(self, rank: int, index: int, timeout_s: float) -> Command:
        return self._commands[index]

    def _report(self, report: Report) -> None:
        self.reports.append(report)


def obey(
    exchange: Ordered, config: RunConfig, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Report]:
    """Run a worker on the commands, with Ray's calls answered at once."""
    context = SimpleNamespace(get_world_rank=lambda: 0)
    monkeypatch.setattr(ray, "get", lambda value, timeout: value)
    monkeypatch.setattr(ray, "put", lambda value: value)
    monkeypatch.setattr(ray.train, "get_context", lambda: context)
    monkeypatch.setattr("selfplay.learner.worker.whereabouts", lambda: {"node": "here"})
    settings = {"config": config.model_dump(mode="json"), "model": config.model, "resume": None}
    settings |= {"base": config.model, "exchange": exchange, "work_dir": str(folder)}
    train_worker(settings)
    return exchange.reports


def test_a_worker_may_be_stopped_before_its_first_update(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = learner_config(tiny_model)
    reports = obey(Ordered(Command("stop")), config, tmp_path, monkeypatch)
    assert reports == [Report("ready", {"version": 0})]


def test_a_worker_obeys_in_order_between_its_updates(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = learner_config(tiny_model)
    [share] = micro_batches(step_groups(0, 4), workers=1, steps=1, group_size=SIZE, pad_id=PAD)
    saved = tmp_path / "v000001"
    orders = (
        Command("update", share),
        Command("save", str(saved)),
        Command("restore", (str(tiny_model), None)),
        Command("update", share),
        Command("stop"),
    )
    reports = obey(Ordered(*orders), config, tmp_path, monkeypatch)
    assert [report.kind for report in reports] == [
        "ready",
        *["updated", "saved", "updated"],
        "updated",
    ]
    assert [r.payload["version"] for r in reports if r.kind == "updated"] == [1, 2, 3]
    assert reports[2].payload == {"folder": str(saved)}
    assert (saved / "trainer_state.json").exists()
