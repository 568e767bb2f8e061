"""The policy's opponents in its training games, as the pool of games sees it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol

import chess


class Opponents(Protocol):
    """Draws an opponent for each new game and moves for it. A name means one player for good."""

    def draw(self, rng: random.Random) -> str | None:
        """Return the opponent of a new game; None: the policy plays both colours."""

    def moves(self, name: str, turns: Sequence[tuple[chess.Board, int]]) -> list[chess.Move | None]:
        """Return the opponent's legal move on each board, whose seed alone decides what is drawn.

        None: it found no legal move.
        """
