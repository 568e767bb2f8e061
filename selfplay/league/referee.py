"""When a game of a match ends: the rules of chess, its limits, and adjudication by the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import chess

from envs.chess.pgn import game_result
from selfplay.config.match import MatchConfig
from selfplay.league.player import Choice

Termination = Literal["normal", "adjudication", "rules infraction", "abandoned"]
"""PGN standard, 9.8.1."""
WIN, DRAW, LOSS = "1-0", "1/2-1/2", "0-1"
RESULTS = {WIN: 1.0, DRAW: 0.5, LOSS: 0.0}
"""White's points."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a game ended; `detail` is a few words and may hold a model's text."""

    result: str
    termination: Termination
    detail: str


@dataclass(slots=True)
class MatchGame:
    """A game under way: `number` 1 has player A as White, 2 has player B.

    `asked` and `first_try` count, by colour, the moves asked for and those legal at first try.
    """

    pair: int
    number: int
    board: chess.Board
    opening_plies: int
    ending: Ending | None = None
    asked: dict[chess.Color, int] = field(default_factory=lambda: {True: 0, False: 0})
    first_try: dict[chess.Color, int] = field(default_factory=lambda: {True: 0, False: 0})
    notes: dict[int, str] = field(default_factory=dict)
    winning: dict[chess.Color, int] = field(default_factory=lambda: {True: 0, False: 0})
    level: int = 0
    """`winning` and `level`: plies in a row that the engine calls won, and even."""

    @classmethod
    def begin(cls, pair: int, number: int, opening: chess.Board) -> MatchGame:
        """Return the game at the end of its opening."""
        board = opening.copy()
        return cls(pair, number, board, len(board.move_stack))

    @property
    def mover(self) -> int:
        """0 where player A is to move, 1 where player B is."""
        return 0 if (self.board.turn == chess.WHITE) == (self.number == 1) else 1

    def take(self, choice: Choice) -> None:
        """Play a choice; a player without a legal move has lost."""
        colour = self.board.turn
        self.asked[colour] += 1
        self.first_try[colour] += choice.legal_at_first
        if choice.move is not None:
            if choice.tries > 1:
                self.notes[len(self.board.move_stack)] = f"{choice.tries} tries"
            self.board.push(choice.move)
            return
        tries = f"after {choice.tries} tries" if choice.tries > 1 else "at the first try"
        named = {"illegal": "illegal move", "unparsable": "unparsable answer"}
        what = named.get(choice.fault, "no answer")
        infraction = choice.fault in named
        self.ending = Ending(
            LOSS if colour == chess.WHITE else WIN,
            "rules infraction" if infraction else "abandoned",
            f"{what} {tries}: {choice.detail}" if infraction else f"{what}: {choice.detail}",
        )


class Referee:
    """Ends games by the rules of chess and of the match.

    `win_probability` is the engine's, in [0, 1], for the side to move; it is asked only where a
    rule of the configuration needs it.
    """

    def __init__(self, match: MatchConfig, win_probability: Callable[[chess.Board], float]) -> None:
        self._match = match
        self._win_probability = win_probability

    def judge(self, game: MatchGame) -> None:
        """Give `game` its ending if the position on its board is one."""
        if game.ending is not None:
            return
        match = self._match
        over = game_result(game.board, match.max_plies)
        if over is not None and over[0] != "*":
            game.ending = Ending(over[0], "normal", over[1])
        elif over is not None:
            game.ending = self._at_limit(game.board)
        elif match.resign_win is not None or match.draw_gap is not None:
            game.ending = self._early(game)

    def _at_limit(self, board: chess.Board) -> Ending:
        limit = self._match.limit_win
        if limit is None:
            return Ending(DRAW, "adjudication", "max plies")
        white = self._white(board)
        result = WIN if white >= limit else LOSS if 1 - white >= limit else DRAW
        return Ending(result, "adjudication", f"max plies, White's winning chance {white:.3f}")

    def _early(self, game: MatchGame) -> Ending | None:
        match = self._match
        white = self._white(game.board)
        if match.resign_win is not None:
            for colour, chance in ((chess.WHITE, white), (chess.BLACK, 1 - white)):
                won = chance >= match.resign_win
                game.winning[colour] = game.winning[colour] + 1 if won else 0
                if game.winning[colour] >= match.resign_plies:
                    result = WIN if colour == chess.WHITE else LOSS
                    return Ending(result, "adjudication", f"won for {match.resign_plies} plies")
        if match.draw_gap is not None and len(game.board.move_stack) > match.draw_from:
            game.level = game.level + 1 if abs(white - 0.5) <= match.draw_gap else 0
            if game.level >= match.draw_plies:
                return Ending(DRAW, "adjudication", f"even for {match.draw_plies} plies")
        return None

    def _white(self, board: chess.Board) -> float:
        chance = self._win_probability(board)
        return chance if board.turn == chess.WHITE else 1 - chance
