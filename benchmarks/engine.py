"""Positions per second of the engine reward: all legal moves, cold and from the cache, as JSON.

    python benchmarks/engine.py [--engine PATH] [--positions 100] [--nodes 1000 5000 20000]

Positions are random plies from the start under a fixed seed; one engine process, one thread.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chess

from envs.chess.position import make_task
from envs.errors import InputError
from rewards.chess.engine import find_engine
from rewards.chess.scorer import ChessScorer
from rewards.result import ScoreRequest
from selfplay.domains.chess.config import EngineConfig

COMPLETIONS = 8


def positions(count: int, seed: int = 0) -> list[chess.Board]:
    """Return distinct unfinished boards, 2 to 40 random plies from the start."""
    draw = random.Random(seed)
    found: dict[str, chess.Board] = {}
    while len(found) < count:
        board = chess.Board()
        for _ in range(draw.randint(2, 40)):
            moves = list(board.legal_moves)
            if not moves:
                break
            board.push(draw.choice(moves))
        if any(board.legal_moves):
            found.setdefault(board.fen(), board)
    return list(found.values())


def measure(engine: Path, nodes: int, boards: list[chess.Board]) -> dict[str, Any]:
    """Score the boards cold, then again in a new scorer from the cache of the first."""
    tasks = [make_task(board) for board in boards]
    answers = [next(iter(board.legal_moves)).uci() for board in boards]
    requests = [
        ScoreRequest(task, answer)
        for task, answer in zip(tasks, answers, strict=True)
        for _ in range(COMPLETIONS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache.sqlite"
        with ChessScorer(engine, nodes=nodes, cache_path=cache) as scorer:
            cold = _rate(lambda: [scorer.position_scores(task) for task in tasks], len(tasks))
            depths = [scorer.position_scores(task).depth for task in tasks]
        with ChessScorer(engine, nodes=nodes, cache_path=cache) as scorer:
            cached = _rate(lambda: [scorer.position_scores(task) for task in tasks], len(tasks))
            scored = _rate(lambda: scorer.score(requests), len(requests))
    return {
        "nodes": nodes,
        "positions": len(tasks),
        "cold_positions_per_s": round(cold, 1),
        "cached_positions_per_s": round(cached, 1),
        "cached_completions_per_s": round(scored, 1),
        "mean_depth": round(sum(depths) / len(depths), 2),
        "share_at_depth_1": round(sum(d <= 1 for d in depths) / len(depths), 2),
    }


def _rate(work: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


def main() -> int:
    """Print the measurements; exit code 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", type=Path, default=None)
    parser.add_argument("--positions", type=int, default=100)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1000, 5000, 20000])
    given = parser.parse_args()
    if given.positions < 1:
        parser.error("--positions must be at least 1")
    try:
        engine = find_engine(given.section(EngineConfig))
        boards = positions(given.positions)
        rows = [measure(engine, nodes, boards) for nodes in given.nodes]
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    moves = sum(board.legal_moves.count() for board in boards) / len(boards)
    report = {
        "engine": str(engine),
        "machine": platform.machine(),
        "mean_legal_moves": round(moves, 1),
        "completions_per_position": COMPLETIONS,
        "results": rows,
    }
    print(json.dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
