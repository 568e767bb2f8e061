"""The gate's decisions, made again from evaluations with known rows; a resume in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from selfplay.config.run import RunConfig
from selfplay.domains.code.evaluation import suite_numbers
from selfplay.domains.made import Domains
from selfplay.gate.decide import decide
from selfplay.rundir.writes import plain
from selfplay.verify.decisions import check_champion, check_promotions, set_aside
from selfplay.verify.evaluations import check_estimates
from tests.selfplay.made_up import evaluation, row

Evals = dict[str, dict[str, Any]]
UTILITY = Domains(RunConfig()).utility


def judged(evals: Evals, name: str, against: str) -> dict[str, Any]:
    step = evals[name]["step"]
    head = {"time": 1.0, "step": step, "version": step, "evaluation": name, "against": against}
    decision: dict[str, Any] = plain(decide(evals[against], evals[name], utility=UTILITY).as_dict())
    return head | decision


@pytest.fixture(scope="module")
def evals() -> Evals:
    """A base, a much better version at step 10 and one like it at the end."""
    legal = {"base": (0, 4), "step_000010": (10, 38), "final": (20, 37)}
    return {
        name: evaluation(
            name, step, [row(i, legal=i < count, regret=0.1 + 0.001 * i) for i in range(40)]
        )
        for name, (step, count) in legal.items()
    }


def places(rows: list[dict[str, Any]], evals: Evals, *aside: str) -> list[str]:
    return [f"{d.file}: {d.place}" for d in check_promotions(rows, evals, aside, utility=UTILITY)]


def test_sound_decisions_agree_and_edited_ones_are_named(evals: Evals) -> None:
    rows = [judged(evals, "step_000010", "base"), judged(evals, "final", "step_000010")]
    assert [r["promoted"] for r in rows] == [True, False]
    assert places(rows, evals) == []
    kinder = {**rows[1], "promoted": True, "reason": "better in chess/games, worse in none"}
    assert places([rows[0], kinder], evals) == [
        "promotions.jsonl: line 2.promoted",
        "promotions.jsonl: line 2.reason",
    ]
    easier = judged(evals, "final", "base")
    assert "promotions.jsonl: line 2.against" in places([rows[0], easier], evals)
    assert places(rows[:1], evals) == ["promotions.jsonl: evaluation final"]
    assert places(rows, {k: e for k, e in evals.items() if k != "final"}) == ["evals/final.json: "]


def test_an_evaluation_made_again_after_a_resume(evals: Evals) -> None:
    first = {**judged(evals, "step_000010", "base"), "evaluation": "final"}
    between = judged(evals, "step_000010", "base")
    again = judged(evals, "final", "step_000010")
    # `first` judged a final evaluation that the resume has set aside: nobody met it later.
    assert places([first, between, again], evals) == []
    unfinished = {k: e for k, e in evals.items() if k != "final"}
    assert places([first, between], unfinished, "final") == []
    # A run that was resumed with nothing left to do evaluates again, against itself.
    itself = judged(evals, "final", "final")
    some = {k: e for k, e in evals.items() if k != "step_000010"}
    assert places([first, itself], some) == []


def test_the_champion_is_the_last_promoted_one(evals: Evals, tmp_path: Path) -> None:
    rows = [judged(evals, "step_000010", "base"), judged(evals, "final", "step_000010")]
    assert check_champion("v000010\n", rows, [10, 20]) == []
    assert check_champion("v000020\n", rows, [10, 20])[0].recomputed == "v000010"
    assert check_champion(None, rows, [10, 20])[0].file == "champion"
    assert check_champion("v000010\n", rows, [20])[0].file == "checkpoints/v000010"
    assert check_champion(None, rows[1:], [20]) == []
    for name in ("evals/base.json", "evals/base.1.json", "evals/discarded/final.1.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert set_aside(tmp_path) == {"base", "final"}


def test_decisions_by_the_formula_of_before_are_made_again_by_it(evals: Evals) -> None:
    old = judged(evals, "step_000010", "base")
    decision = decide(evals["base"], evals["step_000010"], formula=1, utility=UTILITY).as_dict()
    old = {k: v for k, v in old.items() if k not in ("formula", "margin")} | plain(decision)
    rows = [old, judged(evals, "final", "step_000010")]
    assert "formula" not in old and places(rows, evals) == []
    # Figures of one formula under the name of the other differ.
    assert places([old | {"formula": 2}, rows[1]], evals)


def test_a_champions_whole_evaluation_needs_no_decision_and_counts_as_its_own(evals: Evals) -> None:
    whole = {**evals["step_000010"], "name": "whole_000010"}
    more = evals | {"whole_000010": whole}
    rows = [judged(more, "step_000010", "base"), judged(more, "final", "whole_000010")]
    for line, champion in zip(rows, (0, 10), strict=True):
        line |= {"champion": champion, "action": "promoted" if line["promoted"] else "kept"}
    assert places(rows, more) == []


def test_figures_are_recomputed_by_the_formula_that_they_state() -> None:
    keys = [f"families/f{i // 9}/1/{i}" for i in range(27)]
    rows = [
        {
            "task_id": key, "key": key, "verdict": "pass" if i < 12 else "fail",
            "hidden": 1.0, "visible": 1.0, "samples": [],
        }
        for i, key in enumerate(keys)
    ]  # fmt: skip
    domain = Domains(RunConfig(domain="code"))["code"]
    for formula in (1, 2):
        numbers = plain({**suite_numbers(rows, 0, [1], formula), "rows": rows})
        assert ("formula" in numbers) == (formula == 2)
        assert check_estimates("final", "code/families", numbers, domain) == []
        other = {**numbers, "formula": 3 - formula}
        assert check_estimates("final", "code/families", other, domain)
