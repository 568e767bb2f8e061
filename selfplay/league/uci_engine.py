"""A UCI engine that plays: one process, a new game for every move, every wait with a deadline."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

import chess

from envs.errors import InputError
from rewards.chess.engine import EngineError, binary_sha256
from rewards.chess.handshake import Deadlines, new_game, phase, refusal, start_engine
from rewards.chess.process import LineProcess, ProcessEndedError, RubbishError
from selfplay.league.player import Choice, Player, Turn

_BROKEN = (OSError, ProcessEndedError, RubbishError)
"""What a process that hangs (TimeoutError is an OSError), died or talks nonsense raises."""


class MoveEngine:
    """Asks one engine process for moves; it is replaced on the next call after it failed.

    Each move begins with `ucinewgame`: many games take turns on one process, and what it
    remembers of one must not play in another.
    """

    def __init__(
        self,
        path: Path,
        *,
        limit: str,
        options: Mapping[str, str],
        usual: Mapping[str, str],
        deadline_s: float,
        limits: Deadlines,
    ) -> None:
        """Start the engine at `path`.

        Args:
            path: its executable.
            limit: what follows `go`, such as "nodes 5000".
            options: UCI options that it must have.
            usual: options that are set where it has them.
            deadline_s: seconds of wall clock for one move.
            limits: seconds for each phase before it.

        Raises:
            InputError: it is no UCI engine, or has none of that option.
        """
        self.path, self.limit = path, limit
        self._deadline_s = deadline_s
        self._limits = limits
        self._wanted = dict(options)
        self._usual = dict(usual)
        self._process: LineProcess | None = None
        try:
            self.sha256 = binary_sha256(path)
            self._start()
        except _BROKEN as error:
            raise InputError(f"{path}: {refusal(error)}; give the path of one that is") from error

    def answer(self, board: chess.Board) -> str:
        """Return the word after `bestmove`, whatever it is.

        Raises EngineError when no answer came in time or the engine died; it has been killed by
        then.
        """
        try:
            if self._process is None or not self._process.alive:
                self.close()
                self._start()
            process = self._process
            assert process is not None
            new_game(process, self._limits)
            with phase("move", self._deadline_s) as deadline:
                process.send(f"{position_line(board)}\ngo {self.limit}\n")
                while not (line := process.read_line(deadline)).startswith(b"bestmove"):
                    continue
        except _BROKEN as error:
            self.close()
            late = isinstance(error, TimeoutError)
            fault = f"gave no answer in time ({error})" if late else str(error)
            raise EngineError(f"engine {self.path} {fault} on FEN {board.fen()}") from error
        except BaseException:
            self.close()  # Interrupted in mid-search: the next answer would be this one's.
            raise
        words = line.decode("utf-8", "replace").split()
        return words[1] if len(words) > 1 else ""

    def close(self) -> None:
        """Kill and reap the process; the next move would start another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()

    def _start(self) -> None:
        try:
            name, _ = start_engine(self.path, self._limits, self._begun, self._settings)
        except BaseException:
            self.close()
            raise
        self.engine_name = name

    def _begun(self, process: LineProcess) -> None:
        self._process = process

    def _settings(self, have: Mapping[str, str]) -> dict[str, str]:
        """Return the options to set, by the engine's own spelling."""
        spelt = {name.lower(): name for name in have}
        found = {spelt[k.lower()]: v for k, v in self._usual.items() if k.lower() in spelt}
        for key, value in self._wanted.items():
            if key.lower() not in spelt:
                near = difflib.get_close_matches(key.lower(), spelt, n=1)
                hint = f"did you mean {spelt[near[0]]}?" if near else "leave it out"
                raise InputError(f"{self.path}: the engine has no option {key}; {hint}")
            found[spelt[key.lower()]] = value
        return found


def position_line(board: chess.Board) -> str:
    """Return the UCI `position` command of a board with its history."""
    root = board.root().fen()
    start = "startpos" if root == chess.STARTING_FEN else f"fen {root}"
    moves = " ".join(move.uci() for move in board.move_stack)
    return f"position {start} moves {moves}" if moves else f"position {start}"


class UciPlayer(Player):
    """A UCI engine as a player.

    An engine that fails is asked once more by a new process. When that fails too, a player that
    `forfeits` has given no answer; for any other EngineError ends the match, which can be resumed.
    """

    def __init__(
        self, name: str, engine: MoveEngine, *, settings: str, repeatable: bool, forfeits: bool
    ) -> None:
        self.name = name
        self.version = f"{engine.engine_name} {engine.sha256[:12]}"
        self.settings = settings
        self.repeatable = repeatable
        self._engine = engine
        self._forfeits = forfeits

    def choose(self, turns: Sequence[Turn]) -> list[Choice]:
        """Ask the engine move by move. The seeds are of no use: engines draw as they please."""
        return [self._choose(turn.board) for turn in turns]

    def close(self) -> None:
        """Kill the engine."""
        self._engine.close()

    def _choose(self, board: chess.Board) -> Choice:
        try:
            word = self._answer(board)
        except EngineError as error:
            if not self._forfeits:
                raise
            return Choice(None, 1, "no answer", str(error))
        try:
            move = chess.Move.from_uci(word.lower())
        except ValueError:
            return Choice(None, 1, "unparsable", word)
        if not move or not board.is_legal(move):
            return Choice(None, 1, "illegal", f"{word} is not legal here")
        return Choice(move)

    def _answer(self, board: chess.Board) -> str:
        try:
            return self._engine.answer(board)
        except EngineError:
            return self._engine.answer(board)
