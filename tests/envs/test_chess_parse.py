"""Reading moves: a table of how people write, and properties against python-chess as oracle."""

from __future__ import annotations

import contextlib
import random
import re
import time
from functools import cache

import chess
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.chess.openings import random_walk
from envs.chess.parse import MAX_CHARS, parse_move
from tests.patience import computing

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
    (START, "1.e4", "e2e4"),
    (START, "Move 12: e4", "e2e4"),
    (START, "**Answer:** e4", "e2e4"),
    (START, "<b>e4</b>", "e2e4"),
    (START, "1. e4!? is best", "e2e4"),
    (START, "Nf3—it develops", "g1f3"),
    (START, "The d5-pawn is weak, so Nf3", "g1f3"),
    (START, "The knight on f3 is missing. Nf3", "g1f3"),
    (START, "pawn to e4", "e2e4"),
    (START, f"Position: {START}\nBest move: e4", "e2e4"),
    (START, "P@ is nothing; Pe2-e4", "e2e4"),
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
    (START, "<think>e4? No, e5 then.</think>\nNf3", "g1f3"),
    (START, "e4 looks natural.\n</think>\n\nNf3", "g1f3"),
    (START, "<think>" + "e4 " * 2000 + "</think>Nf3", "g1f3"),
    (START, "<|channel|>analysis<|message|>e4<|end|><|channel|>final<|message|>Nf3", "g1f3"),
    (START, "First:\n```\ne4\n```\nBetter:\n```\nNf3\n```\n", "g1f3"),
    (START, "```\nNf3\n```\nand not e4:\n```\nd4", "g1f3"),  # the last whole block
    (START, "```\nthe board\n```\nNf3", "g1f3"),
    (START, "<reasoning>e4</reasoning><answer>Nf3</answer><|im_end|>", "g1f3"),
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
    (CASTLE, "Rxa8+", "a1a8"),
    (CASTLE, "Ra8", "a1a8"),
    (CASTLE, "Ra1xa8", "a1a8"),
    (CASTLE, "Ra1-a8", "a1a8"),
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
    (START, "e2xe4"),
    (START, "Nxf3"),
    (START, "Ng1xf3"),
    (START, "Nbf3"),
    (START, "N2f3"),
    (START, "Ng2-f3"),
    (START, "Nb1-f3"),
    (START, "Bg1-f3"),
    (START, "e4e.p."),
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
    "<think>e4",
    "e4 <think>or d4",
    "<|channel|>analysis<|message|>e4",
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

GARBLED = [
    " Ng9-f3",
    " Nn1-f3",
    " Rh9-h4",
    " Qd9xd4",
    " e9-e4",
    "1e4",
    "1f3",
    "N-f3",
    "N:f3",
    "Nxg1f3",
    "e2--e4",
    "e2/e4",
    "e2=e4",
    "e2.e4",
    "e2 e4",
    "e4e",
    "e4-",
    "-e4",
    "e44 e4",
    "e9 e4",
    "Nf3Nf6",
    "e4e5e4",
    "e2-f9-e4",
    "N f3",
    "Ng f3",
    "N, f3",
    "♘ f3",
    "Nx f3",
    "ex d3",
    "Knight f3",
    "knight to f3",
    "the knight goes to f3",
    "queen takes d3",
    "O-O-O-O",
    "3b4/8/8/8/8/8/8/8",
    "3b4",
    "2b3/8",
    "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq e3 0 1",
    "RNBQKBNR w KQkq e3 0 1",
    "KQkq e3 0 1",
    "w - e3 0 1",
    "- e3 0 1",
]
"""On the usual start, where f3, h4, d4, e4, b4, d3 and e3 are legal."""


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


@pytest.mark.parametrize("text", GARBLED)
def test_what_only_contains_a_move_is_none(text: str) -> None:
    parsed = parse_move(text, chess.Board())
    assert parsed.status != "ok" and parsed.action is None and parsed.detail


@pytest.mark.parametrize("text", ["O-O -O", "O-O - O", "0-0-", "O-O-Of3"])
def test_half_a_castling_is_no_castling(text: str) -> None:
    assert parse_move(text, chess.Board(CASTLE)).status != "ok"


def test_ambiguity_is_reported_with_its_meanings() -> None:
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
    if text[0].isdigit():
        return  # 1f3 is a pawn's move to python-chess and none to us
    expected: str | None = None
    with contextlib.suppress(ValueError):
        meant = board.parse_san(text)
        # python-chess does not mind an x that captures nothing.
        expected = meant.uci() if "x" not in text or board.is_capture(meant) else None
    got = parse_move(text, board).action
    castling = got is not None and board.is_castling(chess.Move.from_uci(got))
    if not castling:  # Ke1g1: fully written, accepted here and not there
        assert got == expected


def spellings(board: chess.Board, move: chess.Move) -> set[str]:
    """Every way to write a legal move, number and marks apart, by the PGN standard and UCI."""
    uci = move.uci()
    start, target, letter = uci[:2], uci[2:4], uci[4:].upper()
    kind = board.piece_type_at(move.from_square)
    assert kind is not None
    marks = ["", "x"] if board.is_capture(move) else [""]
    ends = [""]
    if letter:
        ends = [f"={letter}", f"={letter.lower()}", letter, letter.lower(), f"/{letter}"]
    found = {f"{start}{mark}{target}{end}" for mark in [*marks, "-"] for end in ends}
    found |= {text.upper() for text in found if "/" not in text}
    if board.is_castling(move):
        words = ["O-O-O", "0-0-0", "o-o-o"] if target[0] == "c" else ["O-O", "0-0", "o-o"]
        return found | {*words, *(f"{k}e{start[1]}{m}{target}" for k in "Kk" for m in ("", "-"))}
    names = ["", "P"] if kind == chess.PAWN else list(piece_letters(kind))
    for name in names:
        for full in (f"{start}{mark}" for mark in [*marks, "-"]):
            found |= {f"{name}{full}{target}{end}" for end in ends}
        froms = ["", start[0], start[1]] if kind != chess.PAWN else [start[0]]
        if kind == chess.PAWN and not board.is_capture(move):
            froms = ["", start[0]]
        alike = [m for m in board.legal_moves if m.to_square == move.to_square]
        alike = [m for m in alike if board.piece_type_at(m.from_square) == kind]
        for part in froms:
            rivals = {m.from_square for m in alike if part in chess.square_name(m.from_square)}
            if len(rivals) == 1 or kind == chess.PAWN:
                found |= {f"{name}{part}{m}{target}{end}" for m in marks for end in ends}
    if board.is_en_passant(move):
        found |= {f"{text}{ep}" for text in found for ep in ("ep", "e.p", "e.p.")}
    return found


def piece_letters(kind: chess.PieceType) -> str:
    letter = chess.piece_symbol(kind)
    return letter.upper() if letter == "b" else letter + letter.upper()


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 300), st.data())
def test_what_is_paid_for_a_garbled_move_is_what_it_says(seed: int, data: st.DataObject) -> None:
    board = _board(seed)
    draw = data.draw
    move = draw(st.sampled_from(list(board.legal_moves)))
    write = draw(st.sampled_from([board.san, board.uci, board.lan]))
    text = write(move)
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, len(text)))
        put = draw(st.sampled_from(["", *"abh19x-=+N B/.:", "Ng", "e4", "--", "O-"]))
        cut = draw(st.integers(0, 2))
        text = text[:place] + put + text[place + cut :]
    parsed = parse_move(text, board)
    if parsed.action is None:
        return
    paid = chess.Move.from_uci(parsed.action)
    words = [re.sub(r"[+#]{0,2}$", "", w.strip(".:")) for w in text.split()]
    assert any(word in spellings(board, paid) for word in words), (text, paid, board.fen())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9))
def test_every_spelling_of_a_move_is_read(seed: int) -> None:
    board = _board(seed)
    for move in list(board.legal_moves)[:12]:
        for text in spellings(board, move):
            assert parse_move(text, board).action == move.uci(), (text, board.fen())


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 70))
def test_an_echoed_position_is_no_move(seed: int, begin: int) -> None:
    board = _board(seed)
    fen = f"{board.fen()} "
    # Where the echo begins in the middle of a row nobody can tell it from a move.
    begin = fen.find(" ", begin) if begin else 0
    assert parse_move(fen[begin:].strip(), board).status != "ok", fen[begin:]


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


UNITS = [
    "O-",
    "a1",
    "1",
    "e",
    "-",
    "K",
    "Na",
    "0-0",
    "[",
    "\u2014",
    "é",
    "N ",
    "b - ",
    "8/",
    "a.",
    "-a",
]


@pytest.mark.parametrize("unit", [*UNITS, "—O", "</a"])
def test_long_hostile_text_costs_little(unit: str) -> None:
    board = chess.Board()
    begun = time.process_time()
    parse_move(unit * 5_000_000, board)
    assert time.process_time() - begun < computing(0.5)


def test_a_move_after_the_limit_is_not_seen() -> None:
    board = chess.Board()
    assert parse_move("." * (MAX_CHARS - 2) + "e4", board).action == "e2e4"
    assert parse_move("." * (MAX_CHARS - 1) + "e4", board).status == "unparsable"
