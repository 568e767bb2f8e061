"""The loop's order of things, in milliseconds: a real journal, collector and folder, else stubs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import accumulate, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from envs import Task
from rewards import RewardResult
from selfplay.loop import run as loop
from selfplay.loop.interrupt import Interrupt
from tests.selfplay.stubs import DROPPED, PROMOTED, Bench, broken


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def train(bench: Bench, interrupt: Interrupt | None = None) -> str:
    return loop.train(bench.config, bench.parts, interrupt or Interrupt())


def test_each_step_samples_learns_and_publishes(tmp_path: Path, stack: ExitStack) -> None:
    bench = Bench(tmp_path, stack, steps=2)
    assert train(bench) == "finished"
    assert bench.log == [
        *("sample 3 from v0", "submit 3 groups", "update to v1", "samplers take v1"),
        *("sample 3 from v1", "submit 3 groups", "update to v2", "samplers take v2"),
    ]
    assert bench.metrics("step") == bench.metrics("version") == [1, 2]
    assert bench.metrics("staleness") == [0, 0]
    assert bench.metrics("rollouts") == [12.0, 12.0]


@pytest.mark.parametrize("ahead", [1, 2, 3])
def test_with_staleness_samplers_work_while_the_learner_does(
    tmp_path: Path, stack: ExitStack, ahead: int
) -> None:
    bench = Bench(tmp_path, stack, steps=6, max_staleness=ahead)
    assert train(bench) == "finished"
    assert bench.metrics("staleness") == [min(step, ahead) for step in range(6)]
    first = bench.log[: ahead + 3]
    assert first == [
        *("sample 3 from v0", "submit 3 groups"),
        *["sample 3 from v0"] * ahead,
        "update to v1",
    ]
    assert len(bench.asked()) == 6 * 3, "each step has tasks of its own, and no step more is asked"


def test_a_stop_in_an_update_comes_after_it(tmp_path: Path, stack: ExitStack) -> None:
    bench, interrupt = Bench(tmp_path, stack), Interrupt()
    bench.learner.during = lambda step: interrupt.signal() if step == 2 else None
    assert train(bench, interrupt) == "stopped"
    assert bench.metrics("step") == [1, 2] and bench.log[-1] == "samplers take v2"


def test_a_second_stop_ends_the_update_too(tmp_path: Path, stack: ExitStack) -> None:
    bench, interrupt = Bench(tmp_path, stack), Interrupt()

    def twice(step: int) -> None:
        interrupt.signal()
        interrupt.signal()

    bench.learner.during = twice
    with pytest.raises(KeyboardInterrupt):
        train(bench, interrupt)
    assert bench.metrics("step") == []


def test_a_stop_while_sampling_is_at_once_and_its_tasks_are_asked_again(
    tmp_path: Path, stack: ExitStack
) -> None:
    whole = Bench(tmp_path / "whole", stack)
    assert train(whole) == "finished"
    bench, interrupt = Bench(tmp_path, stack), Interrupt()
    score = bench.scorers.verdicts

    def stopped(task: Task, texts: Sequence[str]) -> list[RewardResult]:
        if bench.parts.journal.step == 2:
            interrupt.signal()
        return score(task, texts)

    bench.scorers.verdicts = stopped
    with pytest.raises(KeyboardInterrupt):
        train(bench, interrupt)
    bench.parts.checkpoints.save(wait=False)
    bench.run_dir.close()
    again = Bench(tmp_path, stack)
    assert again.parts.journal.step == 2 and train(again) == "finished"
    assert again.asked() == whole.asked()
    assert again.metrics("step") == [1, 2, 3, 4]


def test_time_ends_training_between_steps_and_counts_that_of_before(
    tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that goes on 10 s each time it is asked; a step asks it six times."""
    clock = accumulate(repeat(10.0))
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    bench = Bench(tmp_path, stack, steps=100, max_minutes=3.5)
    assert train(bench) == "finished"
    assert bench.metrics("wall_s") == [60.0, 120.0, 180.0, 240.0]
    assert bench.learner.times_gone == pytest.approx([30 / 210, 90 / 210, 150 / 210, 210 / 210])
    assert "3.5 minutes" in bench.screen.getvalue()
    train(bench)
    assert bench.metrics("step") == [1, 2, 3, 4], "its time was over before"


def test_checkpoints_come_when_they_are_due_and_not_after_the_last_step(
    tmp_path: Path, stack: ExitStack
) -> None:
    bench = Bench(tmp_path, stack, steps=6, checkpoint={"every": 2, "keep": 9})
    train(bench)
    assert [line for line in bench.log if line.startswith("save")] == [
        "save v000002",
        "save v000004",
    ]
    bench.parts.checkpoints.save(wait=True)
    bench.parts.checkpoints.save(wait=True)
    assert bench.log[-1] == "save v000006" and bench.log.count("save v000006") == 1


def test_evaluations_come_between_steps_and_a_better_version_is_champion(
    tmp_path: Path, stack: ExitStack
) -> None:
    bench = Bench(tmp_path, stack, steps=4, eval={"every": 2, "every_positions": 7})
    bench.gate.decisions["step_000002"] = PROMOTED
    train(bench)
    # The last step's is the final evaluation, which is the caller's.
    assert [line for line in bench.log if "eval" in line] == ["evaluate step_000002 on 7"]
    assert bench.run_dir.versions.champion() == 2
    assert bench.metrics("champion") == [None, None, 2, 2]
    assert (bench.run_dir.versions.folder(2) / "complete.json").exists()


def test_a_resumed_run_judges_an_evaluation_once(tmp_path: Path, stack: ExitStack) -> None:
    bench = Bench(tmp_path, stack, steps=2, eval={"every": 2})
    train(bench)
    assert bench.parts.title.due() == "step_000002"
    bench.parts.title.evaluate("step_000002", 3, training=True)
    assert bench.parts.title.due() is None


def rolled_back(folder: Path, stack: ExitStack, ahead: int = 0) -> Bench:
    given: dict[str, Any] = {
        "steps": 7,
        "eval": {"every": 2},
        "promotion": {"on_worse": "rollback"},
    }
    bench = Bench(folder, stack, max_staleness=ahead, **given)
    bench.gate.decisions |= {"step_000002": PROMOTED, "step_000004": DROPPED}
    assert train(bench) == "finished"
    return bench


def test_a_rollback_is_a_step_of_its_own_from_the_champion(
    tmp_path: Path, stack: ExitStack
) -> None:
    bench = rolled_back(tmp_path, stack)
    assert bench.metrics("rolled_back_to") == [None] * 4 + [2, None, None]
    at = bench.log.index("restore v000002 as v5")
    # Saved at once: a resumed run must not find the policy that was given up.
    assert bench.log[at + 1 : at + 3] == ["samplers take v5", "save v000005"]
    assert sorted(bench.run_dir.rollouts.files()) == [1, 2, 3, 4, 6, 7]
    [_, row, *_] = bench.run_dir.promotions.read()
    assert (row["action"], row["step"], row["version"]) == ("rolled back", 5, 4)


def test_what_was_sampled_ahead_of_a_rollback_is_asked_again(
    tmp_path: Path, stack: ExitStack
) -> None:
    straight = rolled_back(tmp_path / "straight", stack)
    bench = rolled_back(tmp_path / "ahead", stack, 2)
    assert bench.asked() == straight.asked()
    assert bench.metrics("staleness") == [0, 1, 2, 2, None, 0, 1]


def test_a_step_that_nobody_could_score_ends_the_run(tmp_path: Path, stack: ExitStack) -> None:
    bench = Bench(tmp_path, stack)
    bench.scorers.verdicts = broken
    with pytest.raises(RuntimeError, match="step 1: all 9 groups had infrastructure errors"):
        train(bench)
