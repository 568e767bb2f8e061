"""Where what a model writes ends: a function's body, the stop "code", or a proposal, "calls"."""

from __future__ import annotations

import re

from envs.quotes import LINES, Quotes

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
    scanner = Quotes()
    started = False
    start = 0
    for line in LINES.findall(text):
        first = line[:1]
        column_0 = start > 0 and not first.isspace()
        if column_0 and started and not scanner.goes_on and _ends(line, scanner):
            return start
        started = started or bool(line.strip())
        scanner.read(line)
        start += len(line)
    return None


def _ends(line: str, before: Quotes) -> bool:
    """Return whether a line at column 0 ends the body; `before` is the state in front of it."""
    if before.depth == 0:
        # After `def name(` the text begins inside a bracket, whose end may have a line of its own.
        return before.unmatched or not line.startswith(")")
    return not line.startswith(_CLOSING) and line.startswith(_INSIDE_BRACKETS)


def calls_end(text: str) -> int | None:
    """Return where a function and the calls after it end in `text`, or None while they may go on.

    `text` follows `def`. The end is before the next definition or import at column 0, before the
    first of two lines in a row that are no call of the function (blank lines and comments are
    neither), or after MOST_CALLS calls. Like `body_end`, it stays once it is given.
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
