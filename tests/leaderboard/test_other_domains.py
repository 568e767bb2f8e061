"""The leaderboard of domains that it has never heard of, installed or not."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy

from selfplay import registry
from selfplay.leaderboard import Leaderboard, Options, gather, write_folder
from selfplay.leaderboard.runs import read_run
from selfplay.leaderboard.suite_ranks import scores_of, suite_ranks
from selfplay.leaderboard.tables import comma_separated, markdown
from selfplay.registry import Measure
from selfplay.rundir.folder import RunDir
from selfplay.stats.intervals import bootstrap_mean
from tests.leaderboard.conftest import Page
from tests.leaderboard.made_board import made_run
from tests.selfplay.toy_runs import toy_config, toy_run

STEPS = Measure("steps", "steps taken", None, unit="moves", higher_is_better=False, ranks=True)


def board_of(*runs: RunDir) -> Leaderboard:
    return gather(list(runs), [], Options(bootstraps=100))


def tables(text: str) -> dict[str, list[str]]:
    """Heading -> the lines below it."""
    parts = text.split("\n## ")[1:]
    return {part.splitlines()[0]: part.splitlines()[1:] for part in parts}


def cells(table: list[str], name: str) -> dict[str, str]:
    lines = [line for line in table if line.startswith("|")]
    line = next(line for line in lines if name in line)
    heads, found = ([c.strip() for c in row.strip("|").split(" | ")] for row in (lines[0], line))
    return dict(zip(heads, found, strict=True))


@pytest.fixture
def redefine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the toy domain other measures or baselines for one test; without any it is gone."""

    def put(**changes: Any) -> None:
        others = {name: spec for name, spec in registry.specs().items() if name != "toy"}
        own = {"toy": replace(toy.SPEC, **changes)} if changes else {}
        monkeypatch.setattr(registry, "_found", lambda: ({**others, **own}, {}))

    return put


def test_it_has_its_own_heading_and_its_own_measures_with_intervals(tmp_path: Path) -> None:
    board = board_of(made_run(tmp_path), toy_run(tmp_path))
    found = tables(markdown(board.data))
    assert list(found) == ["Chess", "code/families", "toy/vowels"]
    final = cells(found["toy/vowels"], "letters@v000004 (final)")
    assert final["pass@1 (greedy)"].startswith("80.0% \\[") and final["Tasks"] == "5"
    # z after a, e, i and u, and a after o: (25 + 21 + 17 - 14 + 5) / 5.
    assert final["letters further"].startswith("10.800 \\[")
    assert "Elo" not in final and not any("legal" in head for head in final)
    assert not any("toy" in line or "letters@" in line for line in found["Chess"])
    rows = {r["name"]: r for r in csv.DictReader(io.StringIO(comma_separated(board.data)))}
    assert float(rows["letters@v000004"]["toy/vowels distance value"]) == pytest.approx(10.8)
    assert rows["letters@v000004"]["toy/vowels rank"] == "1"
    charts = {chart["id"]: chart for chart in board.data["charts"]}
    assert charts["toy/vowels distance"]["title"] == "Letters further, toy/vowels"
    [line] = charts["toy/vowels distance"]["lines"]
    assert line["points"] == [[1, 2.5], [3, 5.0], [5, 7.5], [7, 10.0]]
    assert len(line["measured"]) == 2


def test_its_answers_stand_side_by_side(tmp_path: Path) -> None:
    answers = board_of(toy_run(tmp_path)).answers
    assert len(answers) == 5 and {one["suite"] for one in answers} == {"toy/vowels"}
    assert answers[0]["base"] == {"text": " c", "verdict": "pass", "note": ""}
    assert answers[0]["final"]["text"] == " z" and answers[0]["what"] == "answers"
    assert answers[0]["task"] == toy.make_task("a").id


def test_answers_that_their_domain_cannot_show_say_so(tmp_path: Path, redefine: Any) -> None:
    def fails(row: Mapping[str, Any]) -> Any:
        raise KeyError("picture")

    redefine(answer=fails)
    answers = board_of(toy_run(tmp_path)).answers
    assert len(answers) == 5
    note = "the domain 'toy': answer failed: KeyError: 'picture'"
    assert answers[0]["final"] == {"text": "", "verdict": "not shown", "note": note}


def test_a_curve_of_a_name_that_another_domain_has_is_its_own(tmp_path: Path) -> None:
    run = toy_run(tmp_path)
    text = (run.path / "config.yaml").read_text().replace("domain: toy", "domain: [code, toy]")
    (run.path / "config.yaml").write_text(text)
    run.append_metrics({"step": 5, "rollouts": 2, "pass_rate": 0.9, "toy/pass_rate": 0.2})
    found = read_run(run)
    assert found.domains == ("code", "toy")
    assert found.curves["code/pass_rate"][-1] == (9, 0.9)
    assert found.curves["toy/pass_rate"][-1] == (9, 0.2)


def test_a_suite_is_ordered_by_the_measure_that_ranks(tmp_path: Path, redefine: Any) -> None:
    """Fewer steps are better; of several measures the first one ranks."""
    redefine(measures=(STEPS, Measure("distance", "letters further", unit="")))
    runs = [steps_run(tmp_path, name, value) for name, value in (("slow", 9.0), ("fast", 3.0))]
    data = board_of(*runs).data
    [board] = [board for board in data["boards"] if board["ranked_by"]]
    assert (board["title"], board["ranked_by"]) == ("toy/vowels", "steps")
    ranks = {e["name"]: e["ranks"].get("toy/vowels") for e in data["entries"]}
    assert ranks == {"fast@base": 1, "slow@base": 2}
    lines = tables(markdown(data))["toy/vowels"]
    assert [name for line in lines for name in ("fast", "slow") if f"{name}@" in line] == [
        "fast",
        "slow",
    ]
    assert cells(lines, "fast@base")["steps taken"].startswith("3.950 moves \\[")


def steps_run(runs_dir: Path, name: str, steps: float) -> RunDir:
    """A run whose base model took about `steps` steps in each of 20 tasks."""
    run = RunDir.create(toy_config(name=name, runs_dir=runs_dir))
    rows = [
        {"task_id": f"toy/{i}", "completion": "x", "verdict": "pass", "steps": steps + i % 3}
        for i in range(20)
    ]
    policy = {"steps": bootstrap_mean([steps + i % 3 for i in range(20)]).as_dict()}
    suites = {"toy/vowels": {"policy": policy, "rows": rows}}
    run.write_eval("base", {"name": "base", "version": 0, "step": 0, "suites": suites})
    return run


def test_rows_that_do_not_make_up_the_estimate_are_not_believed() -> None:
    rows = [{"task_id": str(i), "verdict": "pass", "steps": i % 2} for i in range(40)]
    scores = scores_of(rows, STEPS)
    # The same rows twice: were both believed, nothing would vary, and 0.1 would be certain.
    near, far = ({"value": v, "low": v - 0.4, "high": v + 0.4, "n": 40} for v in (0.5, 0.6))
    assert suite_ranks(STEPS, [near, far], [scores, scores]) == [1, 1]


def test_a_domain_without_a_ranking_has_one_table(tmp_path: Path, redefine: Any) -> None:
    redefine(measures=(Measure("distance", "letters further", unit=""),))
    found = tables(markdown(board_of(toy_run(tmp_path)).data))
    assert list(found) == ["Toy"]
    final = cells(found["Toy"], "letters@v000004")
    assert final["letters further, toy/vowels"].startswith("10.800")
    assert final["pass@1 (greedy), toy/vowels"].startswith("80.0%")


def test_baselines_have_lines(tmp_path: Path, redefine: Any) -> None:
    redefine(baselines={"last": "always z"})
    run = toy_run(tmp_path)
    record: dict[str, Any] = dict(run.read_evals()["base"])
    figures = record["suites"]["toy/vowels"]
    figures["baselines"] = {"last": figures["policy"], "guess": figures["policy"]}
    other = RunDir.create(run.config().model_copy(update={"name": "beside"}))
    other.write_eval("base", record)
    kinds = {e["name"]: e["kind"] for e in board_of(other).data["entries"]}
    assert kinds == {"beside@base": "run", "toy: always z": "anchor", "toy: guess": "anchor"}


def test_a_run_of_a_domain_that_is_not_here_keeps_its_place(tmp_path: Path, redefine: Any) -> None:
    run = toy_run(tmp_path)
    assert board_of(run).data["notes"] == []
    redefine()
    said: list[str] = []
    board = gather([run], [], Options(bootstraps=100), said.append)
    [note] = board.data["notes"]
    assert note.startswith("the domain 'toy' is not installed here: its titles")
    assert f"note: {note}" in said and note in markdown(board.data)
    found = tables(markdown(board.data))
    assert list(found) == ["toy/vowels"]  # pass_rate ranks, as of any domain
    final = cells(found["toy/vowels"], "letters@v000004")
    assert final["distance"].startswith("10.800") and final["pass@1 (greedy)"].startswith("80.0%")
    assert len(board.answers) == 5
    assert measures_of(board.data) == ["pass_rate", "distance"]


def measures_of(data: Mapping[str, Any]) -> list[str]:
    return [measure["key"] for measure in data["measures"]["toy/vowels"]]


def test_the_page_shows_them(page: Page, tmp_path: Path) -> None:
    board = board_of(made_run(tmp_path), toy_run(tmp_path, text="<img src=x onerror=alert(1)>"))
    write_folder(board, tmp_path / "out")
    page.open(tmp_path / "out" / "index.html")
    assert page.texts(".choice label") == ["Chess", "code/families", "toy/vowels"]
    page.all(".choice label")[2].click()
    heads = page.texts("#standings thead th")
    assert heads[:2] == ["Rank", "Player"] and heads[2] == "pass@1 (greedy)"
    assert "Letters further" in heads and not any("Elo" in head for head in heads)
    assert "by pass@1 (greedy), best first" in page.texts("#standings caption")[0]
    page.press("#standings .opener", 1)
    facts = dict(zip(page.texts(".details dt"), page.texts(".details dd"), strict=True))
    assert facts["Letters further, toy/vowels"].startswith("−8.800 [")
    assert "Programs and answers" in page.texts("h2")
    assert page.complaints() == []
