"""Where strings, comments and brackets of Python end, found line by line without a parser."""

from __future__ import annotations

import re

LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
"""Lines as Python's tokenizer has them; str.splitlines knows more kinds of line break."""


class Quotes:
    """Follows Python's strings, comments and brackets from line to line."""

    def __init__(self) -> None:
        self.depth = 0
        """Brackets that are open."""
        self.unmatched = False
        """Whether a bracket was closed that had not been opened here."""
        self.goes_on = False
        """Whether the next line belongs to a string or follows a backslash."""
        self._quote = ""

    @property
    def inside(self) -> bool:
        """Whether the next character belongs to a string in triple quotes."""
        return len(self._quote) == 3

    def copy(self) -> Quotes:
        """Return the same state, to look ahead with."""
        other = Quotes()
        other.depth, other.goes_on, other._quote = self.depth, self.goes_on, self._quote
        other.unmatched = self.unmatched
        return other

    def read(self, line: str) -> None:
        """Take one line with its line break."""
        i = 0
        self.goes_on = False
        written = len(line.rstrip())
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
                self.goes_on = i + 1 >= written
            elif char in "([{":
                self.depth += 1
            elif char in ")]}":
                self.unmatched = self.unmatched or self.depth == 0
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
