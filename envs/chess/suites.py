"""The held-out suites: fixed positions that training never samples."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache
from importlib import resources

import chess

from envs.chess.openings import random_move, random_walk
from envs.chess.position import make_task, play, position_key, task_key
from envs.errors import InputError
from envs.task import Task

_FILES = {"chess/heldout": "heldout.jsonl", "chess/games": "games.jsonl"}

RANDOM_PLIES = (2, 16)
"""`chess/heldout`: uniformly random plies from the start, inclusive."""
GAME_PLIES = (6, 50)
"""`chess/games`: plies into a weakened engine's game, inclusive."""
RANDOM_START = 6
"""`chess/games`: the games begin with this many random plies."""
BEST_MOVE_PROBABILITY = 0.7
"""`chess/games`: chance of the engine's move; else a uniformly random one is played."""


def suite_names() -> tuple[str, ...]:
    """Return the names that `load_suite` knows."""
    return tuple(_FILES)


@cache
def _tasks(name: str) -> tuple[Task, ...]:
    file = resources.files("envs.chess").joinpath("data", _FILES[name])
    tasks = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        board = chess.Board()
        play(board, json.loads(line)["moves"].split(), f"{_FILES[name]}:{number}")
        tasks.append(make_task(board))
    return tuple(tasks)


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
    """Return the `position_key` of every position in every suite."""
    return frozenset(task_key(task) for name in _FILES for task in _tasks(name))


def random_ply_positions(n: int, seed: int) -> list[chess.Board]:
    """Return `n` distinct unfinished positions, 2-16 uniformly random plies from the start."""
    rng = random.Random(f"random plies/{seed}")
    return _distinct(n, lambda: random_walk(rng, rng.randint(*RANDOM_PLIES)))


def weak_game_positions(
    n: int, seed: int, best_move: Callable[[chess.Board], chess.Move]
) -> list[chess.Board]:
    """Return `n` distinct unfinished positions, one per game of a weakened engine.

    Each lies a uniform 6-50 plies into its game. The first 6 plies are random; after them
    `best_move` is played with probability 0.7 and a uniformly random move otherwise. A game that
    ends before its ply is drawn is replaced by another.
    """
    rng = random.Random(f"weak games/{seed}")

    def draw() -> chess.Board | None:
        plies = rng.randint(*GAME_PLIES)
        board = random_walk(rng, RANDOM_START)
        while board is not None and board.ply() < plies:
            by_engine = rng.random() < BEST_MOVE_PROBABILITY
            board.push(best_move(board) if by_engine else random_move(board, rng))
            if board.is_game_over():
                board = None
        return board

    return _distinct(n, draw)


def _distinct(n: int, draw: Callable[[], chess.Board | None]) -> list[chess.Board]:
    found: dict[str, chess.Board] = {}
    for _ in range(100 * n + 100):
        if len(found) >= n:
            return list(found.values())
        board = draw()
        if board is not None:
            found.setdefault(position_key(board), board)
    raise InputError(f"suite: {n} distinct positions could not be drawn; ask for fewer")
