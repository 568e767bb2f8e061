"""`selfplay play`: a game against a player of the league, typed in the terminal."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import chess
import chess.pgn

from envs.chess.parse import parse_move
from envs.chess.pgn import game_result
from selfplay.display.text import visible
from selfplay.league.match_file import tag
from selfplay.league.player import Player, Turn, turn_seed

HELP = """\
Type a move (Nf3, exd5, O-O, e7e8=Q or e2e4), or:
  moves    list the legal moves        undo     take your last move back
  board    draw the board again        flip     turn it round
  fen      print the position          pgn      print the game
  resign   give up                     quit     leave (also end of file)"""


class PersonGame:
    """One game between a person and a player."""

    def __init__(
        self,
        player: Player,
        colour: chess.Color,
        *,
        start: chess.Board,
        seed: int,
        draw: Callable[[chess.Board, bool], str],
        say: Callable[[str], None],
    ) -> None:
        """Begin at `start`; `colour` is the person's; `draw` gets the board and whether Black is
        below."""
        self.board = start
        self.result = "*"
        self._player, self._colour, self._seed = player, colour, seed
        self._draw, self._say = draw, say
        self._flipped = colour == chess.BLACK
        self._end = ""

    def play(self, lines: Iterator[str]) -> None:
        """Play to the end of the game, or of `lines`."""
        self._say(f"You play {self._name(self._colour)} against {self._player.name}.\n{HELP}\n")
        self._show()
        while not self._over():
            if self.board.turn != self._colour:
                self._answer()
                self._show()
                continue
            line = next(lines, None)
            if line is None or line.strip().lower() in ("quit", "exit"):
                self._end = "unterminated"
                return
            self._obey(line.strip())

    def pgn(self) -> chess.pgn.Game:
        """Return the game so far."""
        game = chess.pgn.Game.from_board(self.board)
        names = {self._colour: "person", not self._colour: self._player.name}
        game.headers.update(
            {
                "Event": "selfplay play",
                "Site": "?",
                "Date": datetime.now(UTC).strftime("%Y.%m.%d"),
                "Round": "-",
                "White": tag(names[chess.WHITE]),
                "Black": tag(names[chess.BLACK]),
                "Result": self.result,
                "Termination": self._end or "unterminated",
                "Seed": str(self._seed),
            }
        )
        for colour, name in ((chess.WHITE, "White"), (chess.BLACK, "Black")):
            if colour != self._colour:
                game.headers[f"{name}Version"] = tag(self._player.version)
                game.headers[f"{name}Settings"] = tag(self._player.settings or "-")
        return game

    def _over(self) -> bool:
        if self._end:
            return True
        over = game_result(self.board, max_plies=10**9)
        if over is None:
            return False
        if self.board.turn != self._colour:
            self._show()
        self.result, how = over
        self._end = "normal"
        self._say(f"{self.result}: {how}")
        return True

    def _answer(self) -> None:
        seed = turn_seed(self._seed, 0, 0, len(self.board.move_stack))
        (choice,) = self._player.choose([Turn(self.board, seed)])
        move = choice.move
        if move is None:
            self._say(
                f"{self._player.name} gave no legal move in {choice.tries} tries "
                f"({choice.fault}: {visible(choice.detail, 120)}); a random one is played for it."
            )
            move = random.Random(seed).choice(list(self.board.legal_moves))
        self._push(move)

    def _push(self, move: chess.Move) -> None:
        number = f"{self.board.fullmove_number}{'.' if self.board.turn else '...'}"
        who = "you" if self.board.turn == self._colour else self._player.name
        self._say(f"{number} {self.board.san(move)}   ({who})")
        self.board.push(move)

    def _obey(self, line: str) -> None:
        commands = {
            "": lambda: None,
            "help": lambda: self._say(HELP),
            "moves": lambda: self._say(" ".join(sorted(map(self.board.san, self._legal())))),
            "board": self._show,
            "flip": self._flip,
            "fen": lambda: self._say(self.board.fen()),
            "pgn": lambda: self._say(str(self.pgn())),
            "undo": self._undo,
            "resign": self._resign,
        }
        command = commands.get(line.lower())
        if command is not None:
            command()
            return
        parsed = parse_move(line, self.board)
        if parsed.action is None:
            self._say(f"{visible(parsed.detail, 120)}; type moves for a list, help for help")
            return
        self._push(chess.Move.from_uci(parsed.action))

    def _legal(self) -> list[chess.Move]:
        return list(self.board.legal_moves)

    def _flip(self) -> None:
        self._flipped = not self._flipped
        self._show()

    def _undo(self) -> None:
        """Take back the person's last move and the answer to it."""
        if len(self.board.move_stack) < 2:
            self._say("nothing to take back")
            return
        self.board.pop()
        self.board.pop()
        self._show()

    def _resign(self) -> None:
        self.result = "0-1" if self._colour == chess.WHITE else "1-0"
        self._end = "normal"
        self._say(f"{self.result}: you resigned")

    def _show(self) -> None:
        self._say(self._draw(self.board, self._flipped))

    @staticmethod
    def _name(colour: chess.Color) -> str:
        return "White" if colour == chess.WHITE else "Black"
