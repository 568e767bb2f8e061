"""The held-out suites as shipped, and how they were drawn."""

from __future__ import annotations

from pathlib import Path

import chess
import chess.engine
import pytest

from envs.chess.examples import examples
from envs.chess.position import board_of, position_key, task_key
from envs.chess.prompts import render
from envs.chess.suites import (
    ending_positions,
    heldout_keys,
    load_suite,
    random_ply_positions,
    suite_names,
    weak_game_positions,
)
from envs.errors import InputError

PLIES = {"chess/heldout": (2, 16), "chess/games": (6, 50), "chess/test": (6, 50)}


@pytest.mark.parametrize("name", PLIES)
def test_shipped_suites_are_distinct_open_and_in_range(name: str) -> None:
    tasks = load_suite(name)
    assert len(tasks) == len({task.id for task in tasks}) == len(set(map(task_key, tasks))) == 640
    low, high = PLIES[name]
    plies = [len(task.payload["moves"]) for task in tasks]
    assert (min(plies), max(plies)) == (low, high)
    for half in (plies[:320], plies[320:]):  # any first n stand for the whole
        assert abs(sum(half) / 320 - (low + high) / 2) < (high - low) / 10
    for task in tasks:
        board = board_of(task)
        assert board.root().fen() == chess.STARTING_FEN
        assert not board.is_game_over()
        assert position_key(board) in heldout_keys()
    assert not str(render(tasks[0], "pgn", "san", 8).text).startswith("[")


def test_endings_have_few_pieces_and_half_of_them_a_promotion() -> None:
    boards = [board_of(task) for task in load_suite("chess/endings")]
    assert len({position_key(board) for board in boards}) == 640
    assert all(chess.popcount(board.occupied) <= 16 for board in boards)
    assert not any(board.is_game_over() for board in boards)
    for half in (boards[:320], boards[320:]):  # any first n stand for the whole
        assert 150 < sum(any(m.promotion for m in board.legal_moves) for board in half) < 200


def test_suites_do_not_overlap_and_are_all_held_out() -> None:
    assert suite_names() == ("chess/heldout", "chess/games", "chess/test", "chess/endings")
    assert len(heldout_keys()) == 4 * 640


def test_examples_stand_in_no_suite_and_have_legal_answers() -> None:
    assert len(examples()) == 8
    for board, best in examples():
        assert position_key(board) not in heldout_keys()
        assert board.is_legal(best)


def test_callers_cannot_spoil_a_suite() -> None:
    load_suite("chess/games").clear()
    assert len(load_suite("chess/games")) == 640


def test_unknown_suite_is_one_line() -> None:
    with pytest.raises(InputError, match=r"suite 'chess/none' is unknown; use one of"):
        load_suite("chess/none")


def test_the_random_suite_can_be_drawn_again() -> None:
    drawn = [board.fen() for board in random_ply_positions(640, 20240)]
    assert drawn == [task.payload["fen"] for task in load_suite("chess/heldout")]
    assert drawn[:20] != [board.fen() for board in random_ply_positions(20, 1)]


def test_weak_games_mix_best_and_random_moves() -> None:
    asked = 0

    def best_move(board: chess.Board) -> chess.Move:
        nonlocal asked
        asked += 1
        assert board.ply() >= 6
        return min(board.legal_moves, key=chess.Move.uci)

    boards = weak_game_positions(60, 3, best_move)
    assert len({position_key(board) for board in boards}) == 60
    assert all(6 <= board.ply() <= 50 for board in boards)
    after, first = 0, 0
    for board in boards:
        replay = chess.Board()
        for move in board.move_stack:
            if replay.ply() >= 6:
                after += 1
                first += move == min(replay.legal_moves, key=chess.Move.uci)
            replay.push(move)
    assert 0.64 < first / after < 0.82  # 0.7, and a random move is the same one now and then
    assert asked >= 0.6 * after


def test_the_engine_suite_can_be_drawn_again(stockfish: Path) -> None:
    """The first games of the shipped suite, with the engine; another build may differ."""
    count = 12
    limit = chess.engine.Limit(nodes=400, time=10)
    with chess.engine.SimpleEngine.popen_uci(str(stockfish)) as engine:
        if engine.id.get("name") != "Stockfish 15.1":
            pytest.skip(f"the suite was made with Stockfish 15.1, this is {engine.id.get('name')}")
        engine.configure({"Threads": 1, "Hash": 16})

        def best_move(board: chess.Board) -> chess.Move:
            move = engine.play(board, limit, game=object()).move
            assert move is not None
            return move

        for name, seed in (("chess/games", 20240), ("chess/test", 77713)):
            drawn = [board.fen() for board in weak_game_positions(count, seed, best_move)]
            assert drawn == [task.payload["fen"] for task in load_suite(name)][:count]
        ending = [board.fen() for board in ending_positions(2, 77713, best_move)]
    assert ending == [task.payload["fen"] for task in load_suite("chess/endings")][:2]
