"""Engines that misbehave: real processes that speak UCI badly on purpose."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rewards.chess.scorer import ChessScorer

HEAD = f"""#!{sys.executable} -S
import os, signal, sys, time
def say(text):
    sys.stdout.write(text + "\\n")
    sys.stdout.flush()
"""
POLITE = """
for line in sys.stdin:
    word = line.split()[0] if line.split() else ""
    if word == "uci":
        say("id name Bad 1.0")
        say("option name MultiPV type spin default 1 min 1 max 500")
        say("uciok")
    elif word == "isready":
        say("readyok")
    elif word == "go":
"""

MakeEngine = Callable[[str, str], Path]


@pytest.fixture
def script(tmp_path: Path) -> MakeEngine:
    """Writes an executable Python script: script(name, body)."""

    def make(name: str, body: str) -> Path:
        path = tmp_path / name
        path.write_text(HEAD + body)
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def bad_engine(script: MakeEngine) -> MakeEngine:
    """Writes an engine that greets as it should and runs `on_go` for `go`."""

    def make(name: str, on_go: str) -> Path:
        return script(name, POLITE + "".join(f"        {row}\n" for row in on_go.splitlines()))

    return make


@pytest.fixture
def scorer(stockfish: Path, tmp_path: Path) -> Iterator[ChessScorer]:
    """A real scorer with a cache of its own."""
    with ChessScorer(stockfish, nodes=1000, cache_path=tmp_path / "cache.sqlite") as made:
        yield made
