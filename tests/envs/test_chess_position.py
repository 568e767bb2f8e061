"""Positions as tasks: round trips, keys and refusals."""

from __future__ import annotations

import json
import random

import chess
import pytest

from envs import Task
from envs.chess.openings import random_opening
from envs.chess.position import board_of, make_task, parse_fen, position_key, task_key
from envs.errors import InputError


def played(*moves: str) -> chess.Board:
    board = chess.Board()
    for move in moves:
        board.push_san(move)
    return board


def test_payload_is_as_documented_and_the_id_is_stable() -> None:
    task = make_task(played("e4", "e5"))
    assert task.domain == "chess"
    assert task.payload == {
        "fen": "rnbqkbnr/pppp1ppp/8/4p3/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 0 2",
        "start_fen": chess.STARTING_FEN,
        "moves": ["e2e4", "e7e5"],
    }
    assert task == make_task(played("e4", "e5"))
    assert task.id == "chess/f0589a7a0dee701661ac"


@pytest.mark.parametrize("seed", range(20))
def test_board_and_history_survive_json(seed: int) -> None:
    board = random_opening(random.Random(seed), (0, 80))
    task = make_task(board)
    again = Task.make("chess", json.loads(json.dumps(task.payload)))
    assert again.id == task.id
    copy = board_of(again)
    assert copy.fen() == board.fen()
    assert copy.move_stack == board.move_stack
    assert task_key(task) == position_key(board)


def test_a_bare_fen_and_a_bare_move_list_are_tasks() -> None:
    fen = "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"
    assert board_of(Task.make("chess", {"fen": fen})).fen() == fen
    board = played("e4")
    task = Task.make("chess", {"fen": board.fen(), "moves": ["e2e4"]})
    assert board_of(task).move_stack == board.move_stack


def test_key_leaves_out_counters_and_idle_en_passant() -> None:
    around = played("Nf3", "Nf6", "Ng1", "Ng8")
    assert position_key(around) == position_key(chess.Board())
    idle = chess.Board("rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq e3 0 1")
    assert position_key(idle) == position_key(played("e4"))


def test_key_keeps_turn_castling_and_live_en_passant() -> None:
    live = "rnbqkbnr/ppp1p1pp/8/3pPp2/8/8/PPPP1PPP/RNBQKBNR w KQkq f6 0 3"
    variants = [
        live,
        live.replace(" f6", " d6"),
        live.replace(" f6", " -"),
        live.replace("KQ", "K"),
    ]
    keys = {position_key(chess.Board(fen)) for fen in variants}
    keys.add(position_key(chess.Board(live.replace(" w KQkq f6", " b KQkq -"))))
    assert len(keys) == 5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "8/8/8/8/8/8/8/8 w - - 0 1",
        "4k3/8/8/8/8/8/8/4K2R w KQkq - 0 1",
        "4k3/8/8/8/8/8/8/4K3 x - - 0 1",
        "4k3/4R3/8/8/8/8/8/4K3 w - - 0 1",
        "4k3/8/8/8/8/8/8/4K3 w - - x 1",
        "4k3/8/8/8/8/8/8/4K3 w - - 0 " + "9" * 5000,
        "4k3/8/8/8/8/8/8/4K3 w - - 0 \u0661",
        "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNRR w KQkq - 0 1",
        "bad\nline\x1b[31m",
    ],
)
def test_no_position_is_one_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_fen(text, "x.csv:3")
    message = str(caught.value)
    assert message.startswith("x.csv:3: ") and message.isprintable() and len(message) < 400


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        ({}, "'fen' is missing"),
        ({"fen": 3}, "'fen' is missing"),
        ({"fen": "8/8/8/8/8/8/8/8 w - - 0 1"}, "not a legal position"),
        ({"fen": chess.STARTING_FEN, "moves": ["e2e4"]}, "the moves lead to"),
        ({"fen": chess.STARTING_FEN, "moves": ["e2e5"]}, "move 1, 'e2e5'"),
        ({"fen": chess.STARTING_FEN, "moves": ["0000"]}, "move 1, '0000'"),
        ({"fen": chess.STARTING_FEN, "moves": [7]}, "move 1, 7"),
        ({"fen": chess.STARTING_FEN, "moves": "e2e4"}, "no list"),
        ({"fen": chess.STARTING_FEN, "start_fen": 3}, "start_fen: 3"),
    ],
)
def test_broken_payload_is_one_line(payload: dict[str, object], fault: str) -> None:
    with pytest.raises(InputError, match=fault) as caught:
        board_of(Task.make("chess", payload))
    assert str(caught.value).isprintable()


def test_other_domains_are_refused() -> None:
    with pytest.raises(InputError, match="is not chess"):
        board_of(Task.make("code", {"fen": chess.STARTING_FEN}))
