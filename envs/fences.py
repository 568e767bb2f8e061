"""Fenced blocks of Markdown as language models write them.

Source: CommonMark 0.31, section 4.5, and what models do beyond it: a fence after a few words or a
list mark, one at the end of the code's last line, a block that is followed by the next one's fence
or by nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from envs.quotes import LINES, Quotes

_MARKS = ("```", "~~~")
_NESTED = re.compile(r"[ \t]{0,40}(?:>[ \t]{0,4}){0,4}(?:(?:[-*+]|[0-9]{1,3}[.)])[ \t]{1,8})?\Z")
"""What may stand before a fence of tildes, and is no prose: indentation, quote and list marks."""
_INFO = re.compile(r"(?:\{?[ \t]?\.?([A-Za-z][\w+#.-]{0,30})(?![\w(:=])[^`]{0,200})?\Z")
_CODE = re.compile(r"(?:def|class|import|from|return|async|print|if|for|while|lambda)\b|@")
_ONE_LINE = re.compile(r"[ \t]{0,40}```(?:python3?|py)?[ \t]{0,8}([^`\n]{1,2000})```[ \t]{0,40}\Z")


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between two fences; `whole` says that the closing one was there.

    `language` is the first word of the info string in lower case, or "".
    """

    text: str
    language: str
    whole: bool
    start: int = 0
    """Where the line of its opening fence begins."""


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of `text` that are not empty, in order.

    A fence inside a string in triple quotes, such as a docstring with an example, is part of the
    block, unless the string never ends. Linear in the text: it is read twice at the most.
    """
    found, lost = _blocks(text, strings=True)
    return _blocks(text, strings=False)[0] if lost else found


def inline_fence(line: str, quotes: Quotes) -> int | None:
    """Return where a fence of backticks stands in a line of Python, or None.

    Python has no backticks outside strings and comments. `quotes` is the state before the line.
    """
    at = line.find("```")
    if at < 0 or quotes.inside:
        return None
    before = line[:at]
    if not any(mark in before for mark in "\"'#"):
        return at
    ends = line.rstrip()
    at = len(ends.rstrip("`"))
    if len(ends) - at < 3:
        return None
    ahead = quotes.copy()
    ahead.read(ends[:at])
    return None if ahead.inside else at


class _Reader:
    """Takes lines and keeps the blocks that end among them."""

    def __init__(self, *, strings: bool) -> None:
        self.found: list[Block] = []
        self._strings = strings
        self._kept: list[str] | None = None
        self._opened = _Opening("", "", "", "", 0)
        self._quotes = Quotes()

    def read(self, line: str, start: int) -> None:
        if self._kept is None:
            self._outside(line, start)
            return
        mark, margin = self._opened.mark, self._opened.margin
        if margin:
            line = line.removeprefix(margin).removeprefix(margin.rstrip())
        inside = self._strings and self._quotes.inside
        bare = line.strip()
        closes = not bare.strip(mark[0])
        if not inside and bare.startswith(mark) and (closes or mark[0] == "`"):
            self._close(whole=closes)
            if not closes:
                self._outside(line, start)
            return
        at = None if inside or mark != "```" else inline_fence(line, self._quotes)
        if at is not None:
            self._keep(line[:at] + "\n")
            self._close(whole=True)
        else:
            self._keep(line)

    def end(self) -> bool:
        """Return whether the text ends in a block, and there in a string."""
        if self._kept is None:
            return False
        self._close(whole=False)
        return self._strings and self._quotes.inside

    def _outside(self, line: str, start: int) -> None:
        short = _ONE_LINE.match(line)
        if short is not None:
            self.found.append(Block(short[1] + "\n", "", True, start))
            return
        opened = _opening(line, start)
        if opened is not None:
            self._opened, self._kept, self._quotes = opened, [], Quotes()
            self._keep(opened.code)

    def _keep(self, line: str) -> None:
        assert self._kept is not None
        self._kept.append(line)
        if self._strings:
            self._quotes.read(line)

    def _close(self, *, whole: bool) -> None:
        block = Block("".join(self._kept or ()), self._opened.language, whole, self._opened.start)
        self.found += [block] if block.text.strip() else []
        self._kept = None


@dataclass(frozen=True, slots=True)
class _Opening:
    mark: str
    margin: str
    """Marks of a quotation that stand before each line of the block."""
    language: str
    code: str
    """Code on the fence's own line."""
    start: int


def _blocks(text: str, *, strings: bool) -> tuple[list[Block], bool]:
    """Return the blocks, and whether the last one was lost in a string without end."""
    reader = _Reader(strings=strings)
    start = 0
    for line in LINES.findall(text):
        reader.read(line, start)
        start += len(line)
    lost = reader.end()
    return reader.found, lost


def _opening(line: str, start: int) -> _Opening | None:
    for mark in _MARKS:
        at = line.find(mark)
        if at < 0 or (mark == "~~~" and not _NESTED.match(line[:at])):
            continue
        rest = line[at:].rstrip()
        size = len(rest) - len(rest.lstrip(mark[0]))
        fence, info = mark[0] * size, rest[size:].strip()
        before = line[:at]
        margin = before if ">" in before and _NESTED.match(before) else ""
        match = _INFO.match(info)
        if match is not None and not _CODE.match(info):
            return _Opening(fence, margin, (match[1] or "").lower(), "", start)
        if mark == "```" and "`" not in info:
            return _Opening(fence, margin, "", info + "\n", start)
    return None
