"""Chess positions as tasks: FEN in, FEN out, and the key that equal positions share."""

from __future__ import annotations

import re
from collections.abc import Sequence

import chess

from envs.errors import InputError
from envs.task import Task

DOMAIN = "chess"
MAX_FEN_CHARS = 120
"""The longest FEN of a legal position has under 100 characters."""


def quoted(text: object, limit: int = 90) -> str:
    """Return `text` as one quoted line of at most about `limit` characters, for error messages."""
    line = ascii(text)
    return line if len(line) <= limit else f"{line[:limit]}..."


def _faults(board: chess.Board) -> str:
    names = [flag.name for flag in board.status() if flag.name is not None]
    return ", ".join(name.lower().replace("_", " ") for name in names)


def parse_fen(text: str, where: str = "") -> chess.Board:
    """Return the board of a FEN whose position is legal chess (no Chess960).

    The counters may be missing (halfmove clock 0 and move 1 are then assumed). `where` names the
    place in the error, for example "puzzles.csv:17".

    Raises InputError, one line, if the text is no FEN or the position cannot stand on a board.
    """
    prefix = f"{where}: " if where else ""
    advice = "give a FEN such as 'rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq - 0 1'"
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_FEN_CHARS:
        raise InputError(f"{prefix}{quoted(text)} is not a FEN; {advice}")
    if not text.isascii():
        raise InputError(f"{prefix}FEN {quoted(text)} has characters outside ASCII; {advice}")
    try:
        board = chess.Board(text)
    except ValueError as error:
        raise InputError(f"{prefix}FEN {quoted(text)} cannot be read ({error}); {advice}") from None
    if re.fullmatch(r"[A-Ha-h]+", text.split()[2] if len(text.split()) > 2 else ""):
        raise InputError(
            f"{prefix}FEN {quoted(text)} has castling rights of Chess960, which is not supported; "
            "leave it out"
        )
    if not board.is_valid():
        raise InputError(
            f"{prefix}FEN {quoted(text)} is not a legal position ({_faults(board)}); "
            "correct it or leave it out"
        )
    return board


def position_key(board: chess.Board) -> str:
    """Return what makes positions equal: placement, turn, castling rights, legal en-passant square.

    The counters are left out, and so is an en-passant square on which no pawn may capture, as in
    the rule of threefold repetition (FIDE Laws of Chess, 9.2.3).
    """
    return board.epd()


def task_key(task: Task) -> str:
    """Return the `position_key` of a task made by `make_task`, without setting up its board."""
    return " ".join(str(task.payload["fen"]).split()[:4])


def task_from(board: chess.Board, start_fen: str, moves: Sequence[str]) -> Task:
    """Return the task of `board`, whose move stack (from `start_fen`) the caller has in UCI."""
    payload = {"fen": board.fen(), "start_fen": start_fen, "moves": list(moves)}
    return Task.make(DOMAIN, payload)


def make_task(board: chess.Board) -> Task:
    """Return the task "find a move on this board"; the move stack becomes its history.

    The payload is {"fen", "start_fen": FEN where the move stack begins, "moves": [UCI, ...]}.
    """
    return task_from(board, board.root().fen(), [move.uci() for move in board.move_stack])


def board_of(task: Task) -> chess.Board:
    """Return the board of a task with its move stack.

    "start_fen" and "moves" may be missing; the position then has no history.

    Raises InputError if the task is not chess, a FEN is not a legal position, a move is not legal,
    or the moves do not lead to the FEN.
    """
    where = f"task {task.id}"
    if task.domain != DOMAIN:
        raise InputError(f"{where}: domain {quoted(task.domain)} is not chess; pass chess tasks")
    fen = task.payload.get("fen")
    if not isinstance(fen, str):
        raise InputError(f"{where}: payload key 'fen' is missing or no text; give the FEN")
    goal = parse_fen(fen, where)
    moves = task.payload.get("moves") or []
    if not isinstance(moves, list):
        raise InputError(f"{where}: payload key 'moves' is no list; give UCI moves, e.g. ['e2e4']")
    start_fen = task.payload.get("start_fen")
    if start_fen is None:
        start_fen = chess.STARTING_FEN if moves else fen
    board = parse_fen(start_fen, f"{where}, start_fen")
    play(board, moves, where)
    if board.fen() != goal.fen():
        raise InputError(
            f"{where}: the moves lead to {board.fen()!r}, not to the FEN {goal.fen()!r}; "
            "correct the moves or leave 'moves' and 'start_fen' out"
        )
    return board


def play(board: chess.Board, moves: Sequence[object], where: str) -> None:
    """Play UCI `moves` on `board`; raises InputError, naming `where`, at the first illegal one."""
    for number, text in enumerate(moves, start=1):
        try:
            move = chess.Move.from_uci(text) if isinstance(text, str) else chess.Move.null()
        except ValueError:
            move = chess.Move.null()
        if not move or not board.is_legal(move):
            raise InputError(
                f"{where}: move {number}, {quoted(text, 20)}, is not a legal UCI move in "
                f"{board.fen()!r}; correct the move list"
            )
        board.push(move)
