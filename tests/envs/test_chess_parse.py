"""Reading moves: a table of how people write, and properties against python-chess as oracle."""

from __future__ import annotations

import random
import time
from functools import cache

import chess
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.chess.openings import random_walk
from envs.chess.parse import MAX_CHARS, parse_move

START = chess.STARTING_FEN
OPEN = "r1bqkbnr/pppp1ppp/2n5/4p3/4P3/5N2/PPPP1PPP/RNBQKB1R w KQkq - 2 3"
BLACK = "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq - 0 1"
PROMOTE = "3q2k1/4P3/8/8/8/8/8/4K3 w - - 0 1"
CASTLE = "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1"
EN_PASSANT = "rnbqkbnr/ppp1p1pp/8/3pPp2/8/8/PPPP1PPP/RNBQKBNR w KQkq d6 0 3"
BISHOP_OR_PAWN = "4k3/8/8/8/8/2p5/1P1B4/4K3 w - - 0 1"
TWO_KNIGHTS = "4k3/8/8/8/8/5N2/8/1N2K3 w - - 0 1"
THREE_QUEENS = "7k/8/8/8/4Q2Q/8/8/K6Q w - - 0 1"
PINNED = "4r1k1/8/8/8/8/2N5/4N3/4K3 w - - 0 1"

LEGAL = [
    (START, "e4", "e2e4"),
    (START, " e4", "e2e4"),
    (START, "1. Nf3", "g1f3"),
    (START, "1.Nf3", "g1f3"),
    (START, "12. Nf3", "g1f3"),
    (START, "12 Nf3", "g1f3"),
    (START, "1e4", "e2e4"),
    (BLACK, "12...Nf6", "g8f6"),
    (BLACK, "12... Nf6", "g8f6"),
    (BLACK, "12. ... Nf6", "g8f6"),
    (BLACK, "12…Nf6", "g8f6"),
    (START, "Nf3!", "g1f3"),
    (START, "Nf3!?", "g1f3"),
    (START, "Nf3.", "g1f3"),
    (START, "Nf3+", "g1f3"),
    (START, "**Nf3**", "g1f3"),
    (START, "_Nf3_", "g1f3"),
    (START, "`e2e4`", "e2e4"),
    (START, "(Nf3)", "g1f3"),
    (START, "nf3", "g1f3"),
    (START, "♘f3", "g1f3"),
    (BLACK, "♞\ufe0ef6", "g8f6"),
    (START, "♙e4", "e2e4"),
    (START, "e2-e4", "e2e4"),
    (START, "e2–e4", "e2e4"),
    (START, "E2E4", "e2e4"),
    (START, "Ng1-f3", "g1f3"),
    (START, "Ng1f3", "g1f3"),
    (START, "Ngf3", "g1f3"),
    (START, "N1f3", "g1f3"),
    (START, "<move>e4</move>", "e2e4"),
    (START, '{"move": "e4"}', "e2e4"),
    (START, "The best move is Nf3 because e5 hangs.", "g1f3"),
    (START, "e4 e5 2. Nf3", "e2e4"),
    (START, "e4, then Nf3", "e2e4"),
    (OPEN, "Nxe5", "f3e5"),
    (OPEN, "N×e5", "f3e5"),
    (OPEN, "Bb5", "f1b5"),
    (PROMOTE, "e7e8=Q", "e7e8q"),
    (PROMOTE, "e7e8Q", "e7e8q"),
    (PROMOTE, "e7e8q", "e7e8q"),
    (PROMOTE, "E7E8Q", "e7e8q"),
    (PROMOTE, "e8=N", "e7e8n"),
    (PROMOTE, "e8Q+", "e7e8q"),
    (PROMOTE, "e8(R)", "e7e8r"),
    (PROMOTE, "e8/B", "e7e8b"),
    (PROMOTE, "e7e8b", "e7e8b"),
    (PROMOTE, "exd8=Q#", "e7d8q"),
    (CASTLE, "0-0", "e1g1"),
    (CASTLE, "O-O+", "e1g1"),
    (CASTLE, "o-o", "e1g1"),
    (CASTLE, "12.O-O-O!", "e1c1"),
    (CASTLE, "0-0-0", "e1c1"),
    (CASTLE, "O–O", "e1g1"),
    (CASTLE, "e1g1", "e1g1"),
    (CASTLE, "Ke1-c1", "e1c1"),
    (CASTLE, "Kf1", "e1f1"),
    (EN_PASSANT, "exd6 e.p.", "e5d6"),
    (EN_PASSANT, "exd6e.p.", "e5d6"),
    (EN_PASSANT, "exd6ep", "e5d6"),
    (EN_PASSANT, "ed6", "e5d6"),
    (BISHOP_OR_PAWN, "bxc3", "b2c3"),
    (BISHOP_OR_PAWN, "Bxc3", "d2c3"),
    (BISHOP_OR_PAWN, "b2c3", "b2c3"),
    (TWO_KNIGHTS, "Nbd2", "b1d2"),
    (TWO_KNIGHTS, "N3d2", "f3d2"),
    (THREE_QUEENS, "Qh4e1", "h4e1"),
    (PINNED, "Nb5", "c3b5"),
    (PINNED, "Nd5", "c3d5"),
]

ILLEGAL = [
    (START, "e5"),
    (START, "e5 or rather e4"),
    (START, "Nf6"),
    (START, "Nf4, no, Nf3"),
    (START, "e2e5"),
    (START, "e4e2"),
    (START, "e2e2"),
    (START, "e2e4q"),
    (START, "e4=Q"),
    (START, "xe4"),
    (START, "exe4"),
    (START, "O-O"),
    (START, "P@e4"),
    (START, "N@f3"),
    (START, "--"),
    (START, "1. --"),
    (START, "**--** e4"),
    (START, "Z0"),
    (START, "0000"),
    (START, "@@@@"),
    (CASTLE, "Kg1"),
    (CASTLE, "e1h1"),
    (PROMOTE, "e8"),
    (PROMOTE, "e7e8"),
    (PROMOTE, "e8=K"),
    (PROMOTE, "e8=P"),
    (PROMOTE, "dxe8=Q"),
    (EN_PASSANT, "d6"),
    (EN_PASSANT, "exf6"),
    (TWO_KNIGHTS, "Nd2"),
    (THREE_QUEENS, "Qe1"),
    (THREE_QUEENS, "Qhe1"),
    (PINNED, "Nd4"),
    (BISHOP_OR_PAWN, "Bc1c3"),
]

UNPARSABLE = [
    "",
    " ",
    "I resign.",
    "The best move is",
    "12.",
    "1-0",
    "1/2-1/2",
    "O-O-O-O",
    "Knight to f-three",
    "e9",
    "i4",
    "Ne",
    "eе4",  # noqa: RUF001 a Cyrillic letter inside
    "e44",
    "Be4ch",
    "---",
    "<!-- no move -->",
    "x" * MAX_CHARS + " e4",
    "\x00\ud800",
]


@pytest.mark.parametrize(("fen", "text", "move"), LEGAL)
def test_accepts_what_a_person_writes(fen: str, text: str, move: str) -> None:
    board = chess.Board(fen)
    parsed = parse_move(text, board)
    assert (parsed.status, parsed.action) == ("ok", move)
    assert board.fen() == chess.Board(fen).fen()


@pytest.mark.parametrize(("fen", "text"), ILLEGAL)
def test_the_first_move_decides_and_breaks_the_rules(fen: str, text: str) -> None:
    parsed = parse_move(text, chess.Board(fen))
    assert (parsed.status, parsed.action) == ("illegal", None)
    assert parsed.detail and "\n" not in parsed.detail


@pytest.mark.parametrize("text", UNPARSABLE)
def test_nothing_that_looks_like_a_move(text: str) -> None:
    assert parse_move(text, chess.Board()).status == "unparsable"


def test_ambiguity_is_told_with_its_meanings() -> None:
    detail = parse_move("Nd2", chess.Board(TWO_KNIGHTS)).detail
    assert detail == "Nd2 is ambiguous: b1d2 or f3d2"


@cache
def _board(seed: int) -> chess.Board:
    rng = random.Random(seed)
    board = None
    while board is None:
        board = random_walk(rng, rng.randint(0, 120))
    return board


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9))
def test_every_legal_move_reads_back_in_every_notation(seed: int) -> None:
    board = _board(seed)
    for move in board.legal_moves:
        for text in (board.san(move), board.uci(move), board.lan(move), f"7. {board.san(move)}!?"):
            assert parse_move(text, board).action == move.uci(), (text, board.fen())


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 200),
    st.from_regex(r"[KQRBN]?[a-h]?[1-8]?x?[a-h][1-8](=?[QRBN])?[+#]?", fullmatch=True),
)
def test_agrees_with_python_chess_on_san(seed: int, text: str) -> None:
    board = _board(seed)
    pawn_push_with_x = "x" in text and text[0] in "xabcdefgh" and text[0] in ("x", text[-2])
    if text[0].isdigit() or pawn_push_with_x:
        return  # we read the digit as a move number, and refuse a push that is written as a capture
    try:
        expected: str | None = board.parse_san(text).uci()
    except ValueError:
        expected = None
    got = parse_move(text, board).action
    castling = got is not None and board.is_castling(chess.Move.from_uci(got))
    if not castling:  # Ke1g1: fully written, accepted here and not there
        assert got == expected


PIECES = st.sampled_from([*"abcdefgh12345678KQRBNOx-=+#!?.@0Z *`(/)", "O-O", "e4", "Nf3", "--"])


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 50), st.one_of(st.text(), st.lists(PIECES).map("".join)))
def test_never_raises_and_answers_are_legal(seed: int, text: str) -> None:
    board = _board(seed)
    before = board.fen()
    parsed = parse_move(text, board)
    assert board.fen() == before
    if parsed.status == "ok":
        assert chess.Move.from_uci(str(parsed.action)) in board.legal_moves
    else:
        assert parsed.action is None and parsed.detail


@pytest.mark.parametrize("unit", ["O-", "a1", "1", "e", "-", "K", "Na", "0-0", "[", "\u2014", "é"])
def test_long_hostile_text_costs_little(unit: str) -> None:
    board = chess.Board()
    begun = time.process_time()
    parse_move(unit * 5_000_000, board)
    assert time.process_time() - begun < 0.5


def test_a_move_behind_the_limit_is_not_seen() -> None:
    board = chess.Board()
    assert parse_move("." * (MAX_CHARS - 2) + "e4", board).action == "e2e4"
    assert parse_move("." * (MAX_CHARS - 1) + "e4", board).status == "unparsable"
