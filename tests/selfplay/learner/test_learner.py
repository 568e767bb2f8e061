"""The learner under a real Ray Train: two gloo workers, saving, resuming, and how it fails.

Each learner starts processes that import TRL, 10 s and more, so the tests share the runs. What
needs no second process is tested in test_learner_worker.py.
"""

from __future__ import annotations

import json
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
from selfplay.sampler.engines import SampleRequest
from selfplay.sampler.engines.hf import HFEngine
from tests.patience import RUN_S, patient
from tests.selfplay import in_process
from tests.selfplay.batches import PAD, Weights, distance, learner_config, step_groups

pytestmark = [
    pytest.mark.usefixtures("local_ray", "one_thread"),
    pytest.mark.timeout(patient(RUN_S)),
]
GROUPS_OF_STEP = (4, 3, 4, 1)
"""The second update has unlike shares for two workers, the fourth has none for one of them."""
SAVED_AFTER = 2


@dataclass(slots=True)
class Run:
    """What came out of a learner's updates, and of comparing it with a sampler before them."""

    folder: Path
    updates: list[Update]
    weights: list[Weights]
    gaps: list[dict[str, float]]


@contextmanager
def learner(
    config: Any, folder: Path, model: Path | str | None = None, resume: Path | None = None
) -> Iterator[Learner]:
    made = Learner(config, model=str(model or config.model), resume=resume, work_dir=folder, gpus=0)
    try:
        yield made
    finally:
        made.stop(timeout_s=patient(20))
    assert not made._thread.is_alive(), "the learner did not end"
    assert made._error is None, f"the learner ended with {made._error!r}"


def two_workers(model: Path) -> Any:
    # The entropy bonus is a mean per worker in TRL, so it is off where workers are compared.
    return learner_config(model, workers=2, adaptive_entropy=False)


def train(made: Learner, step: int, run: Run) -> None:
    made.submit(step_groups(step, GROUPS_OF_STEP[step]), PAD)
    run.updates.append(made.wait(step))
    packed = ray.get(run.updates[-1].weights, timeout=patient(20))
    run.weights.append({name: tensor.clone() for name, tensor in unpack_weights(packed).items()})


def compare(made: Learner, model: Path) -> list[dict[str, float]]:
    """Return the gaps to what a sampler of the same weights drew, and to one that is half off."""
    request = SampleRequest((5, 6, 7), 3, 6, "eos", 1.0, 0)
    engine = HFEngine(load_model(str(model), dtype=torch.float32), load_tokenizer(str(model)))
    [samples] = engine.sample([request])
    off = [replace(s, logprobs=tuple(x - 0.5 for x in s.logprobs)) for s in samples]
    return [made.compare(request, drawn, PAD) for drawn in (samples, off)]


@pytest.fixture(scope="module")
def two(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory, local_ray: None) -> Run:
    """Four updates by two workers, saved after the second; compared with a sampler before."""
    folder = tmp_path_factory.mktemp("two")
    run = Run(folder / "v000002", [], [], [])
    with learner(two_workers(tiny_model), folder / "work") as made:
        assert made.wait_ready() == 0
        run.gaps = compare(made, tiny_model)
        for step in range(len(GROUPS_OF_STEP)):
            if step == SAVED_AFTER:
                made.save(run.folder)
            train(made, step, run)
    return run


def test_it_is_compared_with_the_sampler(two: Run) -> None:
    same, apart = two.gaps
    assert max(same.values()) < 1e-4
    assert apart == pytest.approx({"learner": 0.5, "plain forward": 0.5}, abs=1e-4)


def test_updates_change_the_weights_and_count_versions(tiny_model: Path, two: Run) -> None:
    base = load_model(str(tiny_model), dtype=torch.float32).named_parameters()
    before = {name: p.detach() for name, p in base}
    for after in two.weights:
        assert 1e-4 < distance(before, after) < 1e-2
        before = after
    assert [update.version for update in two.updates] == [1, 2, 3, 4]
    for update in two.updates:
        assert update.metrics["grad_norm"] is not None and update.metrics["grad_norm"] > 1e-3
        json.dumps(update.metrics, allow_nan=False)


def test_two_workers_equal_one(tiny_model: Path, tmp_path: Path, two: Run) -> None:
    config = learner_config(tiny_model, adaptive_entropy=False)
    source = in_process.batches_of(config, GROUPS_OF_STEP)
    one = in_process.train(config, tmp_path, stop=len(GROUPS_OF_STEP), source=source)
    for step, (a, b) in enumerate(zip(one.weights, two.weights, strict=True)):
        assert distance(a, b) < 1e-5, f"after update {step + 1}"


def test_a_resumed_learner_continues_as_if_never_stopped(
    tiny_model: Path, tmp_path: Path, two: Run
) -> None:
    names = {p.name for p in two.folder.iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "trainer_state.json"}
    assert names >= {"optimizer.pt", "scheduler.pt"}
    assert len([n for n in names if n.startswith("rng_state")]) == 2
    resumed = Run(two.folder, [], [], [])
    config = two_workers(tiny_model)
    with learner(config, tmp_path, model=two.folder, resume=two.folder) as made:
        assert made.wait_ready() == SAVED_AFTER
        for step in range(SAVED_AFTER, len(GROUPS_OF_STEP)):
            train(made, step, resumed)
    for index, weights in enumerate(resumed.weights):
        assert distance(weights, two.weights[SAVED_AFTER + index]) == 0.0
        uninterrupted = two.updates[SAVED_AFTER + index]
        assert resumed.updates[index].version == uninterrupted.version
        for name in ("lr", "loss", "grad_norm"):
            assert resumed.updates[index].metrics[name] == uninterrupted.metrics[name], name


def test_the_saved_folder_is_a_plain_model_with_the_published_weights(two: Run) -> None:
    model = load_model(str(two.folder), dtype=torch.float32)
    saved = {name: p.detach() for name, p in model.named_parameters()}
    assert distance(saved, two.weights[SAVED_AFTER - 1]) == 0.0


def test_how_a_learner_fails_while_it_loads(tiny_model: Path, tmp_path: Path) -> None:
    """Two start at once: one cannot load and is late besides, the other is stopped before it has.

    The first deadline passes long before a worker has imported TRL.
    """
    config = learner_config("/nowhere/at/all", deadline_s=0.5)
    lost = Learner(config, model=config.model, resume=None, work_dir=tmp_path / "a", gpus=0)
    sound = learner_config(tiny_model)
    stopped = Learner(sound, model=sound.model, resume=None, work_dir=tmp_path / "b", gpus=0)
    with pytest.raises(LearnerError, match=r"learner: loading took longer than 0\.5 s"):
        lost.wait_ready()
    stopped.stop(timeout_s=0.0)
    config.learner.deadline_s = patient(60)
    with pytest.raises(
        LearnerError, match=r"died while loading: .*/nowhere/at/all: no such folder"
    ):
        lost.wait_ready()
    lost.stop()
    # It hears no command while it loads; it ends with its exchange.
    stopped._thread.join(patient(60))
    assert not stopped._thread.is_alive()
