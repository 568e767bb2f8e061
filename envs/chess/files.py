"""Positions from files: Lichess puzzles (CSV), EPD and PGN."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import chess
import chess.pgn

from envs.chess.position import make_task, parse_fen, play, position_key, quoted, task_from
from envs.errors import InputError
from envs.task import Task

_GAME_ADDRESS = re.compile(r"(/black|/white)?(#\d*)?$")
"""What a puzzle's GameUrl has behind the game: https://lichess.org/yyznGmXs/black#34."""
_REQUIRED = ("PuzzleId", "FEN", "Moves")
PUZZLE_COLUMNS = (
    "PuzzleId", "FEN", "Moves", "Rating", "RatingDeviation", "Popularity", "NbPlays", "Themes",
    "GameUrl", "OpeningTags",
)  # fmt: skip
"""The columns of Lichess's puzzle file (database.lichess.org), CC0."""


@dataclass(frozen=True, slots=True)
class Puzzle:
    """A puzzle of Lichess's database.

    `fen_before` is the position before `opponent_move` (UCI); `task` asks for the answer to it.
    `solution` is the line from there in UCI: the solver's moves are `solution[0::2]`. `rating` is
    Glicko-2 Elo as Lichess gives it, or None where the field is empty. `game` is the address of the
    game that it comes from, without move and side; None where the field is empty.
    """

    id: str
    fen_before: str
    opponent_move: str
    task: Task
    solution: tuple[str, ...]
    rating: float | None
    themes: tuple[str, ...]
    game: str | None = None


@contextmanager
def _opened(path: Path, what: str) -> Iterator[TextIO]:
    """Open a text file; what goes wrong in opening or decoding becomes an InputError."""
    if path.suffix == ".zst":
        raise InputError(f"{path}: compressed; unpack it with `zstd -d {path.name}` first")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"{path}: cannot be read ({reason}); name a {what} file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason}); name a {what} file") from None


def load_puzzles(path: Path | str, limit: int | None = None) -> list[Puzzle]:
    """Return the puzzles of a Lichess CSV file, the first `limit` of them if that is given.

    The first line names the columns; PuzzleId, FEN and Moves must be there, other columns and
    their fields may be missing or empty.

    Raises InputError naming file:line for a broken row, and for a file without puzzles.
    """
    path = Path(path)
    puzzles: list[Puzzle] = []
    with _opened(path, "puzzle CSV") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = next(reader, [])
            missing = [name for name in _REQUIRED if name not in header]
            if missing:
                raise InputError(
                    f"{path}:1: no column {', '.join(missing)}; the first line must be "
                    f"{','.join(PUZZLE_COLUMNS)}"
                )
            for row in reader:
                if limit is not None and len(puzzles) >= limit:
                    break
                if row:
                    puzzles.append(_puzzle(header, row, f"{path}:{reader.line_num}"))
        except csv.Error as error:
            raise InputError(f"{path}:{reader.line_num}: not CSV ({error}); mend the row") from None
    if not puzzles:
        raise InputError(f"{path}: no puzzles; give a CSV file with at least one row")
    return puzzles


def _puzzle(header: list[str], row: list[str], where: str) -> Puzzle:
    if len(row) != len(header):
        raise InputError(
            f"{where}: {len(row)} fields under {len(header)} columns; mend or remove the row"
        )
    fields = dict(zip(header, row, strict=True))
    identity = fields["PuzzleId"].strip()
    if not identity:
        raise InputError(f"{where}: PuzzleId is empty; mend or remove the row")
    board = parse_fen(fields["FEN"], where)
    fen_before = board.fen()
    moves = fields["Moves"].split()
    if len(moves) < 2:
        raise InputError(
            f"{where}: Moves {quoted(fields['Moves'], 40)} has no solution; give the opponent's "
            "move and at least one answer"
        )
    play(board, moves[:1], where)
    task = make_task(board)
    play(board, moves[1:], f"{where}: solution")
    return Puzzle(
        id=identity,
        fen_before=fen_before,
        opponent_move=moves[0],
        task=task,
        solution=tuple(moves[1:]),
        rating=_rating(fields.get("Rating", ""), where),
        themes=tuple(fields.get("Themes", "").split()),
        game=_GAME_ADDRESS.sub("", fields.get("GameUrl", "").strip()) or None,
    )


def _rating(text: str, where: str) -> float | None:
    if not text.strip():
        return None
    try:
        rating = float(text)
    except ValueError:
        rating = math.nan
    if not math.isfinite(rating):
        raise InputError(
            f"{where}: Rating {quoted(text, 20)} is no number; give one or leave it empty"
        )
    return rating


def asked_positions(puzzle: Puzzle) -> Iterator[str]:
    """Yield the `position_key` of every position in which the solver of a puzzle is to move."""
    board = chess.Board(puzzle.task.payload["fen"])
    for number, move in enumerate(puzzle.solution):
        if number % 2 == 0:
            yield position_key(board)
        board.push_uci(move)


def is_solution(puzzle: Puzzle, move: str) -> bool:
    """Return whether a legal UCI `move` solves the puzzle's first step; any mate does.

    Source: the rule of Lichess's puzzle trainer.
    """
    if move == puzzle.solution[0]:
        return True
    board = chess.Board(puzzle.task.payload["fen"])
    board.push_uci(move)
    return board.is_checkmate()


def load_epd(path: Path | str) -> list[Task]:
    """Return one task per distinct position of an EPD file; plain FEN lines are read too.

    Of the operations only `hmvc` and `fmvn` (the counters) count. Empty lines and lines that
    begin with "#" are passed over.

    Raises InputError naming file:line for a line that is no position or has no legal move.
    """
    path = Path(path)
    tasks: dict[str, Task] = {}
    with _opened(path, "EPD") as file:
        for number, raw in enumerate(file, start=1):
            line = raw.strip()
            if not line or line.startswith("#"):
                continue
            where = f"{path}:{number}"
            board = parse_fen(_epd_fen(line, where), where)
            if not any(board.legal_moves):
                raise InputError(f"{where}: no legal move in {board.fen()!r}; remove the line")
            task = make_task(board)
            tasks.setdefault(task.id, task)
    if not tasks:
        raise InputError(f"{path}: no positions; give an EPD file with at least one line")
    return list(tasks.values())


def _epd_fen(line: str, where: str) -> str:
    fields = line.split(maxsplit=4)
    if len(fields) < 4:
        raise InputError(
            f"{where}: {quoted(line)} has {len(fields)} of EPD's 4 fields; mend or remove the line"
        )
    rest = fields[4] if len(fields) == 5 else ""
    counters = re.fullmatch(r"(\d{1,5})\s+(\d{1,5})", rest)
    if counters:
        return " ".join([*fields[:4], counters[1], counters[2]])
    halfmoves = re.search(r"\bhmvc\s+(\d{1,5})\s*;", rest)
    fullmoves = re.search(r"\bfmvn\s+(\d{1,5})\s*;", rest)
    return " ".join(
        [
            *fields[:4],
            halfmoves[1] if halfmoves else "0",
            fullmoves[1] if fullmoves else "1",
        ]
    )


class _MainLine(chess.pgn.GameBuilder[chess.pgn.Game]):
    """Reads main lines only and keeps errors to itself instead of logging them."""

    # The base of GameBuilder allows SKIP here, GameBuilder's own annotation forgets it.
    def begin_variation(self) -> chess.pgn.SkipType:  # type: ignore[override]
        return chess.pgn.SKIP

    def end_variation(self) -> None:
        """Leave nothing: no variation was entered."""

    def handle_error(self, error: Exception) -> None:
        self.game.errors.append(error)


def load_pgn(path: Path | str, max_games: int | None = None) -> list[Task]:
    """Return every distinct position with a legal move of the main lines in a PGN file.

    Positions keep their history; one that many games share with the same history is one task.
    `max_games` reads only the first games.

    Raises InputError naming file and game for an illegal move, a FEN that is no position or a
    chess variant, and for a file without positions.
    """
    tasks: dict[str, Task] = {}
    for game, where in _games(Path(path), max_games):
        for task in _game_tasks(game, where):
            tasks.setdefault(task.id, task)
    if not tasks:
        raise InputError(f"{path}: no positions; give a PGN file with at least one game")
    return list(tasks.values())


def load_pgn_openings(path: Path | str, plies: int | None = None) -> list[chess.Board]:
    """Return the board at the end of each game's main line, or after `plies` plies, history kept.

    Raises InputError as load_pgn does, and for a game that leaves no legal move there.
    """
    boards = []
    for game, where in _games(Path(path), None):
        board = _start(game, where)
        for move in list(game.mainline_moves())[:plies]:
            _push(board, move, where)
        if board.is_game_over():
            raise InputError(f"{where}: the game is over there; take fewer plies or remove it")
        boards.append(board)
    if not boards:
        raise InputError(f"{path}: no games; give a PGN file with at least one")
    return boards


def _games(path: Path, max_games: int | None) -> Iterator[tuple[chess.pgn.Game, str]]:
    """Yield the games of a file and where each stands, for error messages."""
    count = 0
    with _opened(path, "PGN") as file:
        while max_games is None or count < max_games:
            try:
                game = chess.pgn.read_game(file, Visitor=_MainLine)
            except UnicodeDecodeError:
                raise
            except ValueError as error:
                fault = quoted(str(error), 150)
                raise InputError(f"{path}: game {count + 1}: {fault}; mend it") from None
            if game is None:
                return
            count += 1
            yield game, f"{path}: game {count}"


def _start(game: chess.pgn.Game, where: str) -> chess.Board:
    """Return the board that a game begins on. Raises InputError where that is not chess."""
    if game.errors:
        fault = quoted(str(game.errors[0]), 150)
        raise InputError(f"{where}: {fault}; mend or remove the game")
    variant = game.headers.get("Variant", "Standard")
    if variant.lower() not in ("standard", "from position", "chess", "normal"):
        raise InputError(f"{where}: variant {quoted(variant, 30)} is not standard chess; remove it")
    board = game.board()
    if not board.is_valid():
        raise InputError(f"{where}: FEN {quoted(board.fen())} is not a legal position; remove it")
    return board


def _push(board: chess.Board, move: chess.Move, where: str) -> None:
    if not move:
        raise InputError(f"{where}: null move after {len(board.move_stack)} plies; remove the game")
    board.push(move)


def _game_tasks(game: chess.pgn.Game, where: str) -> Iterator[Task]:
    board = _start(game, where)
    start_fen = board.fen()
    moves: list[str] = []
    for move in game.mainline_moves():
        if move:
            yield task_from(board, start_fen, moves)
        _push(board, move, where)
        moves.append(move.uci())
    if moves and any(board.legal_moves):
        yield task_from(board, start_fen, moves)
