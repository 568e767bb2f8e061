"""Reading a move out of what a model wrote, in SAN or UCI as a person would write it."""

from __future__ import annotations

import re

import chess

from envs.answer import answer_of
from envs.fences import blocks
from envs.task import Parsed

MAX_COMPLETION = 200_000
"""Only this much of a completion is looked at, its reasoning among it."""
MAX_CHARS = 2000
"""Only this much of an answer, or of a block in it, is looked at."""

_NORMALISE = str.maketrans(
    {
        **dict(zip("♔♕♖♗♘♙", "KQRBNP", strict=True)),
        **dict(zip("♚♛♜♝♞♟", "KQRBNP", strict=True)),
        "×": "x",
        "†": "+",
        "‡": "#",
        "…": "...",
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"),
        "\u2014": "—",
        "\u2015": "—",
        **dict.fromkeys("\ufe0e\ufe0f\u200b\u200c\u200d\u2060\ufeff", None),
    }
)
"""Figurines to letters, typographic dashes to "-"; invisible characters dropped."""

# Every repetition below is bounded or over classes that exclude each other, so that the reading is
# linear in the text.
_BRACKETED = re.compile(r"(?<=[a-h][18])\(([QRBNqrbn])\)")
"""e8(Q), which is e8=Q."""
_JOINING = re.compile(r"(?<=[1-8Oo0])—(?=[a-h][1-8]|[Oo0])")
"""A dash as in e2—e4; any other long dash stands between two parts of a sentence."""
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9]{0,20}>")
_POSITION = re.compile(
    r"""
    (?<![^\W_])(?<!/)
    (?:
      (?: [pnbrqkPNBRQK1-8]{1,8} (?: / [pnbrqkPNBRQK1-8]{1,8} ){2,7} /? (?![^\W_])
          (?: \s{1,9} [wb] (?![^\W_]) )?
        | [wb] (?= \s{1,9} (?: - | [KQkq]{1,4} ) \s ) )
      (?: \s{1,9} (?: - | [KQkq]{1,4} ) (?!\S) )?
      (?: \s{1,9} (?: - | [a-h][36] ) (?!\S) (?: \s{1,9} \d{1,4} ){0,2} )?
    | [KQkq]{2,4} \s{1,9} (?: - | [a-h][36] ) (?!\S) (?: \s{1,9} \d{1,4} ){0,2}
    | [a-h][36] \s{1,9} \d{1,4} \s{1,9} \d{1,4} (?![^\s])
    )
    """,
    re.VERBOSE,
)
"""A FEN, or its end from the side to move on: what it names is no move."""
_WORD = re.compile(
    r"""
    [-=+#/@]{0,4} [^\W_]+ (?: [-=+#/@:.'’!?&~^]+ [^\W_]+ )* [-=+#/@]* [!?]*
    | (?<![^\s.*`]) (?: -- | @@@@ ) (?![^\s.,;!?*`])
    """,
    re.VERBOSE,
)
"""Letters and digits with all that joins them. Brackets, quotes, commas and the like separate."""
_NUMBER = re.compile(r"\A\d{1,3}\.{1,4}(?=.)")
_SUFFIX = re.compile(r"[+#]{0,2}[!?]{0,2}\Z")
_NULL = re.compile(r"--|@@@@|0000|Z0")
_DROP = re.compile(r"[KQRBNP]@[a-h][1-8]")
_CASTLING = re.compile(r"(?P<long>O-O-O|0-0-0|o-o-o)|O-O|0-0|o-o")
_CASTLING_ON = re.compile(r"\s{0,9}-{1,3}\s{0,9}[Oo0]")
"""What follows where "O-O" was not the whole of it."""
_UPPER = re.compile(r"[A-H][1-8][-xX]?[A-H][1-8](?:=?[QRBN])?")
_MOVE = re.compile(
    r"""
    (?P<piece>[KQRBNPkqrn])?                     # b is a file, never a bishop
    (?P<file>[a-h])?(?P<rank>[1-8])?
    (?P<mark>[-x])?
    (?P<target>[a-h][1-8])
    (?P<promotion>=[A-Za-z] | /[QRBN] | [QRBNKqrbnk])?
    (?P<passing>e\.?p\.?)?
    """,
    re.VERBOSE,
)
_GARBLED = re.compile(
    r"(?=[^a-zA-Z]*[A-Ha-hKQRNOkqrnx])(?=\D*\d)[A-Ha-hKQRNPOkqrnpx0-9=+#:@/.!?-]+"
)
"""Nothing but the characters of moves, letters and digits among them, and yet no move."""
_STRAY = re.compile(r"[^\W\d_IAa]|[Xx]|K[nt]|[KQRBNP]?[a-h]?x|[KQRBNP][a-h]")
"""A piece's letter, or the beginning of a move, that stands apart."""
_PIECES = frozenset({"knight", "bishop", "rook", "queen", "king"})
_TAKING = frozenset({"takes", "take", "taking", "captures", "capture", "capturing"})
_GOING = frozenset({"to", "goes", "moves"}) | _TAKING
_STANDING = frozenset({"on", "at", "from"})


def _illegal(detail: str) -> Parsed:
    return Parsed("illegal", None, detail)


def _unread(detail: str) -> Parsed:
    return Parsed("unparsable", None, detail)


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


def _fits(board: chess.Board, move: chess.Move, match: re.Match[str]) -> bool:
    """Whether a legal move is one that the written move can mean, its promotion apart."""
    name = chess.square_name(move.from_square)
    file, rank = match["file"], match["rank"]
    if chess.square_name(move.to_square) != match["target"]:
        return False
    if (file and name[0] != file) or (rank and name[1] != rank):
        return False
    # Who writes x or e.p. sees a piece to take: where there is none, another board is meant.
    if match["mark"] == "x" and not board.is_capture(move):
        return False
    if match["passing"] and not board.is_en_passant(move):
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
        # A pawn that captures names its file; one that does not captures nothing.
        return (name[0] == match["target"][0]) == (not file or file == match["target"][0])
    return True


def _ordinary(board: chess.Board, match: re.Match[str], written: str) -> Parsed:
    moves = [move for move in board.legal_moves if _fits(board, move, match)]
    letter = (match["promotion"] or "").strip("=/").lower()
    if not letter and moves and all(move.promotion for move in moves):
        return _illegal(f"{written} does not say what the pawn becomes")
    kept = [m for m in moves if (chess.piece_symbol(m.promotion) if m.promotion else "") == letter]
    return _chosen(kept, written)


def _shaped(word: str) -> re.Match[str] | None:
    """Return the parts of a SAN or UCI move, None where the word is neither."""
    match = _MOVE.fullmatch(word)
    if match is None:
        return None
    full = match["file"] and match["rank"]
    if match["mark"] == "-" and not full:
        return None  # N-f3: long algebraic names the square that the piece leaves
    if match["rank"] and not match["file"] and (match["piece"] or "P") == "P":
        return None  # 1f3
    return match


def _in_words(before: list[str], match: re.Match[str]) -> Parsed | bool:
    """Return whether the words before a pawn's move make it a square ("the knight on f3"); Parsed
    where they make it a move in words ("knight to f3", "N f3"), which no notation knows."""
    if match["piece"] or (match["file"] and match["rank"]):
        return False
    last = before[-1] if before else ""
    earlier = {word.lower() for word in before[-3:]} & _PIECES
    if _STRAY.fullmatch(last) or last.lower() in _PIECES | _TAKING:
        return _unread(f"{last} {match[0]} is no move in SAN or UCI")
    if earlier and last.lower() in _GOING | {"on"} and (_GOING & {w.lower() for w in before[-2:]}):
        return _unread(f"{last} {match[0]} is a move in words, not in SAN or UCI")
    return bool(earlier) and last.lower() in _STANDING


def _read(word: str, board: chess.Board, before: list[str]) -> Parsed | None:
    """Return what a word says; None where it is no move and no attempt at one."""
    if _NULL.fullmatch(word):
        return _illegal(f"{word} is a null move")
    plain = _SUFFIX.sub("", _NUMBER.sub("", word, count=1), count=1)
    if _NULL.fullmatch(plain):
        return _illegal(f"{plain} is a null move")
    if _DROP.fullmatch(plain):
        return _illegal(f"{plain} drops a piece, which is not chess")
    castling = _CASTLING.fullmatch(plain)
    if castling:
        return _castling(board, castling["long"] is None, plain)
    upper = _UPPER.fullmatch(plain)
    match = _shaped(plain.lower() if upper else plain)
    if match is not None:
        in_words = _in_words(before, match)
        if in_words is True:
            return None
        return in_words or _ordinary(board, match, plain)
    if _GARBLED.fullmatch(plain):
        return _unread(f"{plain[:40]} is no move in SAN or UCI")
    return None


def parse_move(text: str, board: chess.Board) -> Parsed:
    """Return the first move in `text` as UCI, judged by the rules on `board`.

    Reasoning is no answer (envs/answer.py); of several whole fenced blocks the last one that has
    a move, or an attempt at one, counts.

    A move is a whole word. Words that are no attempt at one, a move number, markup and an echoed
    FEN are passed over, and the first of the rest decides, whatever follows: the status is
    `illegal` if it breaks the rules, may mean two moves or is a null move (--, Z0, 0000), and
    `unparsable` if it is garbled (Ng9-f3, N-f3, 1f3, e9) or a move in words (knight to f3, N f3).
    If there is none the status is `unparsable` too.

    Accepted are the forms that PGN and UCI know (PGN standard, 8.2.3; FIDE Laws, appendix C):

    - SAN, also over-specified where that fits the board (Ng1f3, Ngf3), with figurines, and with a
      small letter for a piece other than the bishop; long algebraic (Ng1-f3, e2-e4); UCI, also in
      capitals; castling with O, o or 0; promotion as =Q, Q, q, (Q) or /Q.
    - Move numbers with dots (12.Nf3, 12... Nf6), annotation marks, e.p. where it is en passant.
    - Check and mate marks, right or wrong: they do not say which move is meant (8.2.3.5).
    - A capture without its x (Nd5, ed5, e4d5): UCI has none, and the word means one move. An x that
      captures nothing is illegal: it means another board.

    Promotion is given exactly where a pawn promotes. Case counts: bxc3 is a pawn's capture and Bxc3
    a bishop's. Never raises on any string; time is linear in the text, of which 2,000 characters
    are read.
    """
    answer = answer_of(text[:MAX_COMPLETION])
    if answer is None:
        return _unread("no answer after the reasoning")
    whole = (
        [block.text for block in blocks(answer[: MAX_COMPLETION // 4]) if block.whole]
        if "\n" in answer
        else []
    )
    for part in (*reversed(whole), answer):
        parsed = _first(part, board)
        if parsed is not None:
            return parsed
    return _unread("nothing in the answer looks like a move")


def _first(text: str, board: chess.Board) -> Parsed | None:
    """Return what the first move of a text, or attempt at one, comes to; None without any."""
    shown = text[:MAX_CHARS].translate(_NORMALISE)
    shown = _JOINING.sub("-", _TAG.sub(" ", _BRACKETED.sub(r"=\1", shown))).replace("—", " ")
    shown = _POSITION.sub(" ", shown)
    before: list[str] = []
    for found in _WORD.finditer(shown):
        if len(text) > MAX_CHARS and found.end() == len(shown):
            break  # cut off
        if _CASTLING.fullmatch(found[0]) and _CASTLING_ON.match(shown, found.end()):
            return _unread(f"{found[0]} goes on, and is no castling then")
        parsed = _read(found[0], board, before)
        if parsed is not None:
            return parsed
        before = [*before[-2:], found[0].strip("-=+#/@!?")]
    return None
