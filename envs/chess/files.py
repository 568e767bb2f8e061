"""Positions from files: Lichess puzzles (CSV), EPD and PGN."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import chess
import chess.pgn

from envs.chess.pgn_file import games_of_file, is_pgn, parse_game
from envs.chess.position import (
    board_of,
    make_task,
    parse_fen,
    play,
    position_key,
    quoted,
    task_from,
)
from envs.errors import InputError
from envs.task import Task
from envs.text_files import first_line, text_lines

_GAME_ADDRESS = re.compile(r"(/black|/white)?(#\d*)?$")
"""What a puzzle's GameUrl has after the game: https://lichess.org/yyznGmXs/black#34."""
_REQUIRED = ("PuzzleId", "FEN", "Moves")
_960 = re.compile(r"960|fischer", re.IGNORECASE)
_UCI = re.compile(r"[a-h][1-8][a-h][1-8]")
_COUNTERS = re.compile(r"(\d{1,5})(?:\s+(\d{1,5}))?(?=[\s;]|\Z)")
"""Counters that follow an EPD's four fields as they do in a FEN, operations after them or not."""
_OPERATION = re.compile(r'(?:[^";]|"[^"]*(?:"|\Z))+')
"""An operation of EPD, up to a semicolon that is not quoted."""
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


def load_puzzles(path: Path | str, limit: int | None = None) -> list[Puzzle]:
    """Return the puzzles of a Lichess CSV file, the first `limit` of them if that is given.

    The first line names the columns; PuzzleId, FEN and Moves must be there, other columns may be
    missing or more, and their fields empty. Without such a line the columns are those of
    PUZZLE_COLUMNS, as in Lichess's older files. Commas, semicolons or tabs separate.

    Raises InputError naming file:line for a broken row, and for a file without puzzles.
    """
    path = Path(path)
    puzzles: list[Puzzle] = []
    sign = _separator(first_line(path, "puzzle CSV"))
    reader = csv.reader(text_lines(path, "puzzle CSV"), strict=True, delimiter=sign)
    header: list[str] = []
    try:
        for row in reader:
            if limit is not None and len(puzzles) >= limit:
                break
            where = f"{path}:{reader.line_num}"
            if not header and row:
                header = _columns(row, where)
                if not header:
                    header = list(PUZZLE_COLUMNS[: len(row)])
                    header += [f"column {n}" for n in range(len(header), len(row))]
                else:
                    continue
            if row:
                puzzles.append(_puzzle(header, row, where))
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: not CSV ({error}); mend the row") from None
    if not header:
        _columns([], f"{path}:1")
    if not puzzles:
        raise InputError(f"{path}: no puzzles; give a CSV file with at least one row")
    return puzzles


def _separator(line: str) -> str:
    """Return what separates the fields of a CSV file, by its first line."""
    return max(",;\t", key=lambda sign: (line.count(sign), sign == ","))


def _columns(row: list[str], where: str) -> list[str]:
    """Return the names in a first row, nothing where it is a puzzle. Raises InputError for else."""
    names = [name.strip() for name in row]
    missing = [name for name in _REQUIRED if name not in names]
    if not missing:
        return names
    if len(row) >= len(_REQUIRED) and row[1].count("/") == 7 and _UCI.match(row[2].strip()):
        return []
    doubt = "" if "".join(row).isascii() else ", and perhaps not UTF-8"
    raise InputError(
        f"{where}: no column {', '.join(missing)}{doubt}; the first line must be "
        f"{','.join(PUZZLE_COLUMNS)}"
    )


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

    Of the operations only `hmvc` and `fmvn` (the counters) count; the counters may also stand
    after the fourth field, as in a FEN. Empty lines and lines that begin with "#" are passed over.

    Raises InputError naming file:line for a line that is no position or has no legal move.
    """
    path = Path(path)
    tasks: dict[str, Task] = {}
    for number, raw in enumerate(text_lines(path, "EPD"), start=1):
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
    counters = _COUNTERS.match(rest)
    halfmoves, fullmoves = counters.groups() if counters else (None, None)
    for operation in _OPERATION.finditer(rest, counters.end() if counters else 0):
        name, _, operand = operation[0].strip().partition(" ")
        if name in ("hmvc", "fmvn") and operand.strip().isdecimal():
            halfmoves = operand.strip() if name == "hmvc" else halfmoves
            fullmoves = operand.strip() if name == "fmvn" else fullmoves
    return " ".join([*fields[:4], halfmoves or "0", fullmoves or "1"])


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


def load_book(path: Path, plies: int | None = None) -> list[chess.Board]:
    """Return the boards of an opening book, PGN (see load_pgn_openings) or EPD by its content.

    Raises InputError as the readers do.
    """
    if path.suffix.lower() == ".pgn" or is_pgn(first_line(path, "EPD or PGN")):
        return load_pgn_openings(path, plies)
    return [board_of(task) for task in load_epd(path)]


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
    for count, text in enumerate(islice(games_of_file(path), max_games), start=1):
        where = f"{path}: game {count}"
        try:
            game = parse_game(text, variations=False)
        except ValueError as error:
            raise InputError(f"{where}: {quoted(str(error), 150)}; mend it") from None
        yield game, where


def _start(game: chess.pgn.Game, where: str) -> chess.Board:
    """Return the board that a game begins on. Raises InputError where that is not chess."""
    if game.errors:
        fault = quoted(str(game.errors[0]), 150)
        raise InputError(f"{where}: {fault}; mend or remove the game")
    variant = game.headers.get("Variant", "Standard")
    if _960.search(variant):
        raise InputError(f"{where}: Chess960 ({quoted(variant, 30)}) is not supported; remove it")
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
