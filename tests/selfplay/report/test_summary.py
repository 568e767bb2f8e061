"""summary.json: the stable format and its paired tests, from evaluations with known numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from selfplay.config.run import RunConfig
from selfplay.domains.chess.evaluation import paired as paired_tests
from selfplay.report.summary import build_summary
from selfplay.rundir.folder import RunDir
from selfplay.stats.intervals import mcnemar
from tests.selfplay.made_up import evaluation, filled_run, metrics_row, row


def test_the_format_is_the_documented_one(tmp_path: Path) -> None:
    run = filled_run(tmp_path)
    summary = build_summary(run, status="finished", wall_seconds=61.26, peak_memory_bytes=123)
    assert list(summary) == [
        "run", "status", "steps", "rollouts", "wall_seconds", "peak_memory_bytes",
        "groups_with_spread", "formula", "suites",
    ]  # fmt: skip
    assert (summary["run"], summary["steps"], summary["rollouts"]) == ("made-up", 20, 12)
    assert summary["groups_with_spread"] == pytest.approx(0.45)  # steps 11-20: 0.1 .. 0.9 and 0
    suite = summary["suites"]["chess/games"]
    assert set(suite) == {"base", "prompts", "final", "random_mover", "rules", "paired"}
    assert [(f["style"], f["shots"], f["positions"]) for f in suite["prompts"]] == [
        ("fen_legal", 3, 40)
    ]
    for label in ("base", "final", "random_mover"):
        assert {"legal_rate", "best_move_rate", "regret"} == set(suite[label])
        for interval in suite[label].values():
            assert set(interval) == {"value", "low", "high", "n"}
    assert suite["base"]["legal_rate"]["value"] == 0.25
    assert suite["final"]["legal_rate"]["value"] == 0.95
    assert suite["random_mover"]["legal_rate"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 40}
    assert suite["paired"]["legal_rate"] == {"p": mcnemar([False] * 28, [True] * 28)}
    difference = suite["paired"]["regret_vs_random"]
    assert set(difference) == {"value", "low", "high"}
    assert difference["value"] == pytest.approx(sum(0.1 + 0.001 * i for i in range(38)) / 38 - 0.2)
    assert difference["low"] < difference["value"] < difference["high"] < 0
    rule = suite["paired"]["vs_rules"]["first_capture"]
    assert rule["regret"]["value"] == pytest.approx(difference["value"] + 0.05)
    assert rule["best_move_rate"]["value"] == pytest.approx(-0.1)
    assert suite["rules"]["first_capture"]["legal_rate"]["value"] == 1.0


def test_pairs_are_matched_by_task_not_by_place() -> None:
    base = [row(i, legal=i == 0, regret=0.1) for i in range(4)]
    final = [row(i, legal=i == 0, regret=0.1) for i in (3, 2, 1, 0, 9)]
    assert paired_tests(base, final)["legal_rate"]["p"] == 1.0


def test_what_was_never_scored_is_neither_legal_nor_illegal() -> None:
    """A position that cost its scorers once is no illegal answer that was mended."""
    base = [row(i, legal=True, regret=0.1) for i in range(40)]
    final = [row(i, legal=True, regret=0.1) for i in range(40)]
    for lost in base[:20]:
        lost["verdict"] = "infra_error"
    assert paired_tests(base, final)["legal_rate"]["p"] == 1.0
    for lost in base:
        lost["verdict"] = "infra_error"
    assert paired_tests(base, final)["legal_rate"]["p"] is None


def test_no_legal_move_gives_nulls() -> None:
    rows = [row(i, legal=False, regret=0.0) for i in range(3)]
    nothing = {"value": None, "low": None, "high": None}
    assert paired_tests(rows, rows)["regret_vs_random"] == nothing


def test_a_partial_run_has_what_it_has(tmp_path: Path) -> None:
    run = RunDir.create(RunConfig(name="part", runs_dir=tmp_path))
    empty = build_summary(run, status="failed", wall_seconds=1, peak_memory_bytes=0)
    assert (empty["steps"], empty["groups_with_spread"], empty["suites"]) == (0, None, {})
    run.append_metrics(metrics_row(1, groups_with_spread=None))
    run.append_metrics(metrics_row(2, groups_with_spread=0.5))
    run.write_eval("base", evaluation("base", 0, [row(0, legal=True, regret=0.1)]))
    part = build_summary(run, status="stopped", wall_seconds=1, peak_memory_bytes=0)
    assert part["groups_with_spread"] == 0.5
    assert set(part["suites"]["chess/games"]) == {"base", "prompts", "random_mover", "rules"}
