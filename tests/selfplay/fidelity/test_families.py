"""Families of models: what is trained is what was sampled, and the others are refused in time."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from envs.errors import InputError
from selfplay.fidelity.family import LIMIT, check_family, family_gaps
from selfplay.learner.batches import micro_batches
from selfplay.learner.build import build_trainer
from selfplay.learner.checkpoint import publishable_weights
from selfplay.learner.trainer import MicroBatch
from selfplay.loop.journal import apart_warning
from selfplay.models.attention import GROUPED
from selfplay.models.load import load_model, load_tokenizer
from selfplay.models.noise import silence
from selfplay.models.tiny import chess_texts
from selfplay.models.tiny_families import FAMILIES, build_family, family_config
from selfplay.models.transfer import unpack_weights
from selfplay.models.windows import Windows
from selfplay.records import Group
from selfplay.sampler.engines.base import SampleRequest
from selfplay.sampler.engines.hf import HFEngine
from tests.selfplay.batches import PAD, SIZE, learner_config, random_groups, tensors

pytestmark = pytest.mark.usefixtures("one_thread")
FIT = [name for name, family in FAMILIES.items() if family.fits]
UNFIT = [name for name, family in FAMILIES.items() if not family.fits]
TRAINED = (
    *("Llama", "Qwen2", "Qwen3", "Gemma", "Gemma 2", "GPT-2", "Mistral, window", "Mixtral"),
    *("Granite", "Cohere", "Phi-3", "OPT", "BigCode", "gpt-oss", "DeepSeek-V3"),
)


@pytest.mark.parametrize("name", FIT)
def test_sampler_and_learner_agree_with_a_plain_forward(name: str) -> None:
    check_family(name, family_config(name))
    gaps = family_gaps(family_config(name))
    assert gaps.keys() == {"sampler", "learner"} and max(gaps.values()) < LIMIT / 10


@pytest.mark.parametrize("name", UNFIT)
def test_a_family_that_cannot_be_packed_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(InputError, match="cannot be trained here") as refused:
        check_family("a/model", family_config(name))
    message = str(refused.value)
    assert message.startswith("model: a/model: ") and "\n" not in message


def test_a_router_that_draws_in_training_alone_can_be_measured() -> None:
    check_family("a/model", family_config("PhiMoE"), learns=False)


@pytest.mark.parametrize("name", ["Mistral, window", "Gemma 2", "Phi-3", "OLMo 3"])
def test_a_forgotten_window_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check must be able to fail."""
    masks = Windows.masks

    def wide(self: Windows, *given: Any) -> Any:
        return masks(replace(self, width=10**6), *given)

    monkeypatch.setattr(Windows, "masks", wide)
    gaps = family_gaps(family_config(name))
    assert gaps["sampler"] > 100 * LIMIT and gaps["learner"] > 100 * LIMIT


@pytest.mark.parametrize("name", FIT)
def test_nothing_is_drawn_in_the_learners_forward(name: str) -> None:
    config = family_config(name)
    for key, value in vars(config).items():
        if isinstance(value, float) and ("drop" in key or key == "router_jitter_noise"):
            setattr(config, key, 0.5)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
        ids = torch.arange(3, 23)[None]
        quiet = model.eval()(input_ids=ids).logits
        noisy = model.train()(input_ids=ids).logits
        silence(model)
        assert torch.equal(model.train()(input_ids=ids).logits, quiet)
    if name in ("GPT-2", "OPT", "BigCode", "Mixtral", "Llama, biases, YaRN, untied"):
        assert not torch.equal(noisy, quiet), "there was no noise: the test says nothing"


@pytest.mark.parametrize("name", TRAINED)
def test_two_steps_train_what_was_sampled(name: str, tmp_path: Path) -> None:
    """Sampler and TRL's trainer in float32: no token's log-prob is off, also after an update."""
    folder = build_family(tmp_path / "model", name)
    config = learner_config(folder, adaptive_entropy=False)
    tokenizer = load_tokenizer(str(folder))
    model = load_model(str(folder), dtype=torch.float32, attention=GROUPED)
    engine = HFEngine(model, tokenizer)
    prompts = [
        tuple(tokenizer(t).input_ids[:n]) for t, n in zip(chess_texts(4), _CUTS, strict=True)
    ]
    source = functools.partial(_drawn, engine, prompts)
    trainer = build_trainer(config, str(folder), str(tmp_path / "out"), source)
    trainer.args.max_steps = 2
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    optimizer = trainer.create_optimizer()
    before = {n: p.detach().clone() for n, p in engine.model.named_parameters()}
    for step in (1, 2):
        trainer._compute_loss(trainer.model, trainer._prepare_inputs(None)).backward()
        optimizer.step()
        optimizer.zero_grad()
        mismatch = _mismatch(trainer)
        assert mismatch is not None and mismatch < 1e-3, f"step {step}"
        engine.update_weights(step, unpack_weights(publishable_weights(trainer, config)))
    after = dict(engine.model.named_parameters())
    assert max(float((after[n] - before[n]).detach().abs().max()) for n in before) > 1e-4


_CUTS = (40, 25, 12, 5)


def _mismatch(trainer: Any) -> float | None:
    total, peak, _, count = trainer.mismatch.pop()
    assert count and total <= peak * count
    return float(peak)


def _drawn(engine: HFEngine, prompts: list[tuple[int, ...]], step: int) -> list[MicroBatch]:
    """A batch of what the engine answers now, with made-up advantages."""
    answers = engine.sample(
        [SampleRequest(p, SIZE, 6, "eos", 1.0, 10 * step + i) for i, p in enumerate(prompts)]
    )
    groups = []
    for group, prompt, samples in zip(
        random_groups(step, len(prompts), SIZE), prompts, answers, strict=True
    ):
        rollouts = [
            replace(
                rollout,
                prompt_ids=list(prompt),
                completion_ids=list(sample.ids),
                logprobs=list(sample.logprobs),
            )
            for rollout, sample in zip(group.rollouts, samples, strict=True)
        ]
        groups.append(Group(group.task, rollouts))
    [[arrays]] = micro_batches(groups, workers=1, steps=1, group_size=SIZE, pad_id=PAD)
    return [tensors(arrays)]


def test_a_mismatch_is_warned_of_where_the_versions_are_the_same() -> None:
    row = {"step": 3, "mismatch_mean": 0.3, "staleness": 0}
    assert "step 3: " in (apart_warning(row) or "") and "0.30 nats" in (apart_warning(row) or "")
    for other in ({"mismatch_mean": 0.1}, {"mismatch_mean": None}, {"staleness": 1}):
        assert apart_warning(row | other) is None
