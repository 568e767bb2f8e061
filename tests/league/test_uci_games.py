"""`selfplay uci` as python-chess's own engine client drives it, and `selfplay play` as typed."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import chess
import chess.engine
import chess.pgn
import pytest

from tests.commands import selfplay
from tests.patience import patient

GAMES = 10
LIMITS = (
    chess.engine.Limit(time=0.05),
    chess.engine.Limit(depth=3),
    chess.engine.Limit(nodes=100),
    chess.engine.Limit(white_clock=3.0, black_clock=3.0, white_inc=0.1, black_inc=0.1),
    chess.engine.Limit(white_clock=9.0, black_clock=9.0, remaining_moves=5),
    chess.engine.Limit(mate=2, nodes=10),
)


@pytest.fixture
def environment(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(repository), os.environ.get("PYTHONPATH", "")])
    )


@pytest.fixture
def client(environment: None, taught_model: Path) -> Iterator[chess.engine.SimpleEngine]:
    """python-chess's client with the engine behind it."""
    command = [
        *(sys.executable, "-m", "selfplay", "uci", "--model", str(taught_model)),
        *("--style", "pgn", "--temperature", "0.7", "--tries", "6", "sampler.threads=1"),
    ]
    engine = chess.engine.SimpleEngine.popen_uci(command, timeout=patient(30))
    try:
        yield engine
    finally:
        engine.close()


def protocol_errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.timeout(patient(200))
def test_ten_complete_games_without_a_protocol_error(
    client: chess.engine.SimpleEngine, stockfish: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """python-chess raises EngineError for an illegal move and warns of unexpected lines."""
    caplog.set_level(logging.WARNING, logger="chess.engine")
    client.configure({"Temperature": "0.5", "Tries": 4})
    own = legal_answers = 0
    with chess.engine.SimpleEngine.popen_uci(str(stockfish)) as opponent:
        for number in range(GAMES):
            board = chess.Board()
            while not board.is_game_over(claim_draw=True):
                if board.turn == (number % 2 == 0):
                    limit = LIMITS[(number + len(board.move_stack) // 2) % len(LIMITS)]
                    played = client.play(board, limit, game=number, info=chess.engine.INFO_ALL)
                    own += 1
                    legal_answers += "string" not in played.info
                else:
                    played = opponent.play(board, chess.engine.Limit(nodes=200), game=number)
                assert played.move is not None and board.is_legal(played.move)
                board.push(played.move)
            assert board.outcome(claim_draw=True) is not None
    assert own >= 10 * GAMES
    assert 0 < legal_answers < own
    assert protocol_errors(caplog) == []
    client.quit()


def test_stop_may_come_early_and_positions_be_long(
    client: chess.engine.SimpleEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="chess.engine")
    board = chess.Board()
    for _ in range(3):
        with client.analysis(board) as analysis:
            analysis.stop()
            best = analysis.wait()
        assert best.move in board.legal_moves
    for uci in ["g1f3", "g8f6", "f3g1", "f6g8"] * 200:
        board.push_uci(uci)
    assert client.play(board, chess.engine.Limit(time=0.01)).move in board.legal_moves
    root = [chess.Move.from_uci("a2a4")]
    assert client.play(chess.Board(), chess.engine.Limit(), root_moves=root).move == root[0]
    client.ping()
    assert protocol_errors(caplog) == []
    client.quit()


def test_a_model_that_cannot_be_loaded_is_one_line(environment: None, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}")
    (broken / "model.safetensors").write_bytes(b"no weights")
    done = selfplay("uci", "--model", str(broken), typed="uci\nisready\n")
    assert done.returncode == 2
    assert "uciok" in done.stdout and "readyok" not in done.stdout
    assert done.stderr.splitlines()[-1].startswith(f"error: model: {broken}: cannot be loaded")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("uci", "--model", "nobody"), "player 'nobody': no run in runs/"),
        (
            ("uci", "--model", "tiny-random", "--style", "blind"),
            "--style blind: give one of fen_legal",
        ),
        (("uci", "--model", "tiny-random", "--fallback", "resign"), "--fallback resign: give"),
        (("uci", "--model", "random"), "random: is no model"),
        (("match", "random", "softmx:1"), "did you mean softmax:1?"),
        (("match", "random", "random", "match.trys=1"), "did you mean 'match.tries'?"),
        (("match", "random", "random", "match.opening_plies=[9,3]"), "must be a range"),
        (("play", "nobody"), "player 'nobody'"),
        (("play", "random", "--fen", "x"), "--fen"),
    ],
)
def test_bad_input_is_one_line(
    environment: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = selfplay(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and message in line


def test_a_match_on_the_command_line(
    environment: None, tmp_path: Path, stockfish: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = [
        *("match", "random", "softmax:0.02", "--pairs", "2", "--out", "m.pgn", "--seed", "3"),
        *("engine.nodes=100", "match.max_plies=20", f"engine.path={stockfish}"),
    ]
    done = selfplay(*command)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sorted(line[:6] for line in lines[:2]) == ["pair 1", "pair 2"]
    assert lines[2] == "random - softmax:0.02,nodes=100: 2 pairs, 4 games"
    assert lines[-1] == "games   m.pgn"
    again = selfplay(*command, "--json", "-", "--quiet")
    assert again.returncode == 0 and '"pairs": 2' in again.stdout and again.stderr == ""


def test_a_person_plays_in_the_terminal(
    environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    typed = "moves\nKe9\nh8\nRa8\n"
    start = "6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - 0 1"
    done = selfplay("play", "random", "--fen", start, "--plain", "--out", "g.pgn", typed=typed)
    assert done.returncode == 0, done.stderr
    assert " 1  R  .  .  .  .  .  K  . " in done.stdout
    assert "Ra8#" in done.stdout and "1-0: checkmate" in done.stdout
    assert " 8 [R] .  .  .  .  .  k  . " in done.stdout
    assert "type moves for a list" in done.stdout
    game = chess.pgn.read_game(io.StringIO((tmp_path / "g.pgn").read_text()))
    assert game is not None and game.headers["Result"] == "1-0"
    assert (game.headers["White"], game.headers["Black"]) == ("person", "random")


def test_commands_at_the_board(
    environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    typed = "undo\ne5\nundo\nflip\nfen\npgn\nhelp\nresign\n"
    done = selfplay("play", "random", "--colour", "black", "--plain", "--seed", "4", typed=typed)
    assert done.returncode == 0, done.stderr
    assert "nothing to take back" in done.stdout
    assert "1-0: you resigned" in done.stdout
    assert '[Black "person"]' in done.stdout
    left = selfplay("play", "random", typed="e4\n\x1b[2J\n")
    assert left.returncode == 0 and "\x1b[2J" not in left.stdout
