"""Game files: what is rated, what is known of players, which games are shown and how."""

from __future__ import annotations

from pathlib import Path

import chess
import pytest

from envs.errors import InputError
from selfplay.leaderboard.build import head_to_head
from selfplay.leaderboard.games import Place, read_all
from selfplay.leaderboard.shown import choose, game_json
from selfplay.ratings.pgn import read_games
from tests.leaderboard.made_board import LONG, pgn, write_match


def test_what_is_rated_is_what_selfplay_rate_rates(tmp_path: Path) -> None:
    path = tmp_path / "g.pgn"
    games = [pgn("a", "b", "1-0"), pgn("a", "b", "*"), pgn("?", "b", "1-0"), pgn("a", "a", "0-1")]
    path.write_text("\ufeff" + "".join(games) + pgn("b", "a", "1/2-1/2"), encoding="utf-8")
    found, rated = read_all([path]), read_games([path])
    assert found.rated == list(rated.games) and len(found.rated) == 2
    assert found.left_out == {"unfinished": 1, "unnamed": 1, "against_itself": 1}
    assert "1 games of a player against itself left out" in found.notes


def test_the_places_hold_the_games(tmp_path: Path) -> None:
    path = tmp_path / "g.pgn"
    path.write_text(
        pgn("ä\udcff".encode("utf-8", "replace").decode(), "b", "1-0", moves="1. d4 {[Event]} d5")
        + pgn("c", "d", "0-1", moves="1. c4 c5"),
        encoding="utf-8",
    )
    found = read_all([path])
    text = path.read_text(encoding="utf-8")
    cut = [text[place.start : place.end] for place in found.places]
    assert "1. d4" in cut[0] and "1. c4" not in cut[0] and "1. c4" in cut[1]


def test_a_game_in_two_files_counts_once_and_twice_in_one(tmp_path: Path) -> None:
    game = pgn("a", "b", "1-0")
    (tmp_path / "1.pgn").write_text(game + game)
    (tmp_path / "2.pgn").write_text(game + pgn("a", "b", "0-1"))
    found = read_all([tmp_path / "1.pgn", tmp_path / "2.pgn"])
    assert len(found.rated) == 3 and found.left_out == {"repeated": 1}
    assert found.notes == ["1 games left out that stand in two files"]


def test_facts_of_players(tmp_path: Path) -> None:
    tags = {"WhiteFirstTry": "9/10", "BlackFirstTry": "3/4", "WhiteVersion": "v1 abc"}
    first = write_match(tmp_path / "1.pgn", "a", "b", ["1-0"], **tags, Date="2026.02.01")
    second = tmp_path / "2.pgn"
    other = {"WhiteVersion": "v2", "WhiteRepeatable": "no", "WhiteFirstTry": "9/1"}
    second.write_text(pgn("a", "c", "1-0", **other) + pgn("a", "c", "0-1", moves=LONG))
    players = read_all([first, second]).players
    assert sorted(players["a"].tries.values()) == [[12, 14]]  # rounds 1.1 and 1.2
    assert players["a"].versions == ["v1 abc", "v2"] and players["a"].repeatable is False
    assert players["b"].last_date == "2026-02-01" and players["c"].last_date is None
    # Black lost 100 + 110 + 910 centipawns of LONG and 10 at 2... Nc6; 1... e5 lost none.
    assert (players["c"].lost_cp, players["c"].judged) == (10 + 100 + 110 + 0 + 1040, 6)
    assert players["b"].judged == 0


def test_a_file_that_is_missing_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.pgn: No such file.*give PGN files"):
        read_all([tmp_path / "none.pgn"])


def places(*meetings: tuple[str, str, int]) -> list[Place]:
    return [
        Place(Path("f"), i, i + 1, white, black)
        for white, black, count in meetings
        for i in range(count)
    ]


def test_shown_games_are_spread_over_meetings() -> None:
    every = places(("a", "b", 100), ("c", "d", 3), ("r@v1", "a", 2))
    chosen = choose(every, 8, {"r@v1"})
    met = [place.white for place in chosen]
    assert met == ["r@v1"] * 2 + ["a"] * 3 + ["c"] * 3
    assert [place.start for place in chosen if place.white == "a"] == [0, 33, 66]
    assert len(choose(every, 1000)) == 105 and choose(every, 0) == []
    assert choose(every, 2, {"r@v1"})[0].white == "r@v1"


def test_a_game_for_the_viewer() -> None:
    game = game_json(pgn("a", "b", "1-0", moves=LONG, Termination="normal", WhiteVersion="v1 x"))
    assert game["uci"].split()[6] == "e1g1" and game["san"].split()[6] == "O-O"
    assert game["evaluations"][0] == 30 and game["evaluations"][-1] == "#4"
    assert game["evaluated_by"] == "stored" and game["marks"][11] == "??"
    assert (game["white"], game["white_version"], game["broken"]) == ("a", "v1 x", None)
    assert game["date"] is None and game["fen"] is None
    given = game_json(pgn("a", "b", "1-0", moves=LONG, OpeningPlies="8"))
    assert set(given["marks"]) == {8, 10, 11} and given["lost"]["black"] == [1040, 2]


def test_damaged_games_are_shown_as_far_as_they_go(capfd: pytest.CaptureFixture[str]) -> None:
    broken = game_json(pgn("a", "b", "1-0", moves="1. e4 e5 2. Kd4 d5"))
    assert broken["uci"] == "e2e4 e7e5" and "no legal move after ply 2" in broken["broken"]
    null = game_json(pgn("a", "b", "1-0", moves="1. e4 -- 2. d4"))
    assert null["uci"] == "e2e4" and null["broken"] == "shown up to ply 1 of 3"
    for tags in ({"FEN": "nonsense"}, {"FEN": "8/8/8/8/8/8/8/8 w - - 0 1"}, {"Variant": "Atomic"}):
        assert "only standard chess" in game_json(pgn("a", "b", "1-0", **tags))["broken"]
    assert game_json("")["broken"] == "no game in it"
    long = " ".join(f"{2 * i + 1}. Nf3 Nf6 {2 * i + 2}. Ng1 Ng8" for i in range(200))
    assert game_json(pgn("a", "b", "*", moves=long))["broken"] == "shown up to ply 600 of 800"
    assert capfd.readouterr() == ("", "")


def test_a_judge_is_asked_only_where_nothing_is_stored() -> None:
    asked: list[int] = []

    def judge(start: chess.Board, moves: object) -> tuple[list[None], list[None]]:
        asked.append(start.fullmove_number)
        return [], []

    assert game_json(pgn("a", "b", "1-0", moves=LONG), judge)["evaluated_by"] == "stored"
    assert game_json(pgn("a", "b", "1-0"), judge)["evaluated_by"] == "analysis"
    own = pgn("a", "b", "1-0", moves="1. e4 {+0.3/9}")
    assert game_json(own, judge)["evaluated_by"] == "analysis" and len(asked) == 2
    assert game_json(own)["evaluated_by"] == "players" and game_json(own)["marks"] == {}


def test_head_to_head_counts_both_colours(tmp_path: Path) -> None:
    path = write_match(tmp_path / "g.pgn", "a", "b", ["1-0", "1/2-1/2", "0-1", "1-0"])
    games = read_all([path]).rated
    assert head_to_head(games, ["b", "x", "a"]) == [[0, 2, 2, 2, 4]]
