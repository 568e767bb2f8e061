"""The one reader of PGN: where each game of a text stands, its tags, and its moves.

PGN as it is in the world (standard: Edwards 1994, import format): blank lines may be missing
between tags, moves and games, or stand where none belongs; a game may have tags alone or moves
alone; "%" lines, ";" and brace comments and variations are passed over.
"""

from __future__ import annotations

import io
import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import chess.pgn

from envs.text_files import text_lines

RESULTS = ("1-0", "0-1", "1/2-1/2")
_SAID = {"½-½": "1/2-1/2", "1/2": "1/2-1/2", "½": "1/2-1/2"}
"""Other ways to write a result."""
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
_TAG = re.compile(r'\[\s*([A-Za-z0-9][A-Za-z0-9_+#=:-]*)\s*"(.*)"\s*\]\s*\Z')
_TAGS = re.compile(r'\[\s*([A-Za-z0-9][A-Za-z0-9_+#=:-]*)\s*"((?:[^"\\]|\\.)*)"\s*\]\s*')
_BARE_TAG = re.compile(r'\[\s*([A-Z][A-Za-z0-9_]*)\s+([^"\[\]]*)\]\s*\Z')
"""A tag whose value has lost its quotes."""
_ESCAPED = re.compile(r'\\(["\\])')
_MARK = re.compile(r"[{};()]|(?<![^\s})])(?:1-0|0-1|1/2 ?- ?1/2|½-½|\*)(?![^\s{;()])")
"""What matters in moves: comments, variations and the result, which ends a game."""
_MOVES = re.compile(r"[0-9*]")
"""Text that has neither is no game but words between games."""


@dataclass(frozen=True, slots=True)
class GameText:
    """A game in a text: characters `start` to `end`, its tags, and its moves as they stand there.

    `result` is that of the tags or, where they have none, the one after the moves; "*" for none.
    """

    start: int
    end: int
    headers: dict[str, str]
    movetext: str
    result: str

    @property
    def tags(self) -> dict[str, str]:
        """The tags, with the result that counts."""
        return self.headers | {"Result": self.result}

    @property
    def content(self) -> str:
        """What makes two games the same, wherever they stand: tags and moves without spacing."""
        return f"{sorted(self.headers.items())}\n{' '.join(self.movetext.split())}"


def split_games(lines: Iterable[str]) -> Iterator[GameText]:
    """Yield the games of a text given by its lines, each ending in "\\n" but perhaps the last."""
    splitter = _Splitter()
    for line in lines:
        yield from splitter.take(line)
    yield from splitter.finish()


def games_of_text(text: str) -> Iterator[GameText]:
    """Yield the games of a text, each with its place in it."""
    return split_games(io.StringIO(text))


def games_of_file(path: Path) -> Iterator[GameText]:
    """Yield the games of a PGN file; see text_files.py for what is read.

    Raises InputError where it cannot be read.
    """
    return split_games(text_lines(path, "PGN"))


def is_pgn(line: str) -> bool:
    """Return whether the first line of a file that is not blank begins PGN, and not EPD."""
    return line.split(maxsplit=1)[:1] == [] or line.split(maxsplit=1)[0].count("/") < 7


def result_of(text: str) -> str:
    """Return a result as PGN writes it, "*" for what is none."""
    plain = "".join(text.split()).translate(_DASHES)
    plain = _SAID.get(plain, plain)
    return plain if plain in RESULTS else "*"


def parse_game(game: GameText, *, variations: bool = True) -> chess.pgn.Game:
    """Return a game with its moves; what is wrong in it stands in its `errors`.

    `variations` false reads the main line alone. Raises ValueError for content that python-chess
    cannot make a game of.
    """
    tags = "".join(f'[{key} "{value}"]\n' for key, value in game.headers.items())
    # A blank line would end the moves.
    moves = "\n".join(line for line in game.movetext.splitlines() if line.strip())
    text = io.StringIO(f"{tags}\n{moves}\n")
    found = chess.pgn.read_game(text, Visitor=_Quiet if variations else _MainLine)
    return chess.pgn.Game() if found is None else found


class _Quiet(chess.pgn.GameBuilder[chess.pgn.Game]):
    """Keeps errors to itself instead of logging them."""

    def handle_error(self, error: Exception) -> None:
        self.game.errors.append(error)


class _MainLine(_Quiet):
    """Reads main lines only."""

    # The base of GameBuilder allows SKIP here, GameBuilder's own annotation forgets it.
    def begin_variation(self) -> chess.pgn.SkipType:  # type: ignore[override]
        return chess.pgn.SKIP

    def end_variation(self) -> None:
        """Leave nothing: no variation was entered."""


@dataclass(slots=True)
class _Part:
    """A game as far as it has been read."""

    start: int
    headers: dict[str, str] = field(default_factory=dict)
    moves: list[str] = field(default_factory=list)
    result: str = "*"

    def whole(self, end: int) -> Iterator[GameText]:
        """Yield the game, unless it is but words."""
        movetext = "".join(self.moves)
        if self.headers or _MOVES.search(movetext):
            tagged = result_of(self.headers.get("Result", "*"))
            result = self.result if tagged == "*" else tagged
            yield GameText(self.start, end, self.headers, movetext, result)


class _Splitter:
    """Takes lines and gives games; knows whether it is in a comment, a variation, or in tags."""

    def __init__(self) -> None:
        self._place = 0
        self._depth = 0
        self._blank = False
        self._part: _Part | None = None
        self._ended: _Part | None = None
        self._comment: list[str] | None = None
        """Lines after that in which the open comment begins; None outside of comments."""
        self._begun = 0, 0
        """Where those lines begin, and how much of the game's moves stood before them."""
        self._line_comments = False

    def take(self, line: str) -> Iterator[GameText]:
        """Take a line; yield the games of which it shows the end."""
        start, self._place = self._place, self._place + len(line)
        if self._comment is not None:
            if not self._comment and self._part is not None:
                self._begun = start, len(self._part.moves)
            self._comment.append(line)
            yield from self._moves(line, start)
            return
        plain = line.strip()
        if line.startswith("%"):
            return
        if plain.startswith("["):
            in_tags = self._part is None or not self._part.moves
            tags = _tags_in(plain, bare=in_tags)
            if tags:
                yield from self._tags(tags, start)
                return
            if in_tags and plain.endswith("]"):
                return  # a damaged tag
        if plain:
            yield from self._moves(line, start)
        else:
            self._blank = True

    def finish(self) -> Iterator[GameText]:
        """Yield what remains at the end of the text."""
        lines = self._comment
        if lines and self._part is not None and any(_tags_in(line.strip()) for line in lines):
            # A comment that is never closed would hide all games after it: comments end with
            # their lines from here on.
            self._place, kept = self._begun
            self._part.moves = self._part.moves[:kept]
            self._comment, self._line_comments = None, True
            for line in lines:
                yield from self.take(line)
        self._close()
        yield from self._give(self._place)

    def _tags(self, tags: list[tuple[str, str]], start: int) -> Iterator[GameText]:
        part = self._part
        if part is not None:
            first = next(iter(part.headers), None)
            again = self._blank and any(key in part.headers for key, _ in tags)
            if part.moves or again or any(key == first for key, _ in tags):
                self._close()
        part = yield from self._open(start)
        part.headers.update(tags)
        self._depth, self._blank = 0, False

    def _moves(self, line: str, start: int) -> Iterator[GameText]:
        """Take a line of moves, or of a comment among them."""
        begin = 0
        for mark in _MARK.finditer(line):
            sign = mark[0]
            if self._comment is not None:
                if sign == "}":
                    self._comment = None
            elif sign == "{":
                self._comment = []
            elif sign == ";":
                break
            elif sign in "()":
                self._depth = max(0, self._depth + (1 if sign == "(" else -1))
            elif sign != "}" and not self._depth:
                part = yield from self._open(start + begin)
                part.moves.append(line[begin : mark.end()])
                part.result = result_of(sign)
                self._close()
                begin = mark.end()
            elif sign != "}":  # a variation's, of which python-chess knows nothing
                line = line[: mark.start()] + " " * len(sign) + line[mark.end() :]
        if line[begin:].strip():
            part = yield from self._open(start + begin)
            part.moves.append(line[begin:])
        if self._line_comments:
            self._comment = None

    def _open(self, start: int) -> Generator[GameText, None, _Part]:
        """Return the game under way, begun now if there is none; yield the one before it."""
        if self._part is None:
            yield from self._give(start)
            self._part = _Part(start)
        return self._part

    def _close(self) -> None:
        if self._part is not None:
            self._ended, self._part = self._part, None
        self._depth, self._blank = 0, False

    def _give(self, end: int) -> Iterator[GameText]:
        """Yield the game that has ended; what stands before the next one belongs to it."""
        if self._ended is not None:
            yield from self._ended.whole(end)
            self._ended = None


def _tags_in(line: str, *, bare: bool = False) -> list[tuple[str, str]]:
    """Return the tags of a line that holds nothing else; `bare` takes one without quotes."""
    found, place = [], 0
    while match := _TAGS.match(line, place):
        found.append((match[1], _ESCAPED.sub(r"\1", match[2])))
        place = match.end()
    if found and place == len(line):
        return found
    one = _TAG.match(line) or (_BARE_TAG.match(line) if bare else None)
    return [(one[1], _ESCAPED.sub(r"\1", one[2].strip()))] if one else []
