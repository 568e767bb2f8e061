"""Fixed opponents below a full engine: random mover, rules, engine with random moves, softmax.

The last two read the engine's cached scores of all legal moves (rewards.chess), so that a position
costs one search, whoever asks and whatever the temperature.
"""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence

import chess
from typing_extensions import override

from envs.chess.openings import random_move
from envs.chess.rules import RULES
from rewards.chess.engine import EngineError
from rewards.chess.scorer import ChessScorer
from rewards.chess.scores import PositionScores
from selfplay.league.player import Choice, Player, Turn


class RandomMover(Player):
    """Plays a uniformly random legal move: the league's zero."""

    def __init__(self) -> None:
        self.name = "random"
        self.version = "1"
        self.settings = ""
        self.repeatable = True

    @override
    def choose(self, turns: Sequence[Turn]) -> list[Choice]:
        return [Choice(random_move(turn.board, random.Random(turn.seed))) for turn in turns]

    @override
    def close(self) -> None:
        """Do nothing: nothing is held."""


class RulePlayer(Player):
    """Plays by a rule of one line (envs.chess.rules), a random legal move where it says nothing."""

    def __init__(self, rule: str) -> None:
        self.name = f"rule:{rule}"
        self.version = "1"
        self.settings = ""
        self.repeatable = True
        self._rule = RULES[rule]

    @override
    def choose(self, turns: Sequence[Turn]) -> list[Choice]:
        return [
            Choice(self._rule(turn.board) or random_move(turn.board, random.Random(turn.seed)))
            for turn in turns
        ]

    @override
    def close(self) -> None:
        """Do nothing: nothing is held."""


class _ScoredAnchor(Player, ABC):
    """An anchor that chooses by the scores of all legal moves; the scorer is its room's."""

    def __init__(self, name: str, scorer: ChessScorer, nodes: int) -> None:
        self.name = f"{name},nodes={nodes}"
        self.version = f"{scorer.identity.name} {scorer.identity.sha256[:12]}"
        self.settings = f"nodes={nodes} multipv=all"
        self.repeatable = True
        self._scorer = scorer

    @override
    def choose(self, turns: Sequence[Turn]) -> list[Choice]:
        """Choose by the scores. Raises EngineError where the engine failed twice on a position."""
        return [Choice(self._move(turn.board, random.Random(turn.seed))) for turn in turns]

    @override
    def close(self) -> None:
        """Do nothing: the scorer is the room's, which closes it."""
        return

    @abstractmethod
    def _move(self, board: chess.Board, rng: random.Random) -> chess.Move:
        """Return the move for an unfinished game; `rng` is the turn's own."""

    def _scores(self, board: chess.Board) -> PositionScores:
        return retried(self._scorer, board)


class EpsilonEngine(_ScoredAnchor):
    """Plays a uniformly random legal move with probability `epsilon`, else the engine's best."""

    def __init__(self, epsilon: float, scorer: ChessScorer, nodes: int) -> None:
        super().__init__(f"engine-eps:{epsilon:g}", scorer, nodes)
        self._epsilon = epsilon

    def _move(self, board: chess.Board, rng: random.Random) -> chess.Move:
        if rng.random() < self._epsilon:
            return random_move(board, rng)
        return chess.Move.from_uci(rng.choice(sorted(self._scores(board).best_moves)))


class SoftmaxEngine(_ScoredAnchor):
    """Draws a move with probability proportional to exp(winning chance / temperature).

    Winning chances are lichess's, in [0, 1]: at 0.01 it is nearly the engine, at 1 nearly random.
    """

    def __init__(self, temperature: float, scorer: ChessScorer, nodes: int) -> None:
        super().__init__(f"softmax:{temperature:g}", scorer, nodes)
        self._temperature = temperature

    def _move(self, board: chess.Board, rng: random.Random) -> chess.Move:
        weights = softmax_weights(self._scores(board), self._temperature)
        moves = sorted(weights)
        (chosen,) = rng.choices(moves, [weights[uci] for uci in moves])
        return chess.Move.from_uci(chosen)


def softmax_weights(scores: PositionScores, temperature: float) -> dict[str, float]:
    """Return UCI move -> exp((win - best win) / temperature); the best move's weight is 1."""
    return {uci: math.exp(-scores.regret(uci) / temperature) for uci in scores.moves}


def retried(scorer: ChessScorer, board: chess.Board) -> PositionScores:
    """Return a board's scores; an engine that hung or died is replaced and asked once more.

    Raises EngineError when it fails again.
    """
    try:
        return scorer.board_scores(board)
    except EngineError:
        return scorer.board_scores(board)
