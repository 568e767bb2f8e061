"""One self-play game: its board, who moved, how it ends, and its PGN."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import chess
import chess.pgn

from envs.chess.position import parse_fen, play


def game_result(board: chess.Board, max_plies: int) -> tuple[str, str] | None:
    """Return (PGN result, termination) if the game is over, else None.

    Threefold repetition and the fifty-move rule count as claimed at once (FIDE Laws of Chess, 9.2
    and 9.3). A game of `max_plies` plies or more is unfinished, "*".
    """
    outcome = board.outcome()
    if outcome is not None:
        return outcome.result(), outcome.termination.name.lower().replace("_", " ")
    if board.is_repetition(3):
        return "1/2-1/2", "threefold repetition"
    if board.is_fifty_moves():
        return "1/2-1/2", "fifty moves"
    if len(board.move_stack) >= max_plies:
        return "*", "max plies"
    return None


def game_from_pgn(text: str) -> chess.pgn.Game:
    """Return the first game of a PGN text that we wrote; raises ValueError if there is none."""
    game = chess.pgn.read_game(io.StringIO(text))
    if game is None:
        raise ValueError("no game in a saved PGN")
    return game


@dataclass(slots=True)
class Game:
    """A game under way.

    `versions[colour]` is the last policy version that was asked for that colour; `chance_plies`
    are the plies that a random move decided, after an opening of `opening_plies`. With an
    `opponent` the policy has one colour only.
    """

    board: chess.Board
    opening_plies: int
    versions: dict[chess.Color, int] = field(default_factory=dict)
    chance_plies: list[int] = field(default_factory=list)
    opponent: str | None = None
    policy_is_white: bool = True

    @property
    def opponent_to_move(self) -> bool:
        """Whether it is not the policy's turn."""
        return self.opponent is not None and self.board.turn != self.policy_is_white

    def state(self) -> dict[str, Any]:
        """Return the game as JSON."""
        against = {"opponent": self.opponent, "policy_is_white": self.policy_is_white}
        return {
            "start_fen": self.board.root().fen(),
            "moves": [move.uci() for move in self.board.move_stack],
            "opening_plies": self.opening_plies,
            "white_version": self.versions.get(chess.WHITE),
            "black_version": self.versions.get(chess.BLACK),
            "chance_plies": list(self.chance_plies),
            **(against if self.opponent is not None else {}),
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Game:
        """Return the game of a `state`; raises InputError if its moves are not legal."""
        board = parse_fen(state["start_fen"], "saved game")
        play(board, state["moves"], "saved game")
        colours = {chess.WHITE: state["white_version"], chess.BLACK: state["black_version"]}
        versions = {colour: v for colour, v in colours.items() if v is not None}
        return cls(
            board,
            state["opening_plies"],
            versions,
            list(state["chance_plies"]),
            state.get("opponent"),
            state.get("policy_is_white", True),
        )

    def to_pgn(
        self, players: tuple[str, str], round_name: str, result: str, termination: str
    ) -> chess.pgn.Game:
        """Return the finished game, headers filled; comments mark random moves and where
        the opening ends.

        WhiteVersion and BlackVersion are the last version that answered for that colour, as in
        "v000012", or "?" if none did. FEN and SetUp are there if the start is not the standard one.
        An opponent stands under its own name, and Opponent says which colour it has.
        """
        game = chess.pgn.Game.from_board(self.board)
        chance = set(self.chance_plies)
        for ply, node in enumerate(game.mainline()):
            if ply == self.opening_plies - 1:
                node.comment = "end of opening"
            elif ply in chance:
                node.comment = "random"
        white, black = (self.versions.get(colour) for colour in (chess.WHITE, chess.BLACK))
        if self.opponent is not None:
            theirs = "Black" if self.policy_is_white else "White"
            game.headers["Opponent"] = theirs
            players = (
                (players[0], self.opponent) if self.policy_is_white else (self.opponent, players[1])
            )
        game.headers.update(
            {
                "Event": "self-play",
                "Date": datetime.now(UTC).strftime("%Y.%m.%d"),
                "Round": round_name,
                "White": players[0],
                "Black": players[1],
                "Result": result,
                "Termination": termination,
                "WhiteVersion": "?" if white is None else f"v{white:06d}",
                "BlackVersion": "?" if black is None else f"v{black:06d}",
                "PlyCount": str(len(self.board.move_stack)),
            }
        )
        return game
