"""Prompts, letter by letter."""

from __future__ import annotations

import chess
import pytest

from envs import Task
from envs.chess.position import make_task
from envs.chess.prompts import Notation, Style, render
from envs.errors import InputError

MIDGAME = "r1bqkbnr/pppp1ppp/2n5/4p3/4P3/5N2/PPPP1PPP/RNBQKB1R w KQkq - 2 12"
ENDGAME = "8/4P1k1/8/8/8/8/8/K7 w - - 0 60"


def task_of(*moves: str, fen: str = chess.STARTING_FEN) -> Task:
    board = chess.Board(fen)
    for move in moves:
        board.push_san(move)
    return make_task(board)


def text_of(task: Task, style: Style, notation: Notation = "san") -> str:
    prompt = render(task, style, notation, 8)
    assert prompt.text is not None and prompt.messages is None
    assert (prompt.stop, prompt.max_tokens) == ("word", 8)
    assert prompt.text == prompt.text.rstrip()
    return prompt.text


def header(fen: str) -> str:
    return f'[SetUp "1"]\n[FEN "{fen}"]\n\n'


BLACK_MIDGAME = MIDGAME.replace(" w ", " b ")


@pytest.mark.parametrize(
    ("task", "text"),
    [
        (task_of(), "1."),
        (task_of("e4"), "1. e4"),
        (task_of("e4", "e5"), "1. e4 e5 2."),
        (task_of("e4", "e5", "Nf3", "Nc6"), "1. e4 e5 2. Nf3 Nc6 3."),
        (task_of("e4", "e5", "Nf3", "Nc6", "Bb5"), "1. e4 e5 2. Nf3 Nc6 3. Bb5"),
        (task_of("f3", "e5", "a3", "Qh4+"), "1. f3 e5 2. a3 Qh4+ 3."),
        (task_of(fen=MIDGAME), header(MIDGAME) + "12."),
        (task_of(fen=BLACK_MIDGAME), header(BLACK_MIDGAME) + "12..."),
        (task_of("Bb5", "a6", fen=MIDGAME), header(MIDGAME) + "12. Bb5 a6 13."),
        (task_of("Nf6", "Nc3", fen=BLACK_MIDGAME), header(BLACK_MIDGAME) + "12... Nf6 13. Nc3"),
    ],
)
def test_pgn_continues_the_game(task: Task, text: str) -> None:
    assert text_of(task, "pgn") == text
    assert text_of(task, "pgn", "uci") == text


def test_fen_legal_lists_sorted_moves_in_both_notations() -> None:
    task = task_of(fen=ENDGAME)
    assert text_of(task, "fen_legal", "san") == (
        f"Position: {ENDGAME}\nLegal moves: Ka2 Kb1 Kb2 e8=B e8=N+ e8=Q e8=R\nBest move:"
    )
    assert text_of(task, "fen_legal", "uci") == (
        f"Position: {ENDGAME}\nLegal moves: a1a2 a1b1 a1b2 e7e8b e7e8n e7e8q e7e8r\nBest move:"
    )


@pytest.mark.parametrize(
    ("fen", "notation", "listed"),
    [
        ("4k3/8/2n5/3q4/4P3/8/8/4K3 w - - 0 1", "san", "queen exd5"),
        (
            "4k3/2p5/3r4/3q3p/4P1P1/8/8/4K2R w - - 0 1",
            "san",
            "queen exd5 (defended), pawn Rxh5 (defended), pawn gxh5 (defended)",
        ),
        ("4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 1", "uci", "pawn e5d6"),
        (
            "r3k3/1P6/8/8/8/8/8/4K3 w - - 0 1",
            "uci",
            ", ".join(f"rook b7a8{to}" for to in "bnqr"),
        ),
        (ENDGAME, "san", "none"),
    ],
)
def test_fen_captures_says_what_each_takes(fen: str, notation: Notation, listed: str) -> None:
    text = text_of(task_of(fen=fen), "fen_captures", notation)
    position, moves, facts, question = text.split("\n")
    assert facts == f"Captures: {listed}"
    plain = text_of(task_of(fen=fen), "fen_legal", notation)
    assert "\n".join((position, moves, question)) == plain


def test_fen_shows_the_position_alone() -> None:
    assert text_of(task_of("e4"), "fen") == (
        "Position: rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq - 0 1\nBest move:"
    )


def test_chat_is_one_message_for_the_template() -> None:
    prompt = render(task_of(fen=ENDGAME), "chat", "uci", 64)
    assert (prompt.text, prompt.stop, prompt.max_tokens) == (None, "eos", 64)
    assert prompt.messages == (
        {
            "role": "user",
            "content": "You play White in a game of chess. Choose the best move in this position.\n"
            f"FEN: {ENDGAME}\n"
            "Legal moves (UCI): a1a2 a1b1 a1b2 e7e8b e7e8n e7e8q e7e8r\n"
            "Answer with exactly one move from the list and nothing else.",
        },
    )
    black = render(task_of("e4"), "chat", "san", 64).messages
    assert black is not None and black[0]["content"].startswith("You play Black")
    assert " Nf6 " in black[0]["content"]


def test_refusals_are_one_line() -> None:
    mated = task_of("f3", "e5", "g4", "Qh4#")
    with pytest.raises(InputError, match="no legal move"):
        render(mated, "fen", "san", 8)
    with pytest.raises(InputError, match="prompt style 'poem' is unknown"):
        render(task_of(), "poem", "san", 8)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="notation 'iccf' is unknown"):
        render(task_of(), "fen", "iccf", 8)  # type: ignore[arg-type]
