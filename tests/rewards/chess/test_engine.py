"""The real Stockfish: what it says of positions whose answer is known."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import chess
import psutil
import pytest

from envs.errors import InputError
from rewards.chess.engine import Engine, EngineError, binary_sha256, find_engine
from tests.patience import patient

MATE_IN_ONE = "6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1"
HANGING_QUEEN = "rnb1kbnr/pppp1ppp/8/4p1q1/3PP3/8/PPP2PPP/RNBQKBNR w KQkq - 1 3"
BISHOP_AIMS_AT_G4 = "rnbqkbnr/ppp1pppp/3p4/8/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 0 2"
ONE_MOVE = "7k/8/8/8/8/8/6q1/7K w - - 0 1"
PROMOTION = "8/P6k/8/8/8/8/7K/8 w - - 0 1"
EN_PASSANT = "rnbqkbnr/ppp1p1pp/8/3pPp2/8/8/PPPP1PPP/RNBQKBNR w KQkq f6 0 3"
CASTLING = "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1"
MANY_MOVES = "R6R/3Q4/1Q4Q1/4Q3/2Q4Q/Q4Q2/pp1Q4/kBNN1KB1 w - - 0 1"
MATED = "rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3"


@pytest.fixture(scope="module")
def engine(stockfish: Path) -> Iterator[Engine]:
    with Engine(stockfish, nodes=5000) as made:
        yield made


def test_mate_in_one_is_the_best_move(engine: Engine) -> None:
    scores = engine.score_moves(chess.Board(MATE_IN_ONE))
    assert scores.best_moves == ("d1d8",)
    assert scores.moves["d1d8"].mate == 1
    assert scores.regret("d1d8") == 0.0
    assert scores.regret("g1h1") > 0.05


def test_winning_the_queen_beats_leaving_it(engine: Engine) -> None:
    scores = engine.score_moves(chess.Board(HANGING_QUEEN))
    assert scores.best_moves == ("c1g5",)
    assert scores.regret("a2a3") > 0.3


def test_a_queen_left_hanging_has_a_high_regret(engine: Engine) -> None:
    scores = engine.score_moves(chess.Board(BISHOP_AIMS_AT_G4))
    assert scores.regret("d1g4") > 0.3 > 0.2 > scores.regret("d1e2")


@pytest.mark.parametrize(
    "fen",
    [
        chess.STARTING_FEN,
        MATE_IN_ONE,
        HANGING_QUEEN,
        ONE_MOVE,
        PROMOTION,
        EN_PASSANT,
        CASTLING,
        MANY_MOVES,
    ],
)
def test_every_legal_move_has_a_score_and_the_best_has_no_regret(engine: Engine, fen: str) -> None:
    board = chess.Board(fen)
    scores = engine.score_moves(board)
    assert set(scores.moves) == {move.uci() for move in board.legal_moves}
    assert all(scores.regret(uci) == 0.0 for uci in scores.best_moves)
    assert all(0.0 <= score.win <= 1.0 for score in scores.moves.values())
    assert all(scores.regret(uci) >= 0.0 for uci in scores.moves)
    assert scores.nodes > 0


def test_positions_of_every_kind_hold_their_special_moves(engine: Engine) -> None:
    promotion = engine.score_moves(chess.Board(PROMOTION))
    assert promotion.regret("a7a8q") < 0.1
    assert promotion.regret("a7a8b") > 0.2
    assert "e5f6" in engine.score_moves(chess.Board(EN_PASSANT)).moves
    assert {"e1g1", "e1c1"} <= set(engine.score_moves(chess.Board(CASTLING)).moves)
    assert len(engine.score_moves(chess.Board(MANY_MOVES)).moves) == 218


def test_the_only_move_is_best_without_regret(stockfish: Path) -> None:
    with Engine(stockfish, nodes=1000) as engine:
        scores = engine.score_moves(chess.Board(ONE_MOVE))
    assert scores.best_moves == ("h1g2",)
    assert (scores.random_regret, scores.random_best, scores.rank("h1g2")) == (0.0, 1.0, 1.0)


def test_the_same_board_twice_has_identical_scores(stockfish: Path) -> None:
    boards = [chess.Board(), chess.Board(HANGING_QUEEN), chess.Board(MANY_MOVES)]
    with Engine(stockfish, nodes=2000) as engine:
        first = [engine.score_moves(board) for board in boards]
        again = [engine.score_moves(board) for board in reversed(boards)][::-1]
    with Engine(stockfish, nodes=2000) as other:
        elsewhere = [other.score_moves(board) for board in boards]
    assert first == again == elsewhere


def test_too_few_nodes_for_one_depth_still_score_all_moves(stockfish: Path) -> None:
    with Engine(stockfish, nodes=1) as engine:
        scores = engine.score_moves(chess.Board())
        assert scores == engine.score_moves(chess.Board())
        wild = engine.score_moves(chess.Board(MANY_MOVES))
    assert (len(scores.moves), scores.depth) == (20, 1)
    assert (len(wild.moves), wild.depth) == (218, 1)


def test_the_last_complete_depth_is_kept(engine: Engine) -> None:
    assert engine.score_moves(chess.Board()).depth >= 3


@pytest.mark.parametrize(
    ("fen", "fault"),
    [
        (MATED, "no legal moves"),
        ("7k/5Q2/6K1/8/8/8/8/8 b - - 0 1", "no legal moves"),
        ("8/8/8/8/8/8/8/8 w - - 0 1", "not a valid position"),
        ("4k3/8/8/8/8/8/4R3/4K3 w - - 0 1", "not a valid position"),
        ("P3k3/8/8/8/8/8/8/4K3 w - - 0 1", "not a valid position"),
    ],
)
def test_boards_that_cannot_be_scored_are_refused(engine: Engine, fen: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault) as caught:
        engine.score_moves(chess.Board(fen))
    assert fen in str(caught.value) and "\n" not in str(caught.value)
    assert engine.score_moves(chess.Board(MATE_IN_ONE)).best_moves == ("d1d8",)


def test_chess960_is_refused(engine: Engine) -> None:
    with pytest.raises(InputError, match="standard chess"):
        engine.score_moves(chess.Board.from_chess960_pos(17))


def test_identity_names_binary_and_options(engine: Engine, stockfish: Path) -> None:
    identity = engine.identity
    assert identity.name.startswith("Stockfish")
    assert identity.sha256 == hashlib.sha256(stockfish.read_bytes()).hexdigest()
    assert identity.options["Threads"] == "1" and identity.options["Hash"] == "16"


def test_a_changed_binary_has_another_hash(tmp_path: Path) -> None:
    path = tmp_path / "engine"
    path.write_bytes(b"one")
    first = binary_sha256(path)
    path.write_bytes(b"another")
    assert first != binary_sha256(path) == hashlib.sha256(b"another").hexdigest()


def test_no_process_is_left_after_close(stockfish: Path) -> None:
    engine = Engine(stockfish, nodes=1000)
    pid = engine.pid
    assert pid is not None and psutil.Process(pid).is_running()
    engine.close()
    engine.close()
    assert engine.pid is None and not psutil.pid_exists(pid)
    with pytest.raises(EngineError, match="closed"):
        engine.score_moves(chess.Board())


def test_an_engine_outlives_the_thread_that_made_it(stockfish: Path) -> None:
    made: list[Engine] = []
    thread = threading.Thread(target=lambda: made.append(Engine(stockfish, nodes=500)))
    thread.start()
    thread.join(patient(5))
    with made[0] as engine:
        pid = engine.pid
        assert len(engine.score_moves(chess.Board()).moves) == 20
        assert pid is not None and engine.pid == pid


def test_find_engine_takes_path_name_or_default(
    stockfish: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "stockfish"
    named.symlink_to(stockfish)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert find_engine(None) == named
    assert find_engine(Path("stockfish")) == named
    assert find_engine(stockfish) == stockfish


def test_a_missing_engine_is_reported_with_its_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tmp_path / "plain"
    plain.write_text("no program")
    for path, fault in [(tmp_path / "gone", "no such file"), (tmp_path, "not a file")]:
        with pytest.raises(InputError, match=fault) as caught:
            find_engine(path)
        assert "apt-get install stockfish" in str(caught.value)
    with pytest.raises(InputError, match="not executable"):
        find_engine(plain)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("rewards.chess.engine.FALLBACK", tmp_path / "gone")
    with pytest.raises(InputError, match=r"apt-get install stockfish.*engine\.path="):
        find_engine(None)


@pytest.mark.parametrize("bad", [{"nodes": 0}, {"hash_mb": 0}, {"deadline_s": 0.0}])
def test_settings_out_of_range_are_refused(stockfish: Path, bad: dict[str, int]) -> None:
    with pytest.raises(InputError, match="must be above 0"):
        Engine(stockfish, **{"nodes": 10, **bad})
