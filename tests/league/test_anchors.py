"""Anchors and engines with a real Stockfish, and with engines that misbehave on purpose."""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import chess
import pytest

from envs.errors import InputError
from rewards.chess.engine import EngineError
from selfplay.league.anchors import softmax_weights
from selfplay.league.player import Player, Turn, turn_seed
from selfplay.league.roster import EngineRoom, open_player
from selfplay.league.uci_engine import position_line
from tests.league.conftest import MakeConfig

MATE_IN_ONE = "6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - 0 1"
BAD = f"""#!{sys.executable} -S
import os, sys, time
for line in sys.stdin:
    word = line.split()[0] if line.split() else ""
    if word == "uci":
        print("id name Bad 1.0\\noption name Hash type spin default 1\\nuciok", flush=True)
    elif word == "isready":
        print("readyok", flush=True)
    elif word == "go":
        {{on_go}}
"""


@pytest.fixture
def room(settings: MakeConfig) -> Iterator[EngineRoom]:
    with EngineRoom(settings()) as made:
        yield made


def turns(fen: str, count: int) -> list[Turn]:
    return [Turn(chess.Board(fen), turn_seed(0, pair, 1, 0)) for pair in range(count)]


def counted(player: Player, fen: str, count: int) -> Counter[str]:
    choices = player.choose(turns(fen, count))
    assert all(choice.legal_at_first for choice in choices)
    return Counter(choice.move.uci() for choice in choices if choice.move)


@pytest.mark.parametrize("name", ["random", "engine-eps:0.5", "softmax:0.1"])
def test_the_seed_alone_decides(room: EngineRoom, name: str) -> None:
    player = open_player(name, room)
    asked = turns(chess.STARTING_FEN, 40)
    moves = player.choose(asked)
    assert player.repeatable
    assert player.choose(asked[::-1])[::-1] == moves
    assert [player.choose([turn])[0] for turn in asked[:5]] == moves[:5]
    assert len(set(moves)) > 3


def test_the_random_mover_is_uniform(room: EngineRoom) -> None:
    """Pearson's statistic of 20 moves has mean 19 and deviation 6.2 where all are as likely."""
    seen = counted(open_player("random", room), chess.STARTING_FEN, 4000)
    assert len(seen) == 20
    assert sum((n - 200) ** 2 / 200 for n in seen.values()) < 50


def test_a_rule_plays_what_it_reads_off_and_at_random_where_it_reads_nothing(
    room: EngineRoom,
) -> None:
    player = open_player("rule:mate_or_material", room)
    assert (player.name, player.repeatable) == ("rule:mate_or_material", True)
    assert counted(player, MATE_IN_ONE, 20) == {"a1a8": 20}
    assert len(counted(player, chess.STARTING_FEN, 400)) == 20
    with pytest.raises(InputError, match="one of first_capture, best_exchange, mate_or_material"):
        open_player("rule:best", room)


def test_epsilon_is_the_share_of_random_moves(room: EngineRoom) -> None:
    """Of 1,000 moves 300 are random, of which 1 in n is the mate all the same."""
    n = chess.Board(MATE_IN_ONE).legal_moves.count()
    mate = counted(open_player("engine-eps:0.3", room), MATE_IN_ONE, 1000)["a1a8"]
    expected = 700 + 300 / n
    assert abs(mate - expected) < 4 * math.sqrt(1000 * 0.7 * 0.3)
    assert counted(open_player("engine-eps:0", room), MATE_IN_ONE, 20) == {"a1a8": 20}


def test_softmax_weights_are_those_of_the_formula(room: EngineRoom) -> None:
    board = chess.Board()
    scores = room.scorer(200).board_scores(board)
    weights = softmax_weights(scores, 0.05)
    worst = max(scores.moves, key=scores.regret)
    assert max(weights.values()) == 1.0
    assert weights[worst] == pytest.approx(math.exp(-scores.regret(worst) / 0.05))


def test_colder_softmax_players_lose_less(room: EngineRoom) -> None:
    rng = random.Random(5)
    fens = []
    for _ in range(6):
        board = chess.Board()
        for _ in range(12):
            board.push(rng.choice(list(board.legal_moves)))
        fens.append(board.fen())
    scorer = room.scorer()

    def mean_regret(name: str) -> float:
        player = open_player(name, room)
        lost = []
        for fen in fens:
            scores = scorer.board_scores(chess.Board(fen))
            for choice in player.choose(turns(fen, 30)):
                assert choice.move is not None
                lost.append(scores.regret(choice.move.uci()))
        return sum(lost) / len(lost)

    hot, warm, cold = (mean_regret(f"softmax:{t}") for t in (10, 0.1, 0.001))
    assert cold < 0.02 < warm < hot
    assert hot == pytest.approx(mean_regret("random"), abs=0.06)


def test_the_engine_at_fixed_nodes_repeats_itself(room: EngineRoom) -> None:
    player = open_player("nodes:50", room)
    try:
        first = [player.choose(turns(fen, 1)) for fen in (MATE_IN_ONE, chess.STARTING_FEN)]
        again = [player.choose(turns(fen, 1)) for fen in (MATE_IN_ONE, chess.STARTING_FEN)]
    finally:
        player.close()
    assert first == again
    assert first[0][0].move == chess.Move.from_uci("a1a8")
    assert player.name == "nodes:50" and player.version.startswith("Stockfish")


def test_rungs_by_elo_are_labelled(room: EngineRoom) -> None:
    player = open_player("uci-elo:1400,nodes=50", room)
    try:
        (choice,) = player.choose(turns(chess.STARTING_FEN, 1))
    finally:
        player.close()
    assert choice.move in chess.Board().legal_moves
    assert not player.repeatable and player.settings == "nodes=50"


def test_a_position_is_sent_with_its_history() -> None:
    board = chess.Board()
    assert position_line(board) == "position startpos"
    board.push_uci("e2e4")
    assert position_line(board) == "position startpos moves e2e4"
    late = chess.Board(MATE_IN_ONE)
    late.push_uci("a1a2")
    assert position_line(late) == f"position fen {MATE_IN_ONE} moves a1a2"


def bad_engine(folder: Path, on_go: str) -> Path:
    path = folder / "engine"
    path.write_text(BAD.format(on_go=on_go))
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("on_go", "fault"),
    [
        ('print("bestmove e2e5", flush=True)', "illegal"),
        ('print("bestmove 0000", flush=True)', "illegal"),
        ('print("bestmove (none)", flush=True)', "unparsable"),
        ('print("bestmove", flush=True)', "unparsable"),
        ("os._exit(3)", "no answer"),
        ("time.sleep(60)", "no answer"),
    ],
)
def test_an_engine_that_answers_badly_has_no_move(
    settings: MakeConfig, tmp_path: Path, on_go: str, fault: str
) -> None:
    config = settings("engine.deadline_s=3" if fault == "no answer" else "engine.deadline_s=20")
    with EngineRoom(config) as room:
        player = open_player(f"uci:{bad_engine(tmp_path, on_go)},nodes=1", room)
        try:
            (choice,) = player.choose(turns(chess.STARTING_FEN, 1))
        finally:
            player.close()
    assert (choice.move, choice.tries, choice.fault) == (None, 1, fault)


def test_an_anchor_that_dies_ends_the_match_instead_of_losing_it(
    settings: MakeConfig, tmp_path: Path
) -> None:
    engine = bad_engine(tmp_path, "os._exit(3)")
    with EngineRoom(settings(f"engine.path={engine}")) as room:
        player = open_player("nodes:1", room)
        with pytest.raises(EngineError, match="exit code 3"):
            player.choose(turns(chess.STARTING_FEN, 1))
        player.close()


def test_what_is_no_engine_is_reported(room: EngineRoom, stockfish: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; give the engine's path"):
        open_player(f"uci:{tmp_path}/none", room)
    with pytest.raises(InputError, match="no UCI engine"):
        open_player("uci:/bin/true", room)
    with pytest.raises(InputError, match="no option Skil Level; did you mean Skill Level"):
        open_player(f"uci:{stockfish},option.Skil Level=3", room)
