"""Reading engine output without an engine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.chess.uci import DepthTable, Info, parse_info, parse_option

REAL = (
    b"info depth 3 seldepth 4 multipv 2 score cp -35 nodes 952 nps 476000 hashfull 0 tbhits 0 "
    b"time 2 pv g2g3 d7d5"
)


def test_a_real_line_is_read() -> None:
    assert parse_info(REAL) == Info(3, "g2g3", (-35, None), 952)


def test_fields_may_stand_in_any_order() -> None:
    line = b"info nodes 7 score mate -2 multipv 1 depth 12 pv e7e8q"
    assert parse_info(line) == Info(12, "e7e8q", (None, -2), 7)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"bestmove e2e4",
        b"info string depth 3 score cp 1",
        b"info depth 3 currmove e2e4 currmovenumber 1",
        b"info depth 3 score cp 20 lowerbound nodes 5 pv e2e4",
        b"info depth 3 score cp 20 upperbound nodes 5 pv e2e4",
        b"info depth 3 score cp nodes 5 pv e2e4",
        b"info depth 3 score cp 2.5 nodes 5 pv e2e4",
        b"info depth 3 score cp 99999999 nodes 5 pv e2e4",
        b"info depth 3 score mate 0 nodes 5 pv e2e4",
        b"info depth 3 score wdl 5 nodes 5 pv e2e4",
        b"info depth 0 score cp 5 nodes 5 pv e2e4",
        b"info depth -3 score cp 5 nodes 5 pv e2e4",
        b"info depth 3 score cp 5 nodes 5 pv ",
        b"info score cp 5 nodes 5 pv e2e4",
        b"info depth 3 score",
        b"info depth 3 score pv e2e4",
    ],
)
def test_what_is_no_exact_score_is_left_out(line: bytes) -> None:
    assert parse_info(line) is None


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise(line: bytes) -> None:
    table = DepthTable(["e2e4"])
    for text in (line, b"info depth 3 score cp " + line + b" pv e2e4"):
        table.add(text)
        parse_option(b"option name " + text)
    assert set(table.scores) <= {"e2e4"}


def row(depth: int, move: str, cp: int, extra: str = "") -> bytes:
    return f"info depth {depth} score cp {cp}{extra} nodes {depth} pv {move}".encode()


def test_the_last_complete_depth_wins_over_a_deeper_part() -> None:
    table = DepthTable(["a2a3", "a2a4"])
    for line in (
        row(1, "a2a3", 1),
        row(1, "a2a4", 2),
        row(2, "a2a4", 20),
        row(2, "a2a3", 10),
        row(3, "a2a3", 100),  # Nodes run out here: the engine repeats a2a4 at depth 2.
        row(2, "a2a4", 21),
        row(3, "a2a4", 99, " upperbound"),
    ):
        table.add(line)
    assert (table.depth, table.nodes) == (2, 3)
    assert table.scores == {"a2a3": (10, None), "a2a4": (20, None)}


def test_without_a_complete_depth_there_are_no_scores() -> None:
    table = DepthTable(["a2a3", "a2a4"])
    table.add(row(1, "a2a3", 1))
    table.add(row(2, "a2a4", 1))
    table.add(row(1, "h7h8", 1))
    assert (table.depth, table.scores) == (0, {})


def test_options_are_read_with_their_defaults() -> None:
    read = parse_option(b"option name EvalFile type string default nn-ad9b42354671.nnue")
    assert read == ("EvalFile", "nn-ad9b42354671.nnue")
    assert parse_option(b"option name Hash type spin default 16 min 1 max 999") == ("Hash", "16")
    assert parse_option(b"option name Clear Hash type button") == ("Clear Hash", "")
    assert parse_option(b"option name Broken") is None
    assert parse_option(b"id name Stockfish") is None
