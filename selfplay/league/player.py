"""What plays: one interface for policies, anchors and UCI engines."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import chess

Fault = Literal["", "illegal", "unparsable", "no answer"]
"""Why there is no move. `no answer`: the engine died, or the prompt exceeds the context."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A board to move on, its history kept. `seed` alone decides what is drawn for this move."""

    board: chess.Board
    seed: int


@dataclass(frozen=True, slots=True)
class Choice:
    """The answer to a turn.

    `move` is legal, or None when none of `tries` answers was; `fault` and `detail` then describe
    the last one. `detail` may hold a model's text: make it visible before it is shown.
    """

    move: chess.Move | None
    tries: int = 1
    fault: Fault = ""
    detail: str = ""

    @property
    def legal_at_first(self) -> bool:
        """Whether the first answer was a legal move."""
        return self.move is not None and self.tries == 1


class Player(Protocol):
    """Whoever plays matches: a policy, an anchor, an engine."""

    name: str
    """Stands in PGN tags and tables; the same name means the same player."""
    version: str
    """What exactly plays: a policy version, a hash of weights, an engine's name and hash."""
    settings: str
    """How it plays, as `key=value` words."""
    repeatable: bool
    """Whether the same turn always gets the same answer."""

    def choose(self, turns: Sequence[Turn]) -> list[Choice]:
        """Return one choice for each turn, in order; every board has a legal move."""

    def close(self) -> None:
        """Give back memory and processes; twice does no harm."""


def turn_seed(seed: int, pair: int, game: int, ply: int) -> int:
    """Return the 63-bit seed of one move: a hash, so that near numbers give unlike seeds."""
    digest = hashlib.sha256(f"match/{seed}/{pair}/{game}/{ply}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
