"""Training games against opponents: whose positions are tasks, and that everything repeats."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Sequence
from typing import Any

import chess
import chess.pgn
import pytest

from envs import Task
from envs.chess.games import GamePool
from envs.chess.openings import random_opening
from envs.chess.position import board_of, position_key


class Walkers:
    """Two opponents that move at random by the seed they are given; one finds no move at times."""

    def __init__(self, share: float = 0.6) -> None:
        self.share = share
        self.calls: list[tuple[str, list[str]]] = []

    def draw(self, rng: random.Random) -> str | None:
        return rng.choice(["steady", "lost"]) if rng.random() < self.share else None

    def moves(self, name: str, turns: Sequence[tuple[chess.Board, int]]) -> list[chess.Move | None]:
        self.calls.append((name, [board.fen() for board, _ in turns]))
        return [self._move(name, board, random.Random(seed)) for board, seed in turns]

    @staticmethod
    def _move(name: str, board: chess.Board, rng: random.Random) -> chess.Move | None:
        if name == "lost" and rng.random() < 0.2:
            return None
        return rng.choice(list(board.legal_moves))


def pool_of(opponents: Walkers | None, **changes: Any) -> GamePool:
    settings: dict[str, Any] = {
        "boards": 8,
        "seed": 3,
        "new_game": lambda rng: random_opening(rng, (0, 5)),
        "max_plies": 30,
        "random_move_prob": 0.1,
        "random_when_illegal": True,
        "players": ("student", "student"),
    }
    return GamePool(**{**settings, **changes}, opponents=opponents)


def answer(pool: GamePool, task: Task) -> None:
    moves = [move.uci() for move in board_of(task).legal_moves]
    pool.advance(task.id, random.Random(task.id).sample(moves, min(2, len(moves))), 7)


def play(pool: GamePool, rounds: int) -> list[str]:
    asked = []
    for _ in range(rounds):
        tasks = pool.next_tasks(3)
        asked += [task.id for task in tasks]
        for task in tasks:
            answer(pool, task)
    return asked


def test_only_the_policy_s_own_positions_are_asked() -> None:
    walkers = Walkers(share=1.0)
    pool = pool_of(walkers)
    asked: set[str] = set()
    for _ in range(150):
        for task in pool.next_tasks(3):
            asked.add(board_of(task).fen())
            answer(pool, task)
    games = pool.finished()
    assert len(games) > 10
    for game in games:
        theirs = chess.WHITE if game.headers["Opponent"] == "White" else chess.BLACK
        names = (game.headers["White"], game.headers["Black"])
        assert names[0 if theirs else 1] in ("steady", "lost")
        assert names[1 if theirs else 0] == "student"
        assert game.headers["WhiteVersion" if theirs else "BlackVersion"] == "?"
        board = game.board()
        opening = True
        for node in game.mainline():
            if not opening and board.turn == theirs:
                assert board.fen() not in asked
            opening = opening and node.comment != "end of opening"
            board.push(node.move)
    assert {game.headers["Opponent"] for game in games} == {"White", "Black"}


def test_waiting_boards_of_one_opponent_are_asked_together() -> None:
    walkers = Walkers(share=1.0)
    pool = pool_of(walkers, boards=12)
    play(pool, 1)
    for _ in range(20):
        walkers.calls.clear()
        tasks = pool.next_tasks(6)
        together = [name for name, fens in walkers.calls if len(fens) > 1]
        assert len(together) == len(set(together))
        for task in tasks:
            answer(pool, task)
    assert any(len(fens) > 1 for _, fens in walkers.calls)


def test_games_with_opponents_repeat_and_resume_exactly() -> None:
    straight, torn = pool_of(Walkers()), pool_of(Walkers())
    asked = play(straight, 60)
    begun = play(torn, 25)
    saved = json.loads(json.dumps(torn.state()))
    resumed = pool_of(Walkers())
    resumed.restore(saved)
    assert begun + play(resumed, 35) == asked
    finished = [str(game) for game in straight.finished()]
    assert [str(game) for game in resumed.finished()] == finished
    assert {"student", "steady", "lost"} <= {
        headers["White"]
        for text in finished
        if (headers := chess.pgn.read_headers(io.StringIO(text))) is not None
    }


def test_an_opponent_without_a_move_loses_where_illegal_moves_do() -> None:
    pool = pool_of(Walkers(share=1.0), random_when_illegal=False, max_plies=80)
    play(pool, 200)
    lost = [g.headers for g in pool.finished() if g.headers["Termination"] == "illegal move"]
    assert lost
    for headers in lost:
        assert headers["Result"] == ("0-1" if headers["Opponent"] == "White" else "1-0")


def test_held_out_positions_are_passed_over_in_their_games_too() -> None:
    seen = {position_key(board_of(task)) for task in pool_of(Walkers(1.0)).next_tasks(8)}
    pool = pool_of(Walkers(share=1.0), exclude=frozenset(seen))
    for _ in range(40):
        for task in pool.next_tasks(3):
            assert position_key(board_of(task)) not in seen
            answer(pool, task)


def test_an_illegal_move_of_an_opponent_is_a_fault_of_ours() -> None:
    class Cheat(Walkers):
        @staticmethod
        def _move(name: str, board: chess.Board, rng: random.Random) -> chess.Move | None:
            return chess.Move.from_uci("a1b4")

    with pytest.raises(ValueError, match="is not legal"):
        play(pool_of(Cheat(share=1.0)), 5)


def test_without_opponents_the_state_has_no_trace_of_them() -> None:
    pool = pool_of(None)
    play(pool, 5)
    assert all("opponent" not in (game or {}) for game in pool.state()["games"])


def test_ctrl_c_while_an_opponent_thinks_or_an_opening_is_screened_loses_nothing() -> None:
    class Interrupted(Walkers):
        left = 9

        def moves(
            self, name: str, turns: Sequence[tuple[chess.Board, int]]
        ) -> list[chess.Move | None]:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
            return super().moves(name, turns)

    screened = [0]

    def opening(rng: random.Random) -> chess.Board:
        screened[0] += 1
        if screened[0] == 5:
            raise KeyboardInterrupt
        return random_opening(rng, (0, 5))

    whole = play(pool_of(Walkers(share=1.0)), 30)
    walkers = Interrupted(share=1.0)
    pool = pool_of(walkers, new_game=opening)
    asked: list[str] = []
    stopped = 0
    for _ in range(30):
        while True:
            try:
                tasks = pool.next_tasks(3)
                break
            except KeyboardInterrupt:
                stopped += 1
                saved = json.loads(json.dumps(pool.state()))
                pool = pool_of(walkers, new_game=opening)
                pool.restore(saved)
        asked += [task.id for task in tasks]
        for task in tasks:
            answer(pool, task)
    assert stopped == 2 and asked == whole
