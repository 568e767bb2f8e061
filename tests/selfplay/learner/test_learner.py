"""The learner under a real Ray Train: updates, two gloo workers, saving and resuming.

Each learner starts a process or two that import TRL, 10 s and more, so the tests share the runs.
What needs no second process is tested in test_learner_worker.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import ray
import torch

from selfplay.learner.handle import Learner, LearnerError, Update
from selfplay.models.load import load_model, load_tokenizer
from selfplay.models.transfer import unpack_weights
from selfplay.records import Group
from selfplay.sampler.engines import SampleRequest
from selfplay.sampler.engines.hf import HFEngine
from tests.selfplay.batches import PAD, Weights, distance, learner_config, step_groups

pytestmark = [pytest.mark.usefixtures("local_ray"), pytest.mark.timeout(300)]
GROUPS_OF_STEP = (4, 3, 4, 1)
"""The second update has unlike shares for two workers, the fourth has none for one of them."""
SAVED_AFTER = 2


@dataclass(slots=True)
class Run:
    """What came out of a learner's updates."""

    folder: Path
    updates: list[Update]
    weights: list[Weights]


@contextmanager
def learner(
    config: Any, folder: Path, model: Path | str | None = None, resume: Path | None = None
) -> Iterator[Learner]:
    made = Learner(config, model=str(model or config.model), resume=resume, work_dir=folder, gpus=0)
    try:
        yield made
    finally:
        made.stop()
    assert not made._thread.is_alive(), "the learner did not end"
    assert made._error is None, f"the learner ended with {made._error!r}"


def batch(step: int) -> list[Group]:
    return step_groups(step, GROUPS_OF_STEP[step])


def train(made: Learner, step: int, run: Run) -> None:
    made.submit(batch(step), PAD)
    run.updates.append(made.wait(step))
    packed = ray.get(run.updates[-1].weights, timeout=60)
    run.weights.append({name: tensor.clone() for name, tensor in unpack_weights(packed).items()})


def run_and_save(model: Path, folder: Path, workers: int) -> Run:
    """Four updates, saved after the second."""
    run = Run(folder / "v000002", [], [])
    # The entropy bonus is a mean per worker in TRL, so it is off where workers are compared.
    config = learner_config(model, workers=workers, adaptive_entropy=False)
    with learner(config, folder / "work") as made:
        assert made.wait_ready() == 0
        for step in range(len(GROUPS_OF_STEP)):
            if step == SAVED_AFTER:
                made.save(run.folder)
            train(made, step, run)
    return run


@pytest.fixture(scope="module")
def one(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory, local_ray: None) -> Run:
    return run_and_save(tiny_model, tmp_path_factory.mktemp("one"), workers=1)


@pytest.fixture(scope="module")
def two(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory, local_ray: None) -> Run:
    return run_and_save(tiny_model, tmp_path_factory.mktemp("two"), workers=2)


def test_updates_change_the_weights_and_count_versions(tiny_model: Path, one: Run) -> None:
    base = load_model(str(tiny_model), dtype=torch.float32).named_parameters()
    before = {name: p.detach() for name, p in base}
    for after in one.weights:
        assert 1e-4 < distance(before, after) < 1e-2
        before = after
    assert [update.version for update in one.updates] == [1, 2, 3, 4]
    for update in one.updates:
        assert update.metrics["grad_norm"] is not None and update.metrics["grad_norm"] > 1e-3
        json.dumps(update.metrics, allow_nan=False)


def test_two_workers_equal_one(one: Run, two: Run) -> None:
    assert [update.version for update in two.updates] == [1, 2, 3, 4]
    for step, (a, b) in enumerate(zip(one.weights, two.weights, strict=True)):
        assert distance(a, b) < 1e-5, f"after update {step + 1}"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_resumed_learner_continues_as_if_never_stopped(
    tiny_model: Path, tmp_path: Path, workers: int, request: pytest.FixtureRequest
) -> None:
    straight: Run = request.getfixturevalue({1: "one", 2: "two"}[workers])
    names = {p.name for p in straight.folder.iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "trainer_state.json"}
    assert names >= {"optimizer.pt", "scheduler.pt"}
    assert len([n for n in names if n.startswith("rng_state")]) == workers
    resumed = Run(straight.folder, [], [])
    config = learner_config(tiny_model, workers=workers, adaptive_entropy=False)
    with learner(config, tmp_path, model=straight.folder, resume=straight.folder) as made:
        assert made.wait_ready() == SAVED_AFTER
        for step in range(SAVED_AFTER, len(GROUPS_OF_STEP)):
            train(made, step, resumed)
    for index, weights in enumerate(resumed.weights):
        assert distance(weights, straight.weights[SAVED_AFTER + index]) == 0.0
        uninterrupted = straight.updates[SAVED_AFTER + index]
        assert resumed.updates[index].version == uninterrupted.version
        for name in ("lr", "loss", "grad_norm"):
            assert resumed.updates[index].metrics[name] == uninterrupted.metrics[name], name


def test_the_saved_folder_is_a_plain_model_with_the_published_weights(one: Run) -> None:
    model = load_model(str(one.folder), dtype=torch.float32)
    saved = {name: p.detach() for name, p in model.named_parameters()}
    assert distance(saved, one.weights[SAVED_AFTER - 1]) == 0.0


def test_it_is_compared_with_the_sampler_and_may_stop_before_the_first_update(
    tiny_model: Path, tmp_path: Path
) -> None:
    request = SampleRequest((5, 6, 7), 3, 6, "eos", 1.0, 0)
    engine = HFEngine(
        load_model(str(tiny_model), dtype=torch.float32), load_tokenizer(str(tiny_model))
    )
    [samples] = engine.sample([request])
    off = [replace(s, logprobs=tuple(x - 0.5 for x in s.logprobs)) for s in samples]
    with learner(learner_config(tiny_model), tmp_path) as made:
        made.wait_ready()
        assert max(made.compare(request, samples, PAD).values()) < 1e-4
        apart = made.compare(request, off, PAD)
        assert apart == pytest.approx({"learner": 0.5, "plain forward": 0.5}, abs=1e-4)
        start = time.monotonic()
    assert time.monotonic() - start < 20


def test_a_learner_that_cannot_load_says_so(tmp_path: Path) -> None:
    config = learner_config("/nowhere/at/all")
    made = Learner(config, model=config.model, resume=None, work_dir=tmp_path, gpus=0)
    with pytest.raises(
        LearnerError, match=r"died while loading: .*/nowhere/at/all: no such folder"
    ):
        made.wait_ready()
    made.stop()


def test_a_deadline_that_passes_names_the_phase(tiny_model: Path, tmp_path: Path) -> None:
    config = learner_config(tiny_model, deadline_s=0.5)
    made = Learner(config, model=config.model, resume=None, work_dir=tmp_path, gpus=0)
    with pytest.raises(LearnerError, match=r"learner: loading took longer than 0\.5 s"):
        made.wait_ready()
    made.stop(timeout_s=1.0)
    # It is loading and hears no command; it dies with the exchange.
    made._thread.join(90)
    assert not made._thread.is_alive()
