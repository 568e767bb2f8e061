"""The held-out suites: fixed positions that training never samples."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection, Iterator
from functools import cache
from importlib import resources

import chess

from envs.chess.openings import random_move, random_walk
from envs.chess.position import make_task, position_key, task_key
from envs.errors import InputError
from envs.task import Task

_FILES = {
    "chess/heldout": "heldout.jsonl",
    "chess/games": "games.jsonl",
    "chess/test": "test.jsonl",
    "chess/endings": "endings.jsonl",
}
TEST_SUITES = ("chess/test", "chess/endings")
"""Suites on which nothing was ever chosen: `selfplay eval --test` alone opens them."""

OLDEST = ("chess/heldout", "chess/games")
"""What was held out in runs whose manifest does not say."""
RANDOM_PLIES = (2, 16)
"""`chess/heldout`: uniformly random plies from the start, inclusive."""
GAME_PLIES = (6, 50)
"""`chess/games`, `chess/test`: plies into a weakened engine's game, inclusive."""
RANDOM_START = 6
"""Games of a weakened engine begin with this many random plies."""
BEST_MOVE_PROBABILITY = 0.7
"""Chance of a weakened engine's move; else a uniformly random one is played."""
ENDING_PIECES = 16
"""`chess/endings`: pieces on the board at most, kings and pawns included."""
LONGEST_GAME = 300
"""`chess/endings`: plies after which a game is given up."""


def suite_names() -> tuple[str, ...]:
    """Return the names that `load_suite` knows."""
    return tuple(_FILES)


@cache
def _tasks(name: str) -> tuple[Task, ...]:
    return tuple(make_task(board) for board in read_games(_FILES[name]))


def read_games(file: str) -> Iterator[chess.Board]:
    """Yield the boards of a file in envs/chess/data, a row {"moves": UCI words} each."""
    text = resources.files("envs.chess").joinpath("data", file).read_text(encoding="utf-8")
    for line in text.splitlines():
        board = chess.Board()
        for move in json.loads(line)["moves"].split():
            # Whether they are legal is a test's to ask: every start of a run reads all files.
            board.push(chess.Move.from_uci(move))
        yield board


def load_suite(name: str) -> list[Task]:
    """Return the 640 tasks of a suite, in fixed order, each with its moves from the start.

    The order is random, so that any first n positions stand for the whole suite.

    Raises InputError for an unknown name.
    """
    if name not in _FILES:
        raise InputError(f"suite {name!r} is unknown; use one of {list(_FILES)}")
    return list(_tasks(name))


@cache
def heldout_keys() -> frozenset[str]:
    """Return the `position_key` of every position in every suite: none of them ever trains."""
    return suite_keys(suite_names())


@cache
def suite_keys(names: tuple[str, ...]) -> frozenset[str]:
    """Return the `position_key` of every position in the suites of these names."""
    return frozenset(task_key(task) for name in names for task in _tasks(name))


def random_ply_positions(n: int, seed: int) -> list[chess.Board]:
    """Return `n` distinct unfinished positions, 2-16 uniformly random plies from the start."""
    rng = random.Random(f"random plies/{seed}")
    return _distinct(n, lambda: random_walk(rng, rng.randint(*RANDOM_PLIES)))


def weak_game_positions(
    n: int,
    seed: int,
    best_move: Callable[[chess.Board], chess.Move],
    exclude: Collection[str] = frozenset(),
) -> list[chess.Board]:
    """Return `n` distinct unfinished positions, one per game of a weakened engine.

    Each lies a uniform 6-50 plies into its game. The first 6 plies are random; after them
    `best_move` is played with probability 0.7 and a uniformly random move otherwise. A game that
    ends before its ply is drawn is replaced by another, as is one whose position is in `exclude`.
    """
    rng = random.Random(f"weak games/{seed}")

    def draw() -> chess.Board | None:
        plies = rng.randint(*GAME_PLIES)
        board = random_walk(rng, RANDOM_START)
        while board is not None and board.ply() < plies:
            _weak_move(board, rng, best_move)
            if board.is_game_over():
                board = None
        return board

    return _distinct(n, draw, exclude)


def ending_positions(
    n: int,
    seed: int,
    best_move: Callable[[chess.Board], chess.Move],
    exclude: Collection[str] = frozenset(),
) -> list[chess.Board]:
    """Return `n` distinct unfinished positions of at most 16 pieces, one per game as above.

    In every second one a pawn may promote. A game's position is drawn uniformly among its positions
    of that kind; games without one, and those of more than 300 plies, are replaced by others.
    """
    rng = random.Random(f"endings/{seed}")
    promoting = [True]

    def draw() -> chess.Board | None:
        board = random_walk(rng, RANDOM_START)
        fitting = []
        while board is not None and board.ply() < LONGEST_GAME:
            _weak_move(board, rng, best_move)
            if board.is_game_over():
                break
            if chess.popcount(board.occupied) <= ENDING_PIECES and (
                not promoting[0] or any(move.promotion for move in board.legal_moves)
            ):
                fitting.append(board.copy())
        if not fitting:
            return None
        promoting[0] = not promoting[0]
        return rng.choice(fitting)

    return _distinct(n, draw, exclude)


def _weak_move(
    board: chess.Board, rng: random.Random, best_move: Callable[[chess.Board], chess.Move]
) -> None:
    by_engine = rng.random() < BEST_MOVE_PROBABILITY
    board.push(best_move(board) if by_engine else random_move(board, rng))


def _distinct(
    n: int, draw: Callable[[], chess.Board | None], exclude: Collection[str] = frozenset()
) -> list[chess.Board]:
    found: dict[str, chess.Board] = {}
    for _ in range(100 * n + 100):
        if len(found) >= n:
            return list(found.values())
        board = draw()
        if board is not None and (key := position_key(board)) not in exclude:
            found.setdefault(key, board)
    raise InputError(f"suite: {n} distinct positions could not be drawn; ask for fewer")
