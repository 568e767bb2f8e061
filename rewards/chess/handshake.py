"""How a UCI engine is greeted and waited for, shared by those that score and those that play."""

from __future__ import annotations

from rewards.chess.process import LineProcess, RubbishError
from rewards.chess.uci import parse_option

HANDSHAKE_LINES = 2000
"""An engine that has said more than this without `uciok` is none."""


def introduction(process: LineProcess, deadline: float) -> tuple[str, dict[str, str]]:
    """Read up to `uciok`; return the engine's name and its options with their defaults.

    `deadline` is in time.monotonic() seconds. Raises as `LineProcess.read_line` does, and
    RubbishError for what is no introduction.
    """
    name, options = "", dict[str, str]()
    for _ in range(HANDSHAKE_LINES):
        line = process.read_line(deadline)
        if line == b"uciok":
            return name or "unnamed engine", options
        if line == b"uci":
            raise RubbishError("it only repeats what it is told")
        if line.startswith(b"id name "):
            name = line[8:].decode("utf-8", "replace").strip()[:200]
        elif (option := parse_option(line)) is not None:
            options[option[0]] = option[1]
    raise RubbishError(f"no `uciok` within {HANDSHAKE_LINES} lines")


def skip_to(word: bytes, process: LineProcess, deadline: float) -> None:
    """Read lines until one is `word`; raises as `LineProcess.read_line` does."""
    while process.read_line(deadline) != word:
        continue
