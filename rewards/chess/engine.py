"""A UCI engine that scores every legal move of a position, repeatably and under a deadline."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import chess

from envs.errors import InputError
from rewards.chess.handshake import (
    Deadlines,
    PhaseTimeout,
    new_game,
    phase,
    refusal,
    start_engine,
)
from rewards.chess.process import LineProcess, ProcessEndedError, RubbishError
from rewards.chess.scores import MoveScore, PositionScores
from rewards.chess.uci import DepthTable, RawScore
from rewards.closing import Closes

FALLBACK = Path("/usr/games/stockfish")
"""Where Debian and Ubuntu put Stockfish, which is not on everybody's PATH."""
_MEND = "run `apt-get install stockfish` or set `engine.path=/path/to/engine`"
_hashes: dict[tuple[str, int, int], str] = {}


class EngineError(RuntimeError):
    """The engine hung, died or talked nonsense in mid-run: our failure, not the model's."""


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """What decides an engine's scores: name, sha256 of the executable and the options set.

    For a script that starts an engine the hash is the script's: name and net then distinguish
    versions. `options` also holds the default of `EvalFile`, the name of the net.
    """

    name: str
    sha256: str
    options: dict[str, str]


def find_engine(path: Path | None) -> Path:
    """Return the engine's executable: `path`, else `stockfish` on PATH, else FALLBACK.

    A `path` that is a bare name and no file here is looked up on PATH too. Raises InputError when
    it is missing or cannot be executed.
    """
    if path is None:
        found = shutil.which("stockfish")
        path = Path(found) if found else FALLBACK
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise InputError(f"no chess engine: no stockfish on PATH nor {FALLBACK}; {_MEND}")
        return path
    path = path.expanduser()
    named = shutil.which(path.name) if len(path.parts) == 1 and not path.exists() else None
    path = Path(named) if named else path
    if not path.exists():
        raise InputError(f"engine.path={path}: no such file; {_MEND}")
    if not path.is_file():
        raise InputError(f"engine.path={path}: not a file; {_MEND}")
    if not os.access(path, os.X_OK):
        raise InputError(f"engine.path={path}: not executable; run `chmod +x {path}` or {_MEND}")
    return path.absolute()


def binary_sha256(path: Path) -> str:
    """Return the hex sha256 of a file, read once per path, change time and size."""
    stat = path.stat()
    key = (str(path.resolve()), stat.st_mtime_ns, stat.st_size)
    if key not in _hashes:
        with path.open("rb") as file:
            _hashes[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _hashes[key]


class Engine(Closes):
    """One engine process with Threads=1, fixed Hash and fixed nodes: same board, same scores.

    The process starts at once and is replaced on the next call after it hung or died. Calls from
    several threads take turns; `close` may come from any thread at any time.
    """

    def __init__(
        self,
        path: Path,
        *,
        nodes: int,
        hash_mb: int = 16,
        deadline_s: float = 20.0,
        limits: Deadlines | None = None,
    ) -> None:
        """Start the engine at `path` (see `find_engine`).

        `nodes` per position, `hash_mb` MiB, `deadline_s` seconds of wall clock for each
        search, and `limits` for what comes before it.
        Raises InputError when `path` is no UCI engine that can score several moves (MultiPV).
        """
        if nodes < 1 or hash_mb < 1 or not deadline_s > 0:
            raise InputError(
                f"engine.nodes={nodes}, engine.hash_mb={hash_mb}, engine.deadline_s={deadline_s}: "
                "each must be above 0"
            )
        self.path, self.nodes, self.hash_mb, self.deadline_s = path, nodes, hash_mb, deadline_s
        self._lock = threading.Lock()
        self._closed = False
        self._process: LineProcess | None = None
        self._multipv = 0
        self._searched_s = 0.0
        self._limits = limits or Deadlines()
        try:
            sha256 = binary_sha256(path)
            name, net = self._start()
        except (OSError, ProcessEndedError, RubbishError) as error:
            raise InputError(f"engine.path={path}: {refusal(error)}; {_MEND}") from error
        options = {"Threads": "1", "Hash": str(hash_mb), "MultiPV": "all", "EvalFile": net}
        self.identity = EngineIdentity(name, sha256, options)

    @property
    def pid(self) -> int | None:
        """Process id of the running engine; None while there is none."""
        process = self._process
        return process.pid if process is not None and process.alive else None

    def close(self) -> None:
        """Kill and reap the engine; a call under way in another thread fails with EngineError."""
        self._closed = True
        process = self._process
        if process is not None:
            process.interrupt()
        with self._lock:
            self._drop()

    def score_moves(self, board: chess.Board) -> PositionScores:
        """Return the scores of all legal moves, for the side to move.

        They are those of the last depth that `nodes` completed for every move, or of depth 1
        where they did not suffice for that.

        Raises InputError for a board that is invalid, finished or Chess960, and EngineError when
        no answer came in a phase's time or the engine died; the process has been killed by then.
        """
        fen, legal = _checked(board)
        with self._lock:
            if self._closed:
                raise EngineError(f"engine {self.path} is closed; asked for FEN {fen}")
            try:
                if self._process is not None and not self._process.alive:
                    self._drop()
                if self._process is None:
                    self._start()
                return self._score(fen, legal)
            except PhaseTimeout as error:
                self._drop()
                raise self._failure(fen, f"gave no answer in time: {error};") from error
            except (OSError, ProcessEndedError, RubbishError) as error:
                self._drop()
                raise self._failure(fen, str(error)) from error
            except BaseException:
                self._drop()  # Interrupted in mid-search: the next answer would be this one's.
                raise

    def _failure(self, fen: str, fault: str) -> EngineError:
        return EngineError(
            f"engine {self.identity.name} ({self.path}) {fault} on FEN {fen} (deadline "
            f"{self.deadline_s:g} s); it was killed, the next call starts a new one"
        )

    def _drop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()

    def _start(self) -> tuple[str, str]:
        """Start a process and introduce ourselves; return its name and its net's."""
        self._multipv = 0
        try:
            name, options = start_engine(self.path, self._limits, self._begun, self._settings)
        except BaseException:
            self._drop()
            raise
        return name, options.get("EvalFile", "")

    def _begun(self, process: LineProcess) -> None:
        self._process = process
        if self._closed:
            raise ProcessEndedError("was closed")

    def _settings(self, have: Mapping[str, str]) -> dict[str, str]:
        if "MultiPV" not in have:
            raise RubbishError("it has no MultiPV option")
        fixed = {"Threads": "1", "Hash": str(self.hash_mb)}
        return {name: value for name, value in fixed.items() if name in have}

    def _score(self, fen: str, legal: list[str]) -> PositionScores:
        self._searched_s = 0.0
        table = self._search(fen, legal, f"nodes {self.nodes}")
        if not table.depth:
            # Scores of unlike depths do not compare, so a depth 1 that the nodes did not suffice
            # for is finished: in wild positions it takes a few thousand.
            table = self._search(fen, legal, "depth 1")
        if table.depth:
            return _position(legal, table.scores, table.depth, table.nodes)
        # An engine that cannot show all lines at one depth searches each move on its own.
        scores: dict[str, RawScore] = {}
        nodes = 0
        for uci in legal:
            limit = f"nodes {self.nodes} searchmoves {uci}"
            alone = self._search(fen, [uci], limit)
            if not alone.depth:
                raise RubbishError(f"gave no score for {uci}")
            scores[uci] = alone.scores[uci]
            nodes += alone.nodes
        return _position(legal, scores, 0, nodes)

    def _search(self, fen: str, moves: list[str], limit: str) -> DepthTable:
        """Search once; all searches of a position share its `deadline_s`."""
        process = self._process
        assert process is not None
        multipv = ""
        if self._multipv != len(moves):
            multipv = f"setoption name MultiPV value {len(moves)}\n"
            self._multipv = len(moves)
        new_game(process, self._limits, multipv)
        table = DepthTable(moves)
        with phase("move", self.deadline_s) as until:
            deadline, start = until - self._searched_s, time.monotonic()
            process.send(f"position fen {fen}\ngo {limit}\n")
            while not (line := process.read_line(deadline)).startswith(b"bestmove"):
                table.add(line)
            self._searched_s += time.monotonic() - start
        return table


def _checked(board: chess.Board) -> tuple[str, list[str]]:
    fen = board.fen()
    if not board.is_valid():
        raise InputError(f"FEN {fen}: not a valid position ({board.status()!s}); correct it")
    if board.chess960 or type(board).uci_variant != "chess":
        raise InputError(f"FEN {fen}: only standard chess is scored; pass a plain chess.Board")
    legal = [move.uci() for move in board.legal_moves]
    if not legal:
        raise InputError(f"FEN {fen}: no legal moves, the game is over; ask before it ends")
    return fen, legal


def _position(
    legal: list[str], scores: dict[str, RawScore], depth: int, nodes: int
) -> PositionScores:
    return PositionScores({uci: MoveScore.of(*scores[uci]) for uci in legal}, depth, nodes)
