"""The match for the title: a sequential test over stored pairs that stops, resumes and repeats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from envs.errors import InputError
from selfplay.config.run import RunConfig
from selfplay.gate.decide import GamesChange
from selfplay.gate.title_match import play_title_match
from selfplay.league.anchors import RandomMover
from selfplay.league.player import Player
from selfplay.league.roster import EngineRoom, open_player
from selfplay.ratings.pgn import read_games
from selfplay.ratings.sequential import TwoSidedSprt
from tests.league.conftest import MakeConfig

STRONG = "engine-eps:0.1"
SHORT = ("match.max_plies=40", "match.limit_win=0.6", "promotion.elo1=300")


def mover(name: str) -> Player:
    player = RandomMover()
    player.name = name
    return player


def play(config: RunConfig, names: tuple[str, str], path: Path, **options: Any) -> GamesChange:
    with EngineRoom(config) as room:
        players = [mover(n) if n.startswith("random") else open_player(n, room) for n in names]
        return play_title_match(players[0], players[1], room, config.promotion, path, **options)


def test_the_stronger_one_wins_the_title_before_the_pairs_run_out(
    settings: MakeConfig, tmp_path: Path
) -> None:
    config = settings(*SHORT)
    won = play(config, (STRONG, "random"), tmp_path / "won.pgn")
    lost = play(config, ("random", STRONG), tmp_path / "lost.pgn")
    assert (won.change, lost.change) == ("better", "worse")
    for found in (won, lost):
        assert found.evidence["pairs"] < 40
        assert sum(found.evidence["pentanomial"]) == found.evidence["pairs"]
    assert won.evidence["elo"]["low"] > 0 > lost.evidence["elo"]["high"]
    stored = read_games([tmp_path / "won.pgn"]).games
    assert len(stored) >= 2 * won.evidence["pairs"]


def test_an_interrupted_match_goes_on_and_decides_the_same(
    settings: MakeConfig, tmp_path: Path
) -> None:
    config = settings(*SHORT, "match.boards=4")
    whole, torn = tmp_path / "whole.pgn", tmp_path / "torn.pgn"
    straight = play(config, (STRONG, "random"), whole)
    counted: list[int] = []

    def stop(played: int, test: TwoSidedSprt) -> None:
        counted.append(played)
        if played == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play(config, (STRONG, "random"), torn, progress=stop)
    assert len(read_games([torn]).games) == 6
    assert play(config, (STRONG, "random"), torn, progress=stop) == straight
    assert counted[:4] == [1, 2, 3, 4]  # no pair twice
    again: list[int] = []
    assert (
        play(config, (STRONG, "random"), torn, progress=lambda played, _: again.append(played))
        == straight
    )
    assert again == []


def test_pairs_run_out_undecided_and_more_may_be_added(
    settings: MakeConfig, tmp_path: Path
) -> None:
    path = tmp_path / "m.pgn"
    few = settings(*SHORT, "promotion.max_pairs=4")
    found = play(few, ("random#1", "random#2"), path)
    assert found.change == "undecided" and found.evidence["pairs"] == 4
    more = settings(*SHORT, "promotion.max_pairs=6")
    assert play(more, ("random#1", "random#2"), path).evidence["pairs"] == 6


def test_another_match_in_the_file_is_refused(settings: MakeConfig, tmp_path: Path) -> None:
    path = tmp_path / "m.pgn"
    play(settings(*SHORT, "promotion.max_pairs=4"), ("random#1", "random#2"), path)
    with pytest.raises(InputError, match="of another match"):
        play(settings(*SHORT, "seed=1"), ("random#1", "random#2"), path)
