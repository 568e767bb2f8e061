"""The engine's judgement of shown games: every position's moves scored at fixed nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import chess

from rewards.chess.engine import EngineError
from rewards.chess.scorer import ChessScorer
from rewards.chess.scores import MoveScore, PositionScores
from rewards.closing import Closes
from selfplay.errors import RunCrashed
from selfplay.leaderboard.evaluations import Evaluation, Loss
from selfplay.league.anchors import retried

HASH_MB = 16


class Analyst(Closes):
    """Judges games by one engine; a context manager that ends it.

    What a move lost is the best move's score less its own, both of one search of the position
    before it (rewards.chess), so that no two searches are compared. Scores come from the cache
    that rewards use, where they are there.
    """

    def __init__(
        self, engine: Path | None, nodes: int, progress: Callable[[str], None] = lambda text: None
    ) -> None:
        """Start the engine (None: Stockfish). Raises InputError where there is none."""
        self._scorer = ChessScorer(engine, nodes, HASH_MB)
        self._progress = progress
        self._done = 0
        identity = self._scorer.identity
        self.name = f"{identity.name} {identity.sha256[:12]}, {nodes} nodes a position"

    def close(self) -> None:
        """End the engine."""
        self._scorer.close()

    def __call__(
        self, start: chess.Board, moves: Sequence[chess.Move]
    ) -> tuple[list[Evaluation | None], list[Loss | None]]:
        """Return the evaluation after each move, from White's side, and what each move lost.

        Raises:
            RunCrashed: the engine hung or died twice on one position.
        """
        self._done += 1
        self._progress(f"analysing game {self._done}")
        try:
            return judged(start, moves, lambda board: retried(self._scorer, board))
        except EngineError as error:
            raise RunCrashed(f"analysis: {error}") from error


def judged(
    start: chess.Board, moves: Sequence[chess.Move], scores: Callable[[chess.Board], PositionScores]
) -> tuple[list[Evaluation | None], list[Loss | None]]:
    """Return the evaluation after each move and what it lost, by the scores of each position."""
    evaluations: list[Evaluation | None] = []
    lost: list[Loss | None] = []
    board = start.copy()
    for move in moves:
        found = scores(board).moves
        best = max(found.values(), key=lambda score: score.strength)
        own = found[move.uci()]
        sign = 1 if board.turn == chess.WHITE else -1
        before, after = _for_white(best, sign), _for_white(own, sign)
        evaluations.append(after)
        cp = max(0, sign * (before.clamped - after.clamped))
        lost.append(Loss(cp, max(0.0, best.win - own.win)))
        board.push(move)
    return evaluations, lost


def _for_white(score: MoveScore, sign: int) -> Evaluation:
    if score.mate is not None:
        return Evaluation(None, sign * score.mate)
    return Evaluation(sign * (score.cp or 0))
