"""Reading a move out of what a model wrote, in SAN or UCI as a person would write it."""

from __future__ import annotations

import re

import chess

from envs.task import Parsed

MAX_CHARS = 2000
"""Only this much of an answer is looked at."""

_NORMALISE = str.maketrans(
    {
        **dict(zip("♔♕♖♗♘♙", "KQRBNP", strict=True)),
        **dict(zip("♚♛♜♝♞♟", "KQRBNP", strict=True)),
        "×": "x",
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        **dict.fromkeys("\ufe0e\ufe0f\u200b\u200c\u200d\u2060\ufeff", None),
    }
)
"""Figurines to letters, typographic dashes to "-"; invisible characters dropped."""

# One alternative per way of writing, tried from left to right at each character. Every repetition
# is bounded, so the search is linear in the text.
_LIKE_A_MOVE = re.compile(
    r"""
    (?<![^\W_])(?<!/)                            # not inside a word, a number or a FEN
    (?:
      (?P<null> 0000(?![^\W_]) | Z0(?![^\W_]) )
    | (?P<drop> [KQRBNP]@[a-h][1-8](?![^\W_]) )
    | (?<!-)(?P<long> (?:O-O-O|0-0-0|o-o-o)(?![^\W_]|-[Oo0]) )
    | (?<!-)(?P<short> (?:O-O|0-0|o-o)(?![^\W_]|-[Oo0]) )
    | (?P<upper> [A-H][1-8][-x]?[A-H][1-8](?:=?[QRBN])? )(?![^\W_])
    | [0-9]{0,3}                                 # a move number without its dot
      (?P<move>
        (?P<piece>[KQRBNPkqrn])?                 # b is a file, never a bishop
        (?P<file>[a-h])?(?P<rank>(?<=[A-Za-z])[1-8])?
        (?P<mark>[-x])?
        (?P<target>[a-h][1-8])
        (?P<promotion>=[A-Za-z] | \([QRBNqrbn]\) | /[QRBN] | [QRBNKqrbnk] )?
      )(?: (?![^\W_]) | (?=e\.?p\b) )
    )
    | (?P<nothing> (?<![^\s.*`])(?:--|@@@@)(?![^\s.,;!?*`]) )
    """,
    re.VERBOSE,
)


def _illegal(detail: str) -> Parsed:
    return Parsed("illegal", None, detail)


def _chosen(moves: list[chess.Move], written: str) -> Parsed:
    if not moves:
        return _illegal(f"{written} is not legal here")
    if len(moves) > 1:
        means = " or ".join(sorted(move.uci() for move in moves))
        return _illegal(f"{written} is ambiguous: {means}")
    return Parsed("ok", moves[0].uci())


def _castling(board: chess.Board, kingside: bool, written: str) -> Parsed:
    side = board.is_kingside_castling if kingside else board.is_queenside_castling
    return _chosen([m for m in board.generate_castling_moves() if side(m)], written)


def _coordinates(board: chess.Board, written: str) -> Parsed:
    plain = written.lower().replace("-", "").replace("x", "").replace("=", "")
    return _chosen([m for m in board.legal_moves if m.uci() == plain], written)


def _fits(board: chess.Board, move: chess.Move, match: re.Match[str]) -> bool:
    """Whether a legal move is one that the written move can mean, its promotion apart."""
    name = chess.square_name(move.from_square)
    file, rank = match["file"], match["rank"]
    if chess.square_name(move.to_square) != match["target"]:
        return False
    if (file and name[0] != file) or (rank and name[1] != rank):
        return False
    piece = match["piece"]
    full = bool(file and rank)
    if not piece and full:
        return True
    kind = chess.PIECE_SYMBOLS.index((piece or "P").lower())
    if board.piece_type_at(move.from_square) != kind:
        return False
    if kind == chess.KING and board.is_castling(move):
        return full  # SAN writes castling O-O; a bare Kg1 is a step of the king
    if kind == chess.PAWN and not full:
        straight = name[0] == match["target"][0]
        # A pawn that captures names its file; one that does not captures nothing.
        return straight == (not file or file == match["target"][0]) and not (
            straight and match["mark"] == "x"
        )
    return True


def _ordinary(board: chess.Board, match: re.Match[str]) -> Parsed:
    written = match["move"]
    moves = [move for move in board.legal_moves if _fits(board, move, match)]
    letter = (match["promotion"] or "").strip("=()/").lower()
    if not letter and moves and all(move.promotion for move in moves):
        return _illegal(f"{written} does not say what the pawn becomes")
    kept = [m for m in moves if (chess.piece_symbol(m.promotion) if m.promotion else "") == letter]
    return _chosen(kept, written)


def parse_move(text: str, board: chess.Board) -> Parsed:
    """Return the first move in `text` as UCI, judged by the rules on `board`.

    Whatever comes before the first token that looks like a move (words, a move number, markdown)
    is passed over, and that token decides: if it breaks the rules, or may mean two moves, or is a
    null move (--, Z0, 0000, @@@@), the status is `illegal` and nothing behind it is tried. If no
    token looks like a move the status is `unparsable`.

    Accepted: SAN, also over-specified (Ng1f3, Ngf3) and with figurines; UCI; castling with O or 0;
    promotion as =Q, Q, q, (Q) or /Q; check, mate, annotation and en-passant marks, right or wrong.
    Case counts: bxc3 is a pawn's capture and Bxc3 a bishop's.

    Never raises on any string; time is linear in the text, of which 2,000 characters are read.
    """
    match = _LIKE_A_MOVE.search(text[:MAX_CHARS].translate(_NORMALISE))
    if match is None:
        return Parsed("unparsable", None, "nothing in the answer looks like a move")
    if match["null"] or match["nothing"]:
        return _illegal(f"{match[0]} is a null move")
    if match["drop"]:
        return _illegal(f"{match[0]} drops a piece, which is not chess")
    if match["long"] or match["short"]:
        return _castling(board, bool(match["short"]), match[0])
    if match["upper"]:
        return _coordinates(board, match[0])
    return _ordinary(board, match)
