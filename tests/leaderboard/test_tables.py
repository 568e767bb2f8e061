"""Markdown, CSV, JSON and the folder that they stand in."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from envs.errors import InputError
from selfplay.leaderboard import Leaderboard, Options, check_folder, gather, write_folder
from selfplay.leaderboard.build import FORMAT
from selfplay.leaderboard.tables import comma_separated, markdown, rating_text
from tests.leaderboard.made_board import made_board, made_run, read_json, write_match


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Leaderboard:
    return made_board(tmp_path_factory.mktemp("board"))


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_markdown_has_a_table_for_each_ranking(board: Leaderboard) -> None:
    text = markdown(board.data)
    chess, code = text.split("## code/families")
    heads = next(line for line in chess.splitlines() if line.startswith("| Rank"))
    line = next(line for line in chess.splitlines() if "alpha@v000020 (final)" in line)
    found = dict(zip(cells(heads), cells(line), strict=True))
    assert found["legal moves, chess/games"] == "95.0% \\[83.5, 98.6\\]"
    assert found["Training samples"] == "80" and found["Wall time"] == "3 min 20 s"
    assert "alpha@v000020 (final)" in code and "52.5% \\[37.5, 67.1\\]" in code
    assert "Not known of any entry: Puzzle rating, Parameters." in chess
    assert "random held at 0, 100 resamples" in text


def test_csv_has_one_row_per_entry_and_empty_fields(board: Leaderboard) -> None:
    rows = list(csv.DictReader(io.StringIO(comma_separated(board.data))))
    assert [row["name"] for row in rows] == [e["name"] for e in board.data["entries"]]
    final = next(row for row in rows if row["name"] == "beta@v000020")
    assert final["roles"] == "final" and final["samples"] == "80"
    assert float(final["code/families pass_rate value"]) == 36 / 40
    outsider = next(row for row in rows if row["name"] == "Outsider")
    assert outsider["hardware"] == "" == outsider["code/families pass_rate value"]
    assert outsider["acpl by"] == "stored" and outsider["chess games"] == "2"


def test_json_is_strict_and_complete(board: Leaderboard) -> None:
    data = json.loads(json.dumps(board.data, allow_nan=False))
    assert data["format"] == FORMAT
    assert data["ratings"]["anchor"] == "random" and data["ratings"]["games"] == 58
    assert {chart["id"] for chart in data["charts"]} >= {
        "rating",
        "reward_mean",
        "code/families pass_rate",
        "code/families pass@10",
        "code/families hack_gap",
        "chess/games legal_rate",
    }
    assert [row["run"] for row in data["promotions"]] == ["alpha", "beta"]
    assert "games" not in data


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    name = "=HYPERLINK(1)|<img src=x>`[a](http://e.example)`\x1b"
    file = write_match(tmp_path / "g.pgn", name, "b", ["1-0", "1/2-1/2"])
    data = gather([], [file], Options(bootstraps=100)).data
    text, table = markdown(data), comma_separated(data)
    assert "<img" not in text.replace("\\<img", "") and "http://" not in text
    assert "=HYPERLINK(1)\\|\\<img" in text and "\x1b" not in text + table
    assert next(csv.DictReader(io.StringIO(table)))["name"].startswith("'=HYPERLINK")


def test_ratings_without_an_end_are_reported_in_words() -> None:
    below = {"status": "below", "elo": None, "low": None, "high": -200.0}
    assert rating_text(below) == "below the floor, at most -200"
    above = {"status": "above", "elo": None, "low": 99.6, "high": None}
    assert rating_text(above) == "above the ceiling, at least +100"
    rated = {"status": "rated", "elo": 10.4, "low": -3.0, "high": None}
    assert rating_text(rated) == "+10 [-3, ∞]"
    assert rating_text(rated | {"elo": 0.2, "low": None}) == "0 [-∞, ∞]"
    assert rating_text(None) == ""
    assert rating_text(below | {"status": "unconnected"}) == "unconnected"


def test_a_folder_is_brought_up_to_date_and_foreign_ones_are_refused(
    tmp_path: Path, board: Leaderboard
) -> None:
    out = tmp_path / "board"
    write_folder(board, out)
    names = {"index.html", "leaderboard.csv", "leaderboard.json", "leaderboard.md"}
    assert {path.name for path in out.iterdir()} == names
    (out / "mine.txt").write_text("stays")
    write_folder(board, out)
    assert (out / "mine.txt").read_text() == "stays" and len(list(out.iterdir())) == 5
    assert read_json(out / "leaderboard.json")["format"] == FORMAT

    foreign = tmp_path / "foreign"
    foreign.mkdir()
    check_folder(foreign)
    (foreign / "index.html").write_text("somebody's page")
    with pytest.raises(InputError, match=r"foreign: holds something else.*--out"):
        write_folder(board, foreign)
    assert (foreign / "index.html").read_text() == "somebody's page"
    (foreign / "leaderboard.json").write_text('{"format": "other"}')
    with pytest.raises(InputError, match="holds something else"):
        check_folder(foreign)
    (foreign / "leaderboard.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        check_folder(foreign)
    with pytest.raises(InputError, match="is a file"):
        check_folder(foreign / "index.html")


def test_what_cannot_be_distinguished_is_refused(tmp_path: Path) -> None:
    runs = [made_run(tmp_path / "1", "same"), made_run(tmp_path / "2", "same")]
    with pytest.raises(InputError, match="2 runs named same"):
        gather(runs, [], Options())
    file = write_match(tmp_path / "g.pgn", "a", "b", ["1-0", "0-1"])
    with pytest.raises(InputError, match="given 2 times"):
        gather([], [file, tmp_path / "1" / ".." / "g.pgn"], Options())
    with pytest.raises(InputError, match="anchor nobody: no such player"):
        gather([], [file], Options(anchor="nobody"))
    with pytest.raises(InputError, match="there are no games"):
        gather(runs[:1], [], Options(anchor="random"))


def test_matches_inside_a_run_count_once(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    own = write_match(run.path / "matches" / "m.pgn", "alpha@base", "random", ["1-0", "0-1"])
    alone = gather([run], [], Options(bootstraps=100)).data
    named = gather([run], [own], Options(bootstraps=100)).data
    assert alone["ratings"]["games"] == named["ratings"]["games"] == 4


def test_only_so_many_games_are_shown(tmp_path: Path) -> None:
    board = made_board(tmp_path, games_shown=7)
    assert len(board.games) == 7 and board.data["ratings"]["games"] == 58
