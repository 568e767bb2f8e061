"""`selfplay rate` and `selfplay sprt` as a user runs them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from selfplay.ratings import elo_of_score
from tests.commands import fault, selfplay


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path) -> Path:
    """An empty working folder, with one file of games."""
    monkeypatch.chdir(tmp_path)
    path = os.pathsep.join([str(repository), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    rows = [("new", "old", "1-0"), ("old", "new", "1/2-1/2")] * 12
    rows += [("new", "old", "0-1"), ("old", "new", "1/2-1/2")] * 4
    rows += [("weak", "new", "0-1"), ("new", "weak", "1-0")] * 5
    rows += [("old", "weak", "*"), ("new", "?", "1-0")]
    write_games(tmp_path / "games.pgn", rows)
    return tmp_path


def write_games(path: Path, rows: list[tuple[str, str, str]]) -> None:
    games = (
        f'[Round "{1 + number // 2}"]\n[White "{white}"]\n[Black "{black}"]\n[Result "{result}"]\n'
        f"\n1. e4 e5 {result}\n\n"
        for number, (white, black, result) in enumerate(rows)
    )
    path.write_text("".join(games), encoding="utf-8")


def test_rate_prints_a_table_and_writes_json(here: Path) -> None:
    done = selfplay("rate", "games.pgn", "--anchor", "old=100", "--json", "r.json")
    assert done.returncode == 0, done.stderr
    cells = [[cell.strip() for cell in line.split("│")] for line in done.stdout.splitlines()]
    table = {row[1]: row for row in cells if len(row) == 7}
    # 12 pairs of 1.5 points and 4 of 0.5: 20 of 32.
    elo = 100 + elo_of_score(20 / 32)
    assert table["new"][:5] == ["1", "new", "42", "71.4%", f"{elo:+.0f}"]
    assert table["old"][4:] == ["+100", "+100", "+100"]
    assert table["weak"][4:6] == ["below the floor", "-inf"]
    assert "42 games in 21 pairs; old is held at 100; 1000 resamples" in done.stdout
    assert "1 games without a result left out" in done.stdout
    assert "1 games without both names left out" in done.stdout
    whole = json.loads((here / "r.json").read_text())
    assert [line["name"] for line in whole["players"]] == ["new", "old", "weak"]
    assert whole["players"][0]["elo"] == pytest.approx(elo)
    assert whole["left_out"] == {"unfinished": 1, "unnamed": 1, "against_itself": 0}


def test_sprt_tells_llr_bounds_and_verdict(here: Path) -> None:
    done = selfplay("sprt", "games.pgn", "--player", "new", "--opponent", "old", "--elo1", "400")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "new against old: 16 pairs, 0 to 2 points: 0 4 0 12 0"
    assert lines[1].startswith("Elo +89 [")
    assert "bounds -2.94 and 2.94" in lines[2] and lines[3] == "verdict: rejected"
    printed = selfplay("sprt", "games.pgn", "--player", "new", "--opponent", "weak", "--json", "-")
    whole = json.loads(printed.stdout)
    assert whole["pentanomial"] == [0, 0, 0, 0, 5] and whole["verdict"] == "undecided"
    assert whole["elo"]["value"] is None and whole["elo"]["low"] > 0


def test_hostile_names_are_made_harmless(here: Path) -> None:
    name = "a\x1b[31m\u202e[bold]x"
    write_games(here / "h.pgn", [(name, "b", "1-0"), ("b", name, "1/2-1/2")] * 3)
    done = selfplay("rate", "h.pgn")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout
    assert "a\\x1b[31m\\u202e[bold]x" in done.stdout


def test_bad_input_is_refused_in_one_line(here: Path) -> None:
    (here / "empty.pgn").write_text("no chess here\n")
    (here / "r.json").write_text("{}")
    assert "none.pgn: No such file" in fault("rate", "none.pgn")
    assert "empty.pgn: no finished game" in fault("rate", "empty.pgn")
    assert "given 2 times" in fault("rate", "games.pgn", "./games.pgn")
    assert "no such player" in fault("rate", "games.pgn", "--anchor", "nobody=0")
    assert "give NAME=ELO" in fault("rate", "games.pgn", "--anchor", "old=x")
    assert "r.json: exists" in fault("rate", "games.pgn", "--json", "r.json")


def test_bad_tests_are_refused_in_one_line(here: Path) -> None:
    game = ("sprt", "games.pgn", "--player")
    assert "played old, weak; say which" in fault(*game, "new")
    assert "no finished game of that player" in fault(*game, "nobody")
    assert "new played old, weak" in fault(*game, "new", "--opponent", "else")
    assert "elo0=10 must be below elo1=0" in fault(*game, "weak", "--elo0", "10", "--elo1", "0")
