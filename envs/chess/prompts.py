"""How a chess position is put to a language model: five prompt styles."""

from __future__ import annotations

from typing import Literal, get_args

import chess

from envs.chess.examples import examples
from envs.chess.position import board_of
from envs.errors import InputError
from envs.task import Prompt, Task

Style = Literal["fen_legal", "fen_captures", "pgn", "fen", "chat"]
"""`fen_legal`: FEN and the legal moves; `fen_captures`: these and what each capture takes; `pgn`:
the game so far, to be continued (blind chess); `fen`: the FEN alone; `chat`: an instruction, FEN
and legal moves for a chat template."""
STYLES: tuple[Style, ...] = get_args(Style)

Notation = Literal["san", "uci"]
"""Notation of listed legal moves; `pgn` is always SAN, `fen` lists none."""


def legal_moves(board: chess.Board, notation: Notation) -> list[str]:
    """Return all legal moves of `board` in `notation`, sorted as text."""
    if notation == "san":
        return sorted(board.san(move) for move in board.legal_moves)
    return sorted(move.uci() for move in board.legal_moves)


def captures(board: chess.Board, notation: Notation) -> str:
    """Return what each legal capture takes: "queen exd5, pawn Bxf7 (defended)", else "none".

    The most valuable first, then sorted as text. "(defended)": an enemy piece attacks the square
    after the capture, pinned or not. Rules alone; no engine and no counting of exchanges.
    """
    found = []
    for move in board.generate_legal_captures():
        taken = board.piece_type_at(move.to_square) or chess.PAWN
        text = board.san(move) if notation == "san" else move.uci()
        board.push(move)
        defended = board.is_attacked_by(board.turn, move.to_square)
        board.pop()
        note = " (defended)" if defended else ""
        found.append((-taken, f"{chess.piece_name(taken)} {text}{note}"))
    return ", ".join(text for _, text in sorted(found)) or "none"


def pgn_text(board: chess.Board) -> str:
    """Return the game so far as PGN up to where the next move belongs, with no trailing space.

    White to move ends in the move number ("1. e4 e5 2."), Black to move in White's move
    ("1. e4 e5 2. Nf3"). A game that did not begin at the standard position gets the SetUp and FEN
    tags (PGN standard, 9.7) and, where Black is first, the number with three dots ("12...").
    """
    replay = board.root()
    header = ""
    if replay.fen() != chess.STARTING_FEN:
        header = f'[SetUp "1"]\n[FEN "{replay.fen()}"]\n\n'
    words = [] if replay.turn == chess.WHITE else [f"{replay.fullmove_number}..."]
    for move in board.move_stack:
        if replay.turn == chess.WHITE:
            words.append(f"{replay.fullmove_number}.")
        words.append(replay.san_and_push(move))
    if replay.turn == chess.WHITE:
        words.append(f"{replay.fullmove_number}.")
    return header + " ".join(words)


def _chat_text(board: chess.Board, notation: Notation) -> str:
    side = "White" if board.turn == chess.WHITE else "Black"
    name = "SAN" if notation == "san" else "UCI"
    return (
        f"You play {side} in a game of chess. Choose the best move in this position.\n"
        f"FEN: {board.fen()}\n"
        f"Legal moves ({name}): {' '.join(legal_moves(board, notation))}\n"
        "Answer with exactly one move from the list and nothing else."
    )


def render(task: Task, style: Style, notation: Notation, max_tokens: int, shots: int = 0) -> Prompt:
    """Return the prompt for a chess task; the completion may have up to `max_tokens` tokens.

    `shots` solved positions in the same style stand before it. Plain-text styles end without a
    space, since a model's own token begins with one.

    Raises InputError for an unknown style or notation, a task that is no chess position, a
    position without legal moves, and more shots than there are examples.
    """
    if style not in STYLES:
        raise InputError(f"prompt style {style!r} is unknown; use one of {list(STYLES)}")
    if notation not in get_args(Notation):
        raise InputError(f"notation {notation!r} is unknown; use one of {list(get_args(Notation))}")
    board = board_of(task)
    if not any(board.legal_moves):
        raise InputError(f"task {task.id}: no legal move in {board.fen()!r}; leave it out")
    shown = examples()[:shots]
    if len(shown) < shots:
        raise InputError(f"chess.shots={shots}: there are {len(shown)} examples; give fewer")
    solved = [(_text(b, style, notation), _answer(b, move, style, notation)) for b, move in shown]
    asked = _text(board, style, notation)
    if style == "chat":
        turns = [
            turn for text, answer in solved for turn in (("user", text), ("assistant", answer))
        ]
        messages = [{"role": role, "content": text} for role, text in (*turns, ("user", asked))]
        return Prompt(text=None, messages=tuple(messages), stop="eos", max_tokens=max_tokens)
    before = "".join(f"{text} {answer}\n\n" for text, answer in solved)
    return Prompt(text=before + asked, messages=None, stop="word", max_tokens=max_tokens)


def _text(board: chess.Board, style: Style, notation: Notation) -> str:
    """Return what is asked of one position, up to where the move belongs."""
    if style == "chat":
        return _chat_text(board, notation)
    if style == "pgn":
        return pgn_text(board)
    if style == "fen":
        return f"Position: {board.fen()}\nBest move:"
    listed = " ".join(legal_moves(board, notation))
    facts = f"Captures: {captures(board, notation)}\n" if style == "fen_captures" else ""
    return f"Position: {board.fen()}\nLegal moves: {listed}\n{facts}Best move:"


def _answer(board: chess.Board, move: chess.Move, style: Style, notation: Notation) -> str:
    return board.san(move) if style == "pgn" or notation == "san" else move.uci()
