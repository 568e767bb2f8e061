"""A policy as a UCI engine: what `selfplay uci` says to a chess GUI.

It follows the protocol of Stefan Meyer-Kahlen (UCI, April 2006): `isready` is answered while it
thinks, every `go` gets exactly one `bestmove`, and after `go infinite` or `go ponder` not before
`stop` or `ponderhit`. What it sends is a legal move, or `(none)`.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TextIO

import chess

import selfplay
from envs.errors import InputError
from rewards.chess.engine import EngineError
from selfplay.display.text import visible
from selfplay.league.anchors import retried
from selfplay.league.player import Choice, Turn, turn_seed
from selfplay.league.policy import PolicyPlayer
from selfplay.league.roster import EngineRoom
from selfplay.league.uci_words import Go, parse_go, parse_option, parse_position

FALLBACKS = ("random", "engine", "none")
"""What is played when no answer was legal: a random move, the engine's best, or nothing."""
MAX_SEED = 2**31 - 1
MAX_TRIES = 1000
QUIT_S = 20.0
"""How long the answer under way may take to end at `quit`."""


class UciServer:
    """One policy behind UCI. `serve` reads commands until `quit` or the end of the input."""

    def __init__(
        self, player: PolicyPlayer, room: EngineRoom, output: TextIO, *, fallback: str, seed: int
    ) -> None:
        self._player, self._room, self._output = player, room, output
        self._fallback, self._seed = fallback, seed
        self._game = 0
        self._board: chess.Board | None = chess.Board()
        self._search: _Search | None = None
        self._loaded = False
        self._writing = threading.Lock()
        self._commands: dict[str, Callable[[list[str]], None]] = {
            "uci": self._introduce,
            "isready": self._ready,
            "ucinewgame": self._new_game,
            "position": self._position,
            "go": self._go,
            "stop": lambda words: self._end(stop=True),
            "ponderhit": lambda words: self._end(stop=False),
            "setoption": self._set_option,
        }

    def serve(self, lines: Iterable[str]) -> None:
        """Obey `lines`. Raises InputError where the model cannot be loaded."""
        try:
            for line in lines:
                words = line.split()
                # UCI: what is unknown is passed over, and the rest of the line tried.
                while words and words[0] not in self._commands and words[0] != "quit":
                    words = words[1:]
                if words and words[0] == "quit":
                    self._end(stop=True)
                    break
                if words:
                    self._commands[words[0]](words[1:])
        finally:
            search, self._search = self._search, None
            if search is not None:
                search.release.set()
                search.thread.join(QUIT_S)

    def _introduce(self, words: list[str]) -> None:
        manner = self._player.manner
        self._say(
            f"id name selfplay {selfplay.__version__} {visible(self._player.name, 80)}",
            "id author the selfplay authors",
            f"option name Temperature type string default {manner.temperature:g}",
            f"option name RetryTemperature type string default {manner.retry_temperature:g}",
            f"option name Tries type spin default {manner.tries} min 1 max {MAX_TRIES}",
            f"option name Fallback type combo default {self._fallback} "
            + " ".join(f"var {word}" for word in FALLBACKS),
            f"option name Seed type spin default {self._seed} min 0 max {MAX_SEED}",
            "uciok",
        )

    def _ready(self, words: list[str]) -> None:
        if not self._loaded and not self._busy():
            self._player.load()
            self._loaded = True
        self._say("readyok")

    def _new_game(self, words: list[str]) -> None:
        self._game += 1

    def _position(self, words: list[str]) -> None:
        try:
            self._board = parse_position(words)
        except InputError as error:
            self._board = None
            self._info(str(error))

    def _set_option(self, words: list[str]) -> None:
        try:
            self._change(*parse_option(words))
        except (InputError, ValueError) as error:
            self._info(f"setoption: {error}")

    def _change(self, name: str, value: str) -> None:
        manner = self._player.manner
        if name in ("temperature", "retrytemperature"):
            number = float(value)
            retry = name == "retrytemperature"
            if not (0 < number <= 100 or (number == 0 and not retry)):
                raise ValueError(f"{name} {value} is out of range")
            self._player.manner = (
                replace(manner, retry_temperature=number)
                if retry
                else replace(manner, temperature=number)
            )
        elif name == "tries":
            if not 1 <= int(value) <= MAX_TRIES:
                raise ValueError(f"{name} {value} is out of range")
            self._player.manner = replace(manner, tries=int(value))
        elif name == "fallback":
            if value.lower() not in FALLBACKS:
                raise ValueError(f"{name} {value} is none of {', '.join(FALLBACKS)}")
            self._fallback = value.lower()
        elif name == "seed":
            if not 0 <= int(value) <= MAX_SEED:
                raise ValueError(f"{name} {value} is out of range")
            self._seed = int(value)
        else:
            raise ValueError(f"no option {name}")

    def _go(self, words: list[str]) -> None:
        self._end(stop=True)
        if self._search is not None:
            self._search.thread.join()
        board = None if self._board is None else self._board.copy()
        search = self._search = _Search(parse_go(words, board))
        search.thread = threading.Thread(
            target=self._think, args=(search, board), name="uci search", daemon=True
        )
        search.thread.start()

    def _busy(self) -> bool:
        return self._search is not None and self._search.thread.is_alive()

    def _end(self, *, stop: bool) -> None:
        """Let the held answer go; `stop` also begins no further try."""
        if self._search is not None:
            if stop:
                self._search.stop.set()
            self._search.release.set()

    def _think(self, search: _Search, board: chess.Board | None) -> None:
        move = None if board is None else self._move(search, board)
        if search.go.hold:
            search.release.wait()
        self._say(f"bestmove {'(none)' if move is None else move.uci()}")

    def _move(self, search: _Search, board: chess.Board) -> chess.Move | None:
        legal = list(board.legal_moves)
        if not legal:
            return None
        seed = turn_seed(self._seed, self._game, 0, len(board.move_stack))
        begun = time.monotonic()
        budget = search.go.budget_s

        def go_on() -> bool:
            late = budget is not None and time.monotonic() - begun >= budget
            return not late and not search.stop.is_set()

        only = search.go.only
        try:
            (choice,) = self._player.choose([Turn(board, seed)], only=only, go_on=go_on)
            self._loaded = True
        except Exception as error:
            # A GUI waits for a move whatever happens here, and gets a message.
            choice = Choice(None, 0, "no answer", str(error))
        move = choice.move
        if move is None:
            self._info(
                f"no legal answer in {choice.tries} tries ({choice.fault}: {choice.detail}); "
                f"fallback {self._fallback}"
            )
            allowed = [m for m in legal if only is None or m in only]
            move = self._fall_back(board, allowed, seed)
        if move is not None:
            spent = round(1000 * (time.monotonic() - begun))
            self._say(f"info depth 1 nodes {choice.tries} time {spent} pv {move.uci()}")
        return move

    def _fall_back(
        self, board: chess.Board, allowed: list[chess.Move], seed: int
    ) -> chess.Move | None:
        if self._fallback == "none":
            return None
        if self._fallback == "engine":
            try:
                scores = retried(self._room.scorer(), board).moves
                return max(allowed, key=lambda move: scores[move.uci()].strength)
            except (EngineError, InputError) as error:
                self._info(str(error))
        return random.Random(seed).choice(allowed)

    def _info(self, text: str) -> None:
        self._say(f"info string {visible(text, 400)}")

    def _say(self, *lines: str) -> None:
        # A GUI that has ended reads nothing; the end of the input follows.
        with self._writing, contextlib.suppress(BrokenPipeError):
            self._output.write("".join(f"{line}\n" for line in lines))
            self._output.flush()


class _Search:
    """A `go` under way."""

    def __init__(self, go: Go) -> None:
        self.go = go
        self.stop = threading.Event()
        self.release = threading.Event()
        self.thread = threading.Thread()
