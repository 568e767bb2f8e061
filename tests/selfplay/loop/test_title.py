"""Evaluations and the champion, in milliseconds: the gate decides as the test says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.selfplay.stubs import DROPPED, KEPT, PROMOTED, Bench

ROLLBACK = {"promotion": {"on_worse": "rollback"}}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def after(bench: Bench, step: int) -> Bench:
    """Let the run be after a step, without any training."""
    bench.parts.journal.step = step
    return bench


def actions(bench: Bench) -> list[Any]:
    return [row["action"] for row in bench.run_dir.promotions.read()]


def test_the_first_evaluation_makes_the_base_model_champion_and_decides_nothing(
    tmp_path: Path, stack: ExitStack
) -> None:
    bench = Bench(tmp_path, stack)
    assert bench.parts.title.evaluate("base", 5) is False
    assert bench.log == ["evaluate base on 5"] and bench.run_dir.versions.champion() == 0
    assert set(bench.run_dir.read_evals()) == {"base"} and actions(bench) == []


@pytest.mark.parametrize(
    ("decision", "training", "settings", "action", "back"),
    [
        (PROMOTED, True, {}, "promoted", False),
        (KEPT, True, {}, "kept", False),
        (DROPPED, True, {}, "kept", False),
        (DROPPED, True, ROLLBACK, "rolled back", True),
        (DROPPED, False, ROLLBACK, "kept", False),
        (KEPT, True, ROLLBACK, "kept", False),
    ],
)
def test_what_becomes_of_a_version(
    tmp_path: Path,
    stack: ExitStack,
    decision: Any,
    training: bool,
    settings: dict[str, Any],
    action: str,
    back: bool,
) -> None:
    bench = after(Bench(tmp_path, stack, **settings), 3)
    bench.run_dir.versions.set_champion(0)
    bench.gate.decisions["x"] = decision
    assert bench.parts.title.evaluate("x", 5, training=training) is back
    [row] = bench.run_dir.promotions.read()
    assert (row["action"], row["version"], row["champion"]) == (action, 3, 0)
    # A rollback's row is of the step that it will be, so that a run stopped before it finds none.
    assert row["step"] == (4 if back else 3)
    assert bench.run_dir.versions.champion() == (3 if action == "promoted" else 0)
    assert decision.reason in bench.screen.getvalue()


def test_who_becomes_champion_is_saved_first_and_who_plays_for_it_too(
    tmp_path: Path, stack: ExitStack
) -> None:
    bench = after(Bench(tmp_path / "suites", stack), 3)
    bench.gate.decisions["x"] = PROMOTED
    bench.parts.title.evaluate("x", 5, training=True)
    assert bench.log == ["evaluate x on 5", "judge x", "save v000003"]
    plays = after(Bench(tmp_path / "games", stack, promotion={"match": True}), 3)
    plays.parts.title.evaluate("x", 5, training=True)
    assert plays.log == ["evaluate x on 5", "save v000003", "judge x"]


def test_only_a_final_evaluation_asks_the_champion_again(tmp_path: Path, stack: ExitStack) -> None:
    bench = after(Bench(tmp_path, stack), 3)
    bench.parts.title.evaluate("final", 5)
    assert bench.log == ["evaluate final on 5", "measure the champion like final", "judge final"]


def test_a_dead_learner_is_seen_while_an_evaluation_goes_on(
    tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = after(Bench(tmp_path, stack), 3)

    def dead() -> None:
        raise RuntimeError("learner died")

    def judge(result: Any, progress: Any) -> Any:
        progress("1 of 9")

    monkeypatch.setattr(bench.learner, "check", dead)
    monkeypatch.setattr(bench.gate, "judge", judge)
    with pytest.raises(RuntimeError, match="learner died"):
        bench.parts.title.evaluate("x", 5, training=True)
