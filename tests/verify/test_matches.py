"""A match's PGN and numbers: a real match agrees; an edited move, tag or number is found."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from envs.errors import InputError
from selfplay.cli.commands import app
from selfplay.config.reading import parse_config
from selfplay.league.run_match import run_match
from selfplay.ratings import pair_up, rate
from selfplay.ratings.pgn import read_games
from selfplay.rundir.writes import plain
from selfplay.verify import Findings
from selfplay.verify.matches import check_match, check_numbers, check_ratings

FREE = ("match.opening_max_win_gap=0.5", "match.limit_win=null", "match.max_plies=30")
"""No engine: nothing is screened, and a game at its limit is drawn."""
Match = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module")
def match(tmp_path_factory: pytest.TempPathFactory) -> Match:
    """The text of a match's file, and its summary as JSON."""
    out = tmp_path_factory.mktemp("match") / "m.pgn"
    summary = run_match(("random", "random"), 4, parse_config({}, "test", [*FREE]), out=out)
    return out.read_text(), json.loads(json.dumps(plain(summary)))


def checked(text: str, folder: Path) -> tuple[Findings, dict[str, Any] | None]:
    path = folder / "m.pgn"
    path.write_text(text)
    findings, numbers = Findings(), None
    with findings.guard("m.pgn"):
        found, numbers = check_match("m.pgn", path)
        findings.add(found)
    return findings, numbers


def test_a_real_match_and_its_numbers_agree(match: Match, tmp_path: Path) -> None:
    text, summary = match
    findings, numbers = checked(text, tmp_path)
    assert findings.differences == [] and numbers is not None
    assert check_numbers("m.json", summary, numbers) == []


@pytest.mark.parametrize(
    "old, new, named",
    [
        ('[White "random"]', '[White "champion"]', "pair 1, game 2.Black"),
        ('[WhiteFirstTry "', '[WhiteFirstTry "9', "game 1.WhiteFirstTry"),
        ('[Round "1.2"]', '[Round "1.1"]', "game 2, Round"),
        ('[Seed "0"]', '[Seed "1"]', "game 2.Seed"),
        ('[OpeningPlies "', '[OpeningPlies "1', "game 1"),
        ('[Termination "', '[Termination "ab', "game 1"),
        ("1. ", "1. Ke4 ", "game 1"),
    ],
)
def test_an_edited_game_is_found(
    match: Match, tmp_path: Path, old: str, new: str, named: str
) -> None:
    text, _ = match
    findings, _ = checked(text.replace(old, new, 1), tmp_path)
    assert [d.line() for d in findings.differences if named in d.line()], findings.differences


def test_an_edited_result_is_found(match: Match, tmp_path: Path) -> None:
    text, _ = match
    draw = "1/2-1/2"
    assert draw in text
    before, _, after = text.partition(f'[Result "{draw}"]')
    forged = before + '[Result "1-0"]' + re.sub(r"(?<=\s)1/2-1/2(?=\s)", "1-0", after, count=1)
    findings, _ = checked(forged, tmp_path)
    assert [d for d in findings.differences if d.place.endswith("Result")]


def test_a_missing_game_is_found(match: Match, tmp_path: Path) -> None:
    text, _ = match
    findings, _ = checked("\n\n".join(text.split("\n\n")[2:]), tmp_path)
    assert [d.line() for d in findings.differences] == [
        "m.pgn: pair 1: stored one game, recomputed two games, colours swapped"
    ]


def test_edited_numbers_are_found(match: Match, tmp_path: Path) -> None:
    text, summary = match
    _, numbers = checked(text, tmp_path)
    assert numbers is not None
    forged = {**summary, "elo": {**summary["elo"], "low": 5.0}, "wins": summary["wins"] + 1}
    assert [d.place for d in check_numbers("m.json", forged, numbers)] == ["wins", "elo.low"]


def test_ratings_are_fitted_again(match: Match, tmp_path: Path) -> None:
    path = tmp_path / "m.pgn"
    path.write_text(match[0])
    fitted = rate(pair_up(read_games([path]).games), anchor="random", bootstraps=200, seed=5)
    left_out = {"unfinished": 0, "unnamed": 0, "against_itself": 0}
    stored = json.loads(json.dumps(plain({**fitted.as_dict(), "left_out": left_out})))
    assert check_ratings("ratings.json", stored, [path]) == []
    stored["players"][0]["high"] = 1000.0
    [found] = check_ratings("ratings.json", stored, [path])
    assert found.place == "players[0].high"


def test_ratings_of_before_are_not_held_to_the_ranks_of_now(match: Match, tmp_path: Path) -> None:
    path = tmp_path / "m.pgn"
    path.write_text(match[0])
    fitted = rate(pair_up(read_games([path]).games), anchor="random", bootstraps=200, seed=5)
    left_out = {"unfinished": 0, "unnamed": 0, "against_itself": 0}
    stored = json.loads(json.dumps(plain({**fitted.as_dict(), "left_out": left_out})))
    stored["players"][1]["rank"] = 7
    [found] = check_ratings("ratings.json", stored, [path])
    assert found.place == "players[1].rank"
    del stored["formula"]
    assert check_ratings("ratings.json", stored, [path]) == []
    stored["players"][1]["elo"] = 7.0
    assert check_ratings("ratings.json", stored, [path])


def test_the_command_takes_a_match(match: Match, tmp_path: Path) -> None:
    (tmp_path / "m.pgn").write_text(match[0])
    (tmp_path / "m.json").write_text(json.dumps({**match[1], "wins": 99}))
    for target in (tmp_path, tmp_path / "m.pgn"):
        done = CliRunner().invoke(app, ["verify", str(target)])
        assert done.exit_code == 1 and "differs: m.json: wins: stored 99, " in done.output
    (tmp_path / "m.json").unlink()
    assert CliRunner().invoke(app, ["verify", str(tmp_path)]).exit_code == 0
    missing = CliRunner().invoke(app, ["verify", str(tmp_path / "none.pgn")])
    assert isinstance(missing.exception, InputError)
