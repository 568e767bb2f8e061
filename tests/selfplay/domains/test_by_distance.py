"""Gains of held-out families by their distance to what trains, from rows made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from envs.code.families import HELDOUT, TRAIN
from envs.code.families.distance import BANDS, band
from selfplay.config.run import RunConfig
from selfplay.display.numbers import suite_lines
from selfplay.domains.code.by_distance import band_of, gains, rates
from selfplay.domains.code.evaluation import suite_numbers
from selfplay.domains.code.page import distance_lines
from selfplay.domains.made import Domains
from selfplay.report.summary import compare_evals


def row(family: str, seed: int, verdict: str) -> dict[str, Any]:
    key = f"families/{family}/1/{seed}"
    return {"task_id": key, "key": key, "verdict": verdict, "visible": 1.0, "hidden": 1.0}


def rows(solved: set[str]) -> list[dict[str, Any]]:
    """Two tasks of every family; those of the bands in `solved` pass."""
    return [
        row(name, seed, "pass" if band(name) in solved else "fail")
        for name in HELDOUT
        for seed in (0, 1)
    ]


def test_only_held_out_families_have_a_distance() -> None:
    assert band_of(row("keep_odd", 0, "pass")) == "one token"
    for key in (f"families/{TRAIN[0]}/1/0", "families/nowhere/1/0", "HumanEval/3", "Mbpp/11"):
        assert band_of({"key": key}) is None
    assert rates([{"key": "HumanEval/3", "task_id": "x", "verdict": "pass"}]) == {}


def test_rates_and_gains_by_band() -> None:
    base, final = rows({"one token"}), rows({"one token", "more"})
    final[0]["verdict"] = "infra_error"
    found = gains(base, final)
    assert list(found) == list(BANDS)
    assert [found[name]["families"] for name in BANDS] == [28, 10, 21]
    assert [found[name]["base"]["value"] for name in BANDS] == [1.0, 0.0, 0.0]
    assert [found[name]["difference"]["value"] for name in BANDS] == [0.0, 0.0, 1.0]
    assert found["more"]["p"] < 0.001 < found["two tokens"]["p"] == 1.0
    assert found["one token"]["final"]["n"] == 2 * 28 - 1
    message = rates(final)
    assert message["more"]["pass_rate"]["value"] == 1.0 and message["more"]["families"] == 21


def test_evaluation_summary_and_lines_have_it() -> None:
    made = {
        name: {"suites": {"code/families": numbers(solved)}}
        for name, solved in (("base", set()), ("final", {"one token"}))
    }
    suite = compare_evals(made, Domains(RunConfig()))["code/families"]
    assert suite["by_distance"]["one token"]["difference"]["value"] == 1.0
    lines = suite_lines("code/families", suite)
    [close] = [line for line in lines if line.startswith("one token")]
    assert "(28 families)" in close and "+100.0 points" in close
    [alone] = distance_lines(
        {"one token": made["final"]["suites"]["code/families"]["by_distance"]["one token"]}
    )
    assert alone.startswith("one token from the nearest training family (28 families): 100.0%")


def numbers(solved: set[str]) -> dict[str, Any]:
    mine = [{**r, "samples": []} for r in rows(solved)]
    return {**suite_numbers(mine, 0, [1]), "rows": mine}


@pytest.mark.parametrize("formula", [1, 2])
def test_records_of_the_first_formula_stay_as_they_are(formula: int) -> None:
    mine = [{**r, "samples": []} for r in rows({"more"})]
    assert ("by_distance" in suite_numbers(mine, 0, [1], formula)) == (formula == 2)
