"""Packed loss, gradients and entropies are TRL's own, on the same ragged batch."""

from __future__ import annotations

import functools
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from selfplay.learner.batches import micro_batches
from selfplay.learner.build import grpo_config
from selfplay.learner.trainer import PackedGRPOTrainer
from selfplay.models.attention import GROUPED
from selfplay.models.load import load_model, load_tokenizer
from tests.selfplay.batches import Batch, learner_config, random_groups, tensors

pytestmark = pytest.mark.usefixtures("one_thread")
GROUPS, SIZE, LONGEST = 4, 4, 6
LOSSES = ["dapo", "dr_grpo", "grpo", "bnpo", "cispo"]


@functools.cache
def ragged_batch(per_token: bool, off_policy: bool = False) -> Batch:
    """Return 4 groups of 4 rows as the learner gets them, without the sampler's log-probs."""
    groups = random_groups(3, GROUPS, SIZE, LONGEST)
    [[arrays]] = micro_batches(groups, workers=1, steps=1, group_size=SIZE, pad_id=2)
    batch = tensors(arrays)
    sampler = batch.pop("sampler_logps")
    for ours_alone in ("versions", "num_rows_in_batch"):
        batch.pop(ours_alone)
    if per_token:
        noise = torch.rand(sampler.shape, generator=torch.Generator().manual_seed(1))
        batch["advantages"] = batch["advantages"][:, None] * (0.5 + noise)
    if off_policy:
        batch["old_per_token_logps"] = sampler
    return batch


def trainer(
    cls: type[Any], folder: Path, out: Path, *, attention: str | None = None, **settings: Any
) -> Any:
    """Return a trainer of class `cls` over the tiny model, ready for one `_compute_loss`.

    Ours attends as the learner does on the CPU, TRL's as transformers does by itself.
    """
    attention = attention or (GROUPED if cls is PackedGRPOTrainer else "sdpa")
    args = GRPOConfig(
        output_dir=str(out),
        per_device_train_batch_size=SIZE,
        num_generations=SIZE,
        max_completion_length=LONGEST,
        bf16=False,
        use_cpu=True,
        beta=0.0,
        report_to=[],
        **settings,
    )
    extra = {"batch_source": None, "importance_cap": 2.0} if cls is PackedGRPOTrainer else {}
    made = cls(
        model=load_model(str(folder), dtype=torch.float32, attention=attention),
        reward_funcs=lambda **_: [],
        args=args,
        train_dataset=Dataset.from_list([{"prompt": "slot"}] * SIZE),
        processing_class=load_tokenizer(str(folder)),
        **extra,
    )
    made.model.train()
    made.current_gradient_accumulation_steps = 1
    return made


def loss_and_gradients(made: Any, batch: Batch) -> tuple[float, dict[str, torch.Tensor]]:
    made.model.zero_grad()
    loss = made._compute_loss(made.model, dict(batch))
    loss.backward()
    return float(loss.detach()), {name: p.grad for name, p in made.model.named_parameters()}


def assert_same(ours: Any, theirs: Any, batch: Batch) -> dict[str, torch.Tensor]:
    """Compare both paths; return our gradients."""
    loss, grads = loss_and_gradients(ours, batch)
    expected, wanted = loss_and_gradients(theirs, batch)
    assert abs(expected) > 1e-3, "a loss of zero compares nothing"
    assert loss == pytest.approx(expected, rel=1e-6, abs=1e-6)
    norm = torch.stack([g.norm() for g in wanted.values()]).norm()
    assert norm > 1e-3 and grads.keys() == wanted.keys()
    for name, gradient in wanted.items():
        assert float((grads[name] - gradient).norm() / norm) < 1e-6, name
    return grads


@pytest.mark.parametrize("per_token", [False, True], ids=["per_row", "per_token"])
@pytest.mark.parametrize("loss", LOSSES)
def test_loss_and_gradients_equal_trl(
    tiny_model: Path, tmp_path: Path, loss: str, per_token: bool
) -> None:
    settings = {"loss_type": loss, "temperature": 0.7, "epsilon_high": 0.28}
    ours = trainer(PackedGRPOTrainer, tiny_model, tmp_path, **settings)
    theirs = trainer(GRPOTrainer, tiny_model, tmp_path, **settings)
    assert_same(ours, theirs, ragged_batch(per_token))


def test_shared_beginnings_equal_trl(tiny_model: Path, tmp_path: Path) -> None:
    """Completions that begin alike meet in one node of the tree, where their gradients add up."""
    batch = dict(ragged_batch(False))
    ids = batch["completion_ids"].clone()
    ids[1:4, :2] = ids[0, :2]
    ids[6] = ids[5]
    batch["completion_ids"] = ids
    ours = trainer(PackedGRPOTrainer, tiny_model, tmp_path, loss_type="dapo")
    assert_same(ours, trainer(GRPOTrainer, tiny_model, tmp_path, loss_type="dapo"), batch)


def test_the_prior_reweighs_by_the_policy(tiny_model: Path, tmp_path: Path) -> None:
    """Like TRL's own loss on advantages that were reweighed by hand."""
    batch = dict(ragged_batch(False))
    batch["advantages"] = batch["advantages"].abs() + 0.1
    real = batch["completion_mask"].bool()
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    theirs = trainer(GRPOTrainer, tiny_model, tmp_path, loss_type="dapo")
    with torch.no_grad():
        logps, _, _ = theirs._get_per_token_logps_and_entropies(
            theirs.model, ids, mask, real.shape[1]
        )
    weights = batch["advantages"] * torch.where(real, logps, 0.0).sum(1).exp()
    by_hand = dict(batch)
    sums = batch["advantages"].view(-1, SIZE).sum(1, keepdim=True)
    shares = weights.view(-1, SIZE) / weights.view(-1, SIZE).sum(1, keepdim=True)
    by_hand["advantages"] = (shares * sums).view(-1)
    ours = trainer(PackedGRPOTrainer, tiny_model, tmp_path, loss_type="dapo")
    ours._target_prior = 1.0
    loss, grads = loss_and_gradients(ours, batch)
    expected, wanted = loss_and_gradients(theirs, by_hand)
    assert loss == pytest.approx(expected, rel=1e-4)
    norm = torch.stack([g.norm() for g in wanted.values()]).norm()
    for name, gradient in wanted.items():
        assert float((grads[name] - gradient).norm() / norm) < 1e-4, name


def test_the_attention_of_gpus_equals_trl_too(tiny_model: Path, tmp_path: Path) -> None:
    ours = trainer(PackedGRPOTrainer, tiny_model, tmp_path, attention="sdpa")
    assert_same(ours, trainer(GRPOTrainer, tiny_model, tmp_path), ragged_batch(False))


def test_clipping_against_old_logps_equals_trl(tiny_model: Path, tmp_path: Path) -> None:
    """Off-policy: the ratio's clipping depends on the packed log-probs."""
    batch = ragged_batch(False, off_policy=True)
    ours = trainer(PackedGRPOTrainer, tiny_model, tmp_path, loss_type="dapo")
    theirs = trainer(GRPOTrainer, tiny_model, tmp_path, loss_type="dapo")
    assert_same(ours, theirs, batch)
    clipped = ours._metrics["train"]["clip_ratio/region_mean"]
    assert clipped[0] > 0.1, "no ratio was clipped: the test says nothing"
    assert clipped == theirs._metrics["train"]["clip_ratio/region_mean"]


def test_the_entropy_bonus_equals_trl_and_acts(tiny_model: Path, tmp_path: Path) -> None:
    """A static coefficient and the adaptive one after its first step."""
    batch = ragged_batch(False)
    plain = trainer(PackedGRPOTrainer, tiny_model, tmp_path, loss_type="dapo")
    _, without = loss_and_gradients(plain, batch)
    static = {"loss_type": "dapo", "entropy_coef": 0.05}
    ours = trainer(PackedGRPOTrainer, tiny_model, tmp_path, **static)
    theirs = trainer(GRPOTrainer, tiny_model, tmp_path, **static)
    grads = assert_same(ours, theirs, batch)
    assert any(float((grads[n] - without[n]).norm()) > 1e-5 for n in grads)
    adaptive = {"use_adaptive_entropy": True, "entropy_target": 10.0, "entropy_coef_delta": 0.02}
    ours = trainer(PackedGRPOTrainer, tiny_model, tmp_path, **adaptive)
    theirs = trainer(GRPOTrainer, tiny_model, tmp_path, **adaptive)
    for _ in range(2):
        assert_same(ours, theirs, batch)
    assert ours.entropy_coef == theirs.entropy_coef > 0


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_logps_and_entropies_equal_trl(
    tiny_model: Path, tmp_path: Path, temperature: float
) -> None:
    batch = ragged_batch(False)
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    steps, real = batch["completion_ids"].shape[1], batch["completion_mask"].bool()
    both = []
    for cls in (PackedGRPOTrainer, GRPOTrainer):
        made = trainer(cls, tiny_model, tmp_path, temperature=temperature)
        with torch.no_grad():
            logps, entropies, _ = made._get_per_token_logps_and_entropies(
                made.model, ids, mask, steps, compute_entropy=True
            )
        both.append((logps[real], entropies[real]))
    for ours, theirs in zip(*both, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_importance_weights_are_truncated_and_the_mismatch_is_not(
    tiny_model: Path, tmp_path: Path
) -> None:
    """With a known gap to the sampler the advantages become A * min(exp(gap), cap)."""
    batch = dict(ragged_batch(False))
    real = batch["completion_mask"].bool()
    made = trainer(PackedGRPOTrainer, tiny_model, tmp_path, loss_type="dapo")
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    with torch.no_grad():
        logps, _, _ = made._get_per_token_logps_and_entropies(made.model, ids, mask, real.shape[1])
    assert made.mismatch == []
    rng = random.Random(5)
    gaps = torch.tensor([[rng.choice([-1.0, 0.0, 0.5, 3.0]) for _ in row] for row in real])
    # What lies on padding must not count.
    batch["sampler_logps"] = torch.where(real, logps - gaps, 1e4)
    corrected, grads = loss_and_gradients(made, batch)
    weights = gaps.exp().clamp(max=2.0)
    by_hand = {k: v for k, v in batch.items() if k != "sampler_logps"}
    by_hand["advantages"] = batch["advantages"][:, None] * torch.where(real, weights, 1.0)
    theirs = trainer(GRPOTrainer, tiny_model, tmp_path, loss_type="dapo")
    expected, wanted = loss_and_gradients(theirs, by_hand)
    assert corrected == pytest.approx(expected, rel=1e-4)
    norm = torch.stack([g.norm() for g in wanted.values()]).norm()
    for name, gradient in wanted.items():
        # The gaps themselves are rounded to float32: 1e-6 of log-probs of about 6.
        assert float((grads[name] - gradient).norm() / norm) < 1e-5, name
    [(total, peak, mean, count)] = made.mismatch
    assert total == pytest.approx(float(gaps[real].abs().sum()), rel=1e-4)
    assert peak == pytest.approx(3.0, rel=1e-4), "the mismatch is reported before truncation"
    assert mean == pytest.approx(float(weights[real].sum()), rel=1e-4)
    assert count == int(real.sum())


def test_rows_that_the_policy_did_not_draw_are_not_corrected(
    tiny_model: Path, tmp_path: Path
) -> None:
    """Their sampler log-probs are NaN: no weight, no mismatch, and no NaN in the gradients."""
    batch = dict(ragged_batch(False))
    real = batch["completion_mask"].bool()
    made = trainer(PackedGRPOTrainer, tiny_model, tmp_path, loss_type="dapo")
    plain, _ = loss_and_gradients(made, batch)
    batch["sampler_logps"] = torch.full(real.shape, torch.nan)
    undrawn, grads = loss_and_gradients(made, batch)
    assert undrawn == plain and made.mismatch == []
    # Only the second row was drawn, at a probability that the cap of 2 truncates.
    batch["sampler_logps"] = batch["sampler_logps"].clone()
    batch["sampler_logps"][1] = -20.0
    corrected, grads = loss_and_gradients(made, batch)
    assert all(bool(g.isfinite().all()) for g in grads.values())
    by_hand = {k: v for k, v in batch.items() if k != "sampler_logps"}
    by_hand["advantages"] = batch["advantages"].clone()
    by_hand["advantages"][1] *= 2
    expected, _ = loss_and_gradients(made, by_hand)
    assert corrected == pytest.approx(expected, rel=1e-5)
    [(_, _, weights, count)] = made.mismatch
    assert count == int(real[1].sum()) and weights == 2 * count


def test_rows_of_different_prompts_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    batch = dict(ragged_batch(False))
    batch["prompt_ids"] = batch["prompt_ids"].clone()
    batch["prompt_ids"][1, -1] += 1
    made = trainer(PackedGRPOTrainer, tiny_model, tmp_path)
    with pytest.raises(ValueError, match="share one prompt"):
        made._compute_loss(made.model, batch)


def summed(made: Any, batches: list[Batch]) -> dict[str, torch.Tensor]:
    """Gradients of an update, accumulated over its micro-batches."""
    made.model.zero_grad()
    made.current_gradient_accumulation_steps = len(batches)
    made.args.steps_per_generation = len(batches)
    for batch in batches:
        made._compute_loss(made.model, dict(batch)).backward()
    return {name: p.grad.clone() for name, p in made.model.named_parameters()}


@pytest.mark.parametrize("kept", [1, 3])
@pytest.mark.parametrize("loss", LOSSES)
def test_dropped_groups_and_micro_batches_leave_the_gradient_alone(
    tiny_model: Path, tmp_path: Path, loss: str, kept: int
) -> None:
    """Of 4 groups some were dropped: cut in 1, 2 or 4, TRL's own gradient of the whole batch."""
    settings = {"loss_type": loss, "entropy_coef": 0.05, "epsilon_high": 1.28}
    groups = random_groups(5, GROUPS, SIZE, LONGEST)[:kept]
    theirs = trainer(GRPOTrainer, tiny_model, tmp_path, **settings)
    [[whole]] = micro_batches(groups, workers=1, steps=1, group_size=SIZE, pad_id=2)
    wanted = summed(theirs, [tensors(whole)])
    norm = torch.stack([g.norm() for g in wanted.values()]).norm()
    assert norm > 1e-3
    ours = trainer(PackedGRPOTrainer, tiny_model, tmp_path, **settings)
    for steps in (1, 2, 4):
        [cut] = micro_batches(groups, workers=1, steps=steps, group_size=SIZE, pad_id=2)
        batches = [tensors(arrays) for arrays in cut]
        for batch in batches:
            batch.pop("sampler_logps")
        grads = summed(ours, batches)
        for name, gradient in wanted.items():
            assert float((grads[name] - gradient).norm() / norm) < 1e-5, (steps, name)


def stale_batch(version: int) -> Batch:
    groups = random_groups(3, GROUPS, SIZE, LONGEST)
    for group in groups:
        for rollout in group.rollouts:
            rollout.policy_version = version
    [[arrays]] = micro_batches(groups, workers=1, steps=1, group_size=SIZE, pad_id=2)
    return tensors(arrays)


@pytest.mark.parametrize("loss", LOSSES)
def test_what_an_older_version_drew_is_clipped_as_trl_clips(
    tiny_model: Path, tmp_path: Path, loss: str
) -> None:
    config = learner_config(tiny_model, loss=loss, adaptive_entropy=False)
    args = grpo_config(config, str(tmp_path))
    settings = {
        "loss_type": loss,
        "epsilon": args.epsilon,
        "epsilon_high": args.epsilon_high,
        "delta": args.delta,
    }
    ours = trainer(PackedGRPOTrainer, tiny_model, tmp_path, **settings)
    ours.state.global_step = 3
    theirs = trainer(GRPOTrainer, tiny_model, tmp_path, **settings)
    batch = stale_batch(version=2)
    by_hand = dict(batch) | {"old_per_token_logps": batch["sampler_logps"]}
    _, wanted = loss_and_gradients(theirs, by_hand)
    _, grads = loss_and_gradients(ours, batch)
    _, unclipped = loss_and_gradients(ours, stale_batch(version=3))
    norm = torch.stack([g.norm() for g in wanted.values()]).norm()
    for name, gradient in wanted.items():
        assert float((grads[name] - gradient).norm() / norm) < 1e-5, name
    assert any(float((grads[n] - unclipped[n]).norm() / norm) > 1e-2 for n in wanted)


def test_on_policy_cispo_is_the_policy_gradient(tiny_model: Path, tmp_path: Path) -> None:
    """The ratio is 1, which no bound of `clip_high` may scale: the same gradient as dapo's."""
    both = []
    for loss in ("cispo", "dapo"):
        args = grpo_config(learner_config(tiny_model, loss=loss), str(tmp_path))
        made = trainer(
            PackedGRPOTrainer,
            tiny_model,
            tmp_path,
            loss_type=loss,
            epsilon_high=args.epsilon_high,
            delta=args.delta,
        )
        both.append(loss_and_gradients(made, ragged_batch(False))[1])
    for name, gradient in both[1].items():
        torch.testing.assert_close(both[0][name], gradient, rtol=1e-5, atol=1e-7)
