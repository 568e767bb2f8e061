"""Matches: swapped colours, seeds, resume, tries; anchors with a real engine."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import chess
import chess.pgn
import pytest

from envs.errors import InputError
from rewards.chess.engine import EngineError
from selfplay.config.run import RunConfig
from selfplay.errors import RunCrashed
from selfplay.league import run_match as module
from selfplay.league.anchors import RandomMover
from selfplay.league.match_summary import summary_lines
from selfplay.league.player import Choice, Turn
from selfplay.league.run_match import run_match
from selfplay.ratings import pair_up, pentanomial
from selfplay.ratings.pgn import read_games
from tests.league.conftest import MakeConfig

FREE = ("match.opening_max_win_gap=0.5", "match.limit_win=null")
"""No engine: nothing is screened, and a game at its limit is drawn."""


def games_of(path: Path) -> dict[str, chess.pgn.Game]:
    """Round -> game; every game must be whole and legal."""
    file = io.StringIO(path.read_text())
    games: dict[str, chess.pgn.Game] = {}
    while (game := chess.pgn.read_game(file)) is not None:
        assert game.errors == []
        assert game.headers["Round"] not in games
        games[game.headers["Round"]] = game
    return games


def moves(path: Path) -> dict[str, str]:
    return {name: str(game.mainline_moves()) for name, game in games_of(path).items()}


def test_each_opening_is_played_twice_with_colours_swapped(
    settings: MakeConfig, tmp_path: Path
) -> None:
    out = tmp_path / "m.pgn"
    summary = run_match(("random", "softmax:0.02"), 3, settings(), out=out)
    games = games_of(out)
    assert list(games) == ["1.1", "1.2", "2.1", "2.2", "3.1", "3.2"]
    openings = set()
    for pair in "123":
        first, second = games[f"{pair}.1"].headers, games[f"{pair}.2"].headers
        assert first["White"] == second["Black"] == "random"
        assert first["Black"] == second["White"] == "softmax:0.02,nodes=200"
        assert first["OpeningFEN"] == second["OpeningFEN"]
        assert first["WhiteVersion"] == "1" and first["BlackVersion"].startswith("Stockfish")
        openings.add(first["OpeningFEN"])
    assert len(openings) == 3
    for game in games.values():
        board = game.board()
        for move in list(game.mainline_moves())[: int(game.headers["OpeningPlies"])]:
            board.push(move)
        assert board.fen() == game.headers["OpeningFEN"]
        assert int(game.headers["PlyCount"]) <= 24
        assert game.headers["Termination"] in ("normal", "adjudication")
        assert game.headers["Result"] in ("1-0", "0-1", "1/2-1/2")
    assert sum(summary["pentanomial"]) == summary["pairs"] == 3
    assert summary["wins"] + summary["draws"] + summary["losses"] == summary["games"] == 6
    assert summary["score"] < 0.5
    assert "points of the first player" in "\n".join(summary_lines(summary))


def test_the_ratings_read_the_same_pairs_from_the_file(
    settings: MakeConfig, tmp_path: Path
) -> None:
    out = tmp_path / "m.pgn"
    summary = run_match(("random", "engine-eps:0.7"), 5, settings(), out=out)
    read = read_games([out])
    assert len(read.games) == 10 and not read.unfinished
    assert pentanomial(pair_up(read.games), "random") == (tuple(summary["pentanomial"]), 0)


def test_openings_are_balanced_by_the_engine(settings: MakeConfig, tmp_path: Path) -> None:
    config = settings("match.opening_max_win_gap=0.05", "match.max_plies=11")
    out = tmp_path / "m.pgn"
    run_match(("random", "engine-eps:1"), 4, config, out=out)
    with module.EngineRoom(config) as room:
        for game in games_of(out).values():
            board = chess.Board(game.headers["OpeningFEN"])
            assert abs(module.win_chance(room, board) - 0.5) <= 0.05


def test_games_hang_on_seed_pair_and_ply_alone(settings: MakeConfig, tmp_path: Path) -> None:
    """Neither the boards at once, nor the pairs that follow, nor the process change a game."""
    names = ("random", "softmax:0.1")
    few, many, other = tmp_path / "few.pgn", tmp_path / "many.pgn", tmp_path / "other.pgn"
    run_match(names, 2, settings("match.boards=2"), out=few)
    run_match(names, 3, settings("match.boards=8"), out=many)
    run_match(names, 2, settings("seed=1"), out=other)
    long = moves(many)
    assert moves(few) == {name: long[name] for name in moves(few)}
    assert all(moves(other)[name] != text for name, text in moves(few).items())


def test_twins_get_names_of_their_own_and_play_unlike_games(
    settings: MakeConfig, tmp_path: Path
) -> None:
    out = tmp_path / "m.pgn"
    summary = run_match(("random", "random"), 2, settings(*FREE), out=out)
    assert [player["name"] for player in summary["players"]] == ["random", "random#2"]
    played = moves(out)
    assert played["1.1"] != played["1.2"]


class Breaking(RandomMover):
    """A random mover that fails after some calls, as an engine that died twice would."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.left = calls

    def choose(self, turns: Sequence[Turn]) -> list[Choice]:
        self.left -= 1
        if self.left < 0:
            raise EngineError("engine /x died of signal 9 on FEN f")
        return super().choose(turns)


def test_a_match_goes_on_where_it_stopped(
    settings: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(*FREE, "match.boards=2", "match.max_plies=16")
    whole, broken = tmp_path / "whole.pgn", tmp_path / "broken.pgn"
    run_match(("random", "random"), 4, config, out=whole)
    calls: list[int] = []

    def open_breaking(text: str, room: object) -> Breaking:
        return Breaking(8)

    with monkeypatch.context() as patch:
        patch.setattr(module, "open_player", open_breaking)
        with pytest.raises(RunCrashed, match="the same command goes on"):
            run_match(("random", "random"), 4, config, out=broken)
    kept = broken.read_text()
    played = len(games_of(broken)) // 2
    assert 1 <= played < 4
    summary = run_match(
        ("random", "random"),
        4,
        config,
        out=broken,
        progress=lambda pair, games, done: calls.append(pair),
    )
    assert calls == list(range(played + 1, 5))
    assert broken.read_text().startswith(kept.rstrip())
    assert moves(broken) == moves(whole)
    before = broken.stat().st_mtime_ns
    calls.clear()
    again = run_match(("random", "random"), 4, config, out=broken)
    assert again == summary and calls == [] and broken.stat().st_mtime_ns == before


def test_more_pairs_are_added_to_a_finished_match(settings: MakeConfig, tmp_path: Path) -> None:
    config, out = settings(*FREE, "match.max_plies=16"), tmp_path / "m.pgn"
    run_match(("random", "random"), 1, config, out=out)
    first = moves(out)
    summary = run_match(("random", "random"), 3, config, out=out)
    assert summary["pairs"] == 3
    assert {name: moves(out)[name] for name in first} == first


@pytest.mark.parametrize("change", ["seed=3", "match.max_plies=17", "match.draw_gap=0.01"])
def test_another_match_is_not_mixed_in(settings: MakeConfig, tmp_path: Path, change: str) -> None:
    out = tmp_path / "m.pgn"
    base = [*FREE, "match.max_plies=16"]
    run_match(("random", "random"), 1, settings(*base), out=out)
    text = out.read_text()
    with pytest.raises(InputError, match=r"is of another match .* name another file with --out"):
        run_match(("random", "random"), 2, settings(*base, change), out=out)
    assert out.read_text() == text


def test_the_usual_file_is_named_after_the_match(
    settings: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {
        run_match(("random", "random"), 1, settings(*FREE, seed), out=None)["file"]
        for seed in ("seed=1", "seed=2")
    }
    assert len(files) == 2
    assert all(Path(name).is_file() and Path(name).parent.name == "matches" for name in files)


def test_a_book_gives_the_openings(settings: MakeConfig, tmp_path: Path) -> None:
    epd = tmp_path / "book.epd"
    fens = [
        "rnbqkbnr/pppp1ppp/8/4p3/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 0 2",
        "rnbqkbnr/ppp1pppp/8/3p4/3P4/8/PPP1PPPP/RNBQKBNR w KQkq - 0 2",
    ]
    epd.write_text("".join(f"{fen}\n" for fen in fens))
    config = settings("match.limit_win=null", f"match.openings={epd}")
    out = tmp_path / "m.pgn"
    summary = run_match(("random", "random"), 2, config, out=out)
    games = games_of(out)
    assert summary["pairs"] == 2
    assert {game.headers["FEN"] for game in games.values()} == set(fens)
    assert all(game.headers["SetUp"] == "1" for game in games.values())
    with pytest.raises(InputError, match="2 distinct openings for 3 pairs; ask for 2 pairs"):
        run_match(("random", "random"), 3, config, out=out)
    epd.write_text(fens[0] + "\n")
    with pytest.raises(InputError, match="another match"):
        run_match(("random", "random"), 1, config, out=out)


def test_a_pgn_book_keeps_its_moves(settings: MakeConfig, tmp_path: Path) -> None:
    book = tmp_path / "book.pgn"
    lines = ["1. e4 e5 2. Nf3 Nc6", "1. d4 d5 2. c4 e6 3. Nc3", "1. e4 e5 2. d4 exd4"]
    book.write_text("\n\n".join(f"{line} *" for line in lines))

    def opened(*overrides: str) -> set[str]:
        out = tmp_path / f"{len(overrides)}.pgn"
        config: RunConfig = settings("match.limit_win=null", f"match.openings={book}", *overrides)
        run_match(("random", "random"), 2, config, out=out)
        return {
            chess.Board().variation_san(list(game.mainline_moves())[: int(plies)])
            for game in games_of(out).values()
            if (plies := game.headers["OpeningPlies"])
        }

    assert opened() < set(lines)
    assert opened("match.book_plies=2") == {"1. e4 e5", "1. d4 d5"}
