"""Run folders as the leaderboard reads them; damaged ones are named in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from envs.errors import InputError
from selfplay.config.run import RunConfig
from selfplay.leaderboard.charts import make_charts, thinned
from selfplay.leaderboard.entries import make_entries, run_entries
from selfplay.leaderboard.games import PlayerFacts, read_all
from selfplay.leaderboard.runs import read_run
from selfplay.leaderboard.values import harmless, interval, number, whole
from selfplay.ratings import pair_up, rate
from selfplay.rundir.folder import RunDir
from tests.leaderboard.made_board import made_run, write_match
from tests.selfplay.made_up import evaluation, filled_run


def test_a_run_gives_base_champion_and_final(tmp_path: Path) -> None:
    run = read_run(made_run(tmp_path))
    entries = run_entries(run, [])
    assert [(e.name, e.roles) for e in entries] == [
        ("alpha@base", ("base",)),
        ("alpha@v000010", ("champion",)),
        ("alpha@v000020", ("final",)),
    ]
    assert [e.samples for e in entries] == [0, 40, 80]
    assert [e.wall_s for e in entries] == [0.0, 100.0, 200.0]
    final = entries[-1]
    assert final.device == "core" and final.device_s == 200.0 * run.manifest["cpu"]["cores"]
    assert final.date == "2023-11-14T22:13:40+00:00"
    assert final.suites["chess/games"]["legal_rate"]["value"] == 0.95
    assert final.suites["code/families"]["pass_rate"]["value"] == 21 / 40
    assert run.answers[0]["suite"] == "code/families" and len(run.answers) == 6
    assert run.promotions[0]["suites"][0]["change"] == "better"


def test_what_is_unknown_stays_empty(tmp_path: Path) -> None:
    bare = RunDir.create(RunConfig(name="bare", runs_dir=tmp_path, model="some/model"))
    (entry,) = run_entries(read_run(bare), [])
    known = {key: value for key, value in entry.as_dict().items() if value not in (None, {}, [])}
    assert known == {
        "name": "bare@base",
        "kind": "run",
        "run": "bare",
        "version": 0,
        "roles": ["base"],
        "samples": 0,
        "wall_s": 0.0,
        "model": "some/model",
    }
    # Steps without stored rollouts and without a count: what follows them is unknown.
    gaps = read_run(filled_run(tmp_path, name="gaps"))
    assert gaps.samples(1) == 4 and gaps.samples(2) is None and gaps.samples(20) is None


def test_a_match_for_the_title_and_a_rollback_are_understood(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    elo = {"value": -80.0, "low": None, "high": -10.5, "n": 30}
    games = {"change": "worse", "pairs": 30, "elo": elo, "better": {"llr_judged": -3.0}}
    row = {"step": 21, "version": 20, "promoted": False, "action": "rolled back", "games": games}
    run.append_promotion(row, 1.7e9)
    run.append_metrics({"step": 21, "version": 21, "wall_s": 210.0, "rolled_back_to": 10})
    found = read_run(run)
    assert found.promotions[-1]["match"] == {
        "change": "worse",
        "pairs": 30,
        "elo": {"value": -80.0, "low": None, "high": -10.5},
        "llr": -3.0,
    }
    assert found.promotions[-1]["action"] == "rolled back" and found.promotions[0]["match"] is None
    assert found.samples(21) == found.samples(20) == 80


def test_a_run_on_a_cluster_has_no_known_devices(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    text = (run.path / "config.yaml").read_text().replace("address: null", "address: ray://x")
    (run.path / "config.yaml").write_text(text)
    assert {e.device_s for e in run_entries(read_run(run), [])} == {None}


def test_versions_that_played_are_lines_of_their_own(tmp_path: Path) -> None:
    run = read_run(made_run(tmp_path))
    names = ["alpha@v000005", "alpha@v000020,temperature=1", "alphabet@v000005", "alpha@x"]
    entries = {e.name: e for e in run_entries(run, names)}
    assert len(entries) == 5 and entries["alpha@v000005"].samples == 20
    assert entries["alpha@v000005"].roles == ()
    other = entries["alpha@v000020,temperature=1"]
    assert (other.roles, other.suites, other.samples) == ((), {}, 80)


def test_a_run_that_goes_on_has_a_latest_version(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    (run.path / "evals" / "final.json").unlink()
    assert run_entries(read_run(run), [])[-1].roles == ("latest",)


def test_kinds_and_ratings(tmp_path: Path) -> None:
    run = read_run(made_run(tmp_path))
    draws = ["1/2-1/2", "1-0", "0-1", "1-0"]
    files = [
        write_match(tmp_path / "1.pgn", "alpha@v000020", "random", draws),
        write_match(tmp_path / "2.pgn", "softmax:0.1,nodes=9", "random", draws),
        write_match(tmp_path / "3.pgn", "Fritz", "random", ["0-1"]),
    ]
    games = read_all(files)
    ratings = rate(pair_up(games.rated), anchor="random", bootstraps=100)
    entries = make_entries([run], ratings, games.players)
    kinds = {e.name: e.kind for e in entries}
    assert kinds["random"] == kinds["softmax:0.1,nodes=9"] == "anchor"
    assert kinds["Fritz"] == "player" and kinds["alpha@v000020"] == "run"
    assert [e.rating is None for e in entries] == [False] * 4 + [True] * 4
    beside = {e.name: e for e in entries}
    for name in ("random", "rule:first_capture", "alpha@base,shots=3,style=fen_legal"):
        assert "regret" in beside[name].suites["chess/games"]
    assert kinds["rule:first_capture"] == "anchor"
    assert beside["alpha@base,shots=3,style=fen_legal"].kind == "run"
    fritz = next(e for e in entries if e.name == "Fritz")
    assert fritz.rating is not None and fritz.rating["status"] == "below"
    assert "name" not in fritz.rating and fritz.hardware is None
    chart = make_charts([run], entries)[0]
    (line,) = chart["lines"]
    assert chart["id"] == "rating" and [point[0] for point in line["measured"]] == [80]


def test_suites_are_ranked_by_what_differs_on_the_same_tasks(tmp_path: Path) -> None:
    runs = [
        read_run(made_run(tmp_path, "a", passed=2)),
        read_run(made_run(tmp_path, "b", passed=39)),
    ]
    ranks = {e.name: e.ranks.get("code/families") for e in make_entries(runs, None, {})}
    assert ranks["b@v000020"] == 1 and ranks["b@v000010"] == 2
    # 2.5% and 7.5% of 40 differ in two tasks: one rank, after the two above.
    assert ranks["a@base"] == ranks["a@v000020"] == ranks["b@base"] == 3


def test_puzzles_are_rated_where_their_ratings_are_stored(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    record = evaluation("step_000005", 5, [])
    rows = [{"task_id": str(i), "rating": 1000 + 100 * i, "solved": i < 5} for i in range(10)]
    record["suites"]["chess/puzzles"] = {"policy": {}, "rows": [*rows, {"solved": True}]}
    run.write_eval("step_000005", record)
    (found,) = [e.puzzle for e in read_run(run).evaluations if e.puzzle]
    assert found["n"] == 10 and found["solved"] == 5
    assert found["value"] == pytest.approx(1450) and found["low"] < 1450 < found["high"]


def test_first_tries_and_facts_reach_the_line() -> None:
    facts = PlayerFacts(tries={("1",): [3, 4]}, lost_cp=90, judged=3, settings=["-", "nodes=1"])
    (entry,) = make_entries([], None, {"x": facts})
    assert entry.first_try is not None and entry.first_try["value"] == 0.75
    assert entry.acpl == {"value": 30, "n": 3, "by": "stored"} and entry.settings == "nodes=1"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("evals/final.json", "{", "final.json: is not JSON"),
        ("evals/final.json", '{"suites": {"s": {"policy": {}, "rows": [1]}}}', "final.json: is no"),
        ("manifest.json", "[]", "manifest.json: is no JSON object"),
        ("metrics.jsonl", "x\n{}\n", "metrics.jsonl:1: not JSON"),
        ("promotions.jsonl", "x\n{}\n", "promotions.jsonl:1: not JSON"),
        ("config.yaml", "a: [", "config.yaml: cannot be read"),
        ("rollouts/step_000001.parquet", "x", "step_000001.parquet: is no Parquet file"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    run = made_run(tmp_path)
    (run.path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        read_run(run)


def test_curves_are_thinned_without_losing_their_ends() -> None:
    points = [(i, float(i)) for i in range(1000)]
    found = thinned(points, 10)
    assert len(found) == 10 and found[0] == [50, 49.5] and found[-1] == [950, 949.5]
    assert thinned(points[:3], 10) == [[0, 0.0], [1, 1.0], [2, 2.0]]


def test_values_of_the_wrong_kind_are_unknown() -> None:
    assert [number(x) for x in (True, "1", float("nan"), None, 2)] == [None] * 4 + [2.0]
    assert [whole(x) for x in (1.5, -1, 3.0, "3")] == [None, None, 3, None]
    assert interval({"value": None, "low": 1}) is None and interval("x") is None
    assert interval({"value": 1, "low": "x"}) == {
        "value": 1.0,
        "low": None,
        "high": None,
        "n": None,
    }
    assert harmless({"a\u202e": ["x\ny\x1b", 1]}) == {"a\\u202e": ["x\ny\\x1b", 1]}
