"""Where what a model writes ends: a function's body, the stop "code", or a proposal, "calls"."""

from __future__ import annotations

import re

LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
"""Lines as Python's tokenizer has them; str.splitlines knows more kinds of line break."""

_INSIDE_BRACKETS = ("def ", "class ", "import ", "from ", "@", "async def ")
"""Lines that end a body even with a bracket left open: no expression goes on like this."""
_CLOSING = (")", "]", "}")
MOST_CALLS = 12
"""Calls of a proposal that are looked at."""
_STRAYS = 2
_NAME = re.compile(r"\s*(?:def\s+)?(\w+)\s*\(")


def body_end(text: str) -> int | None:
    """Return where the body ends in `text`, or None while it may still go on.

    `text` follows a function's header or docstring and begins within that last line. The body ends
    before the first line that begins at column 0 once some line of the body has been written; the
    offset is that of the line, so `text[:body_end(text)]` is the body and its blank lines. Blank
    lines, lines inside a triple-quoted string and lines inside open brackets do not end it, except
    that no bracket reaches over a new `def`, `class`, `import` or decorator. A last line of which
    nothing is written yet ends nothing.

    A sampler may call it on the text so far after each token: the answer, once given, stays.
    """
    scanner = _Scanner()
    started = False
    start = 0
    for line in LINES.findall(text):
        first = line[:1]
        column_0 = start > 0 and not first.isspace()
        if column_0 and started and not scanner.goes_on and _ends(line, scanner.depth):
            return start
        started = started or bool(line.strip())
        scanner.read(line)
        start += len(line)
    return None


def _ends(line: str, depth: int) -> bool:
    """Return whether a line at column 0 ends the body with `depth` brackets open."""
    if depth == 0:
        return True
    return not line.startswith(_CLOSING) and line.startswith(_INSIDE_BRACKETS)


def calls_end(text: str) -> int | None:
    """Return where a function and the calls behind it end in `text`, or None while they may go on.

    `text` follows `def`. The end is before the next definition or import at column 0, before the
    first of two lines in a row that are no call of the function (blank lines and comments are
    neither), or behind MOST_CALLS calls. Like `body_end`, it stays once it is given.
    """
    start = body_end(text)
    named = None if start is None else _NAME.match(text, 0, start)
    if start is None or named is None:
        return start
    calls = 0
    strays: list[int] = []
    for line in LINES.findall(text[start:]):
        if line.startswith(_INSIDE_BRACKETS):
            return strays[0] if strays else start
        written = line.removeprefix(">>>").strip()
        whole = start + len(line) < len(text)
        if whole and written.startswith(f"{named[1]}("):
            calls, strays = calls + 1, []
            if calls == MOST_CALLS:
                return start + len(line)
        elif whole and written and not written.startswith("#"):
            strays.append(start)
            if len(strays) == _STRAYS:
                return strays[0]
        start += len(line)
    return None


class _Scanner:
    """Follows strings, comments and brackets from line to line."""

    def __init__(self) -> None:
        self.depth = 0
        self.goes_on = False
        """Whether the next line belongs to a string or follows a backslash."""
        self._quote = ""

    def read(self, line: str) -> None:
        i = 0
        self.goes_on = False
        while i < len(line):
            if self._quote:
                i = self._in_string(line, i)
                continue
            char = line[i]
            if char == "#":
                break
            if char in "\"'":
                self._quote = char * 3 if line.startswith(char * 3, i) else char
                i += len(self._quote)
                continue
            if char == "\\":
                self.goes_on = not line[i + 1 :].strip()
            elif char in "([{":
                self.depth += 1
            elif char in ")]}":
                self.depth = max(0, self.depth - 1)
            i += 1
        if len(self._quote) == 1:
            self._quote = ""  # a plain string ends with its line, closed or not
        self.goes_on = self.goes_on or bool(self._quote)

    def _in_string(self, line: str, i: int) -> int:
        if line[i] == "\\":
            return i + 2
        if line.startswith(self._quote, i):
            i += len(self._quote)
            self._quote = ""
            return i
        return i + 1
