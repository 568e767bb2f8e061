"""What a UCI engine says, read without I/O: `info` lines, options and the last complete depth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

MAX_CP = 1_000_000
MAX_MATE = 1_000
MAX_DEPTH = 1_000

RawScore = tuple[int | None, int | None]
"""(centipawns, None) or (None, moves to mate); the side to move's view, as the engine gave it."""


class Info(NamedTuple):
    """One exact score out of an `info` line."""

    depth: int
    move: str
    score: RawScore
    nodes: int


def parse_info(line: bytes) -> Info | None:
    """Return the score in an `info ... score ... pv ...` line, None for any other line.

    Bounds (`lowerbound`, `upperbound`) are no scores. An engine's text is not trusted: what is no
    number, or absurdly large, is no score either.
    """
    head, found, pv = line.partition(b" pv ")
    if not found or not head.startswith(b"info "):
        return None
    tokens = head.split()
    if b"lowerbound" in tokens or b"upperbound" in tokens:
        return None
    try:
        depth = int(tokens[tokens.index(b"depth") + 1])
        at = tokens.index(b"score")
        kind, value = tokens[at + 1], int(tokens[at + 2])
        nodes = int(tokens[tokens.index(b"nodes") + 1]) if b"nodes" in tokens else 0
    except (ValueError, IndexError):
        return None
    if not 0 < depth <= MAX_DEPTH or nodes < 0:
        return None
    score: RawScore
    if kind == b"cp" and abs(value) <= MAX_CP:
        score = (value, None)
    elif kind == b"mate" and 0 < abs(value) <= MAX_MATE:
        score = (None, value)
    else:
        return None
    move = pv.split(None, 1)
    return Info(depth, move[0].decode("ascii", "replace"), score, nodes) if move else None


def parse_option(line: bytes) -> tuple[str, str] | None:
    """Return (name, default) of an `option name ... type ...` line; the default may be empty."""
    text = line.decode("utf-8", "replace").strip()
    if not text.startswith("option name "):
        return None
    name, found, rest = text.removeprefix("option name ").partition(" type ")
    if not found:
        return None
    _, _, after = f"{rest} ".partition(" default ")
    default = after
    for word in (" min ", " max ", " var "):
        default = default.split(word, 1)[0]
    return name.strip(), default.strip()


class DepthTable:
    """Collects the lines of one search until every legal move has an exact score at one depth.

    When nodes run out in the middle of a depth the engine repeats older lines beside newer ones;
    scores of different depths cannot be compared, so only a depth that is complete counts, and the
    last such depth is the answer.
    """

    def __init__(self, legal: Iterable[str]) -> None:
        self.legal = frozenset(legal)
        self.depth = 0
        """The last complete depth; 0 while there is none."""
        self.scores: dict[str, RawScore] = {}
        """All legal moves at `depth`; empty while there is no complete depth."""
        self.nodes = 0
        """The largest node count reported."""
        self._open: dict[int, dict[str, RawScore]] = {}

    def add(self, line: bytes) -> None:
        """Take in one line of engine output; lines that are no exact score change nothing."""
        info = parse_info(line)
        if info is None or info.move not in self.legal:
            return
        if info.nodes > self.nodes:
            self.nodes = info.nodes
        if info.depth <= self.depth:
            return
        row = self._open.setdefault(info.depth, {})
        row[info.move] = info.score
        if len(row) == len(self.legal):
            self.depth, self.scores = info.depth, row
            self._open = {d: r for d, r in self._open.items() if d > info.depth}
