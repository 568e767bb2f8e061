"""PGN, EPD, CSV and JSONL as they are in the world: one table of files, and every reader on it."""

from __future__ import annotations

import bz2
import codecs
import gzip
import json
import lzma
import time
from collections.abc import Callable
from pathlib import Path

import chess
import pytest

from envs.chess.files import PUZZLE_COLUMNS, load_book, load_epd, load_pgn, load_puzzles
from envs.chess.pgn_file import games_of_file, games_of_text, parse_game
from envs.errors import InputError
from envs.text_files import text_lines
from selfplay.domains.chess.replay import read_pgn
from selfplay.domains.chess.score_file import scored_task
from selfplay.domains.scored import read_rows
from selfplay.leaderboard.games import read_all, text_of
from selfplay.leaderboard.shown import game_json
from selfplay.ratings.pgn import read_games
from tests.patience import computing


def tags(white: str, black: str, result: str, *more: str) -> str:
    return "".join(
        [
            '[Event "t"]\n',
            f'[White "{white}"]\n[Black "{black}"]\n[Result "{result}"]\n',
            *(f"{line}\n" for line in more),
        ]
    )


WON, LOST = tags("Jörg", "B", "1-0"), tags("B", "Jörg", "0-1")
RUY = "1. e4 e5 2. Nf3 Nc6"
PLAIN = f"{WON}\n{RUY} 1-0\n\n{LOST}\n{RUY} 0-1\n"

TABLE: dict[str, str] = {
    "as it should be": PLAIN,
    "no blank line between header and moves": f"{WON}{RUY} 1-0\n\n{LOST}{RUY} 0-1\n",
    "no blank line between games": f"{WON}\n{RUY} 1-0\n{LOST}\n{RUY} 0-1\n",
    "no blank line at all": f"{WON}{RUY} 1-0\n{LOST}{RUY} 0-1",
    "blank lines within moves": f"{WON}\n1. e4 e5\n\n2. Nf3 Nc6\n\n1-0\n\n{LOST}\n{RUY}\n\n0-1",
    "blank lines within tags": PLAIN.replace("[Black", "\n[Black"),
    "many blank lines": PLAIN.replace("\n\n", "\n \n\n\t\n"),
    "all tags in one line": PLAIN.replace("]\n[", "] ["),
    "no space between tag and value": PLAIN.replace('Event "', 'Event"'),
    "a result after the moves alone": PLAIN.replace('[Result "1-0"]\n', "").replace(
        '[Result "0-1"]', '[Result "*"]'
    ),
    "comments that hold tags": PLAIN.replace(
        "2. Nf3", '{ see\n\n[White "x"]\n[Result "1-0"]\n\n1. d4 1-0 } 2. Nf3'
    ),
    "variations that hold results": PLAIN.replace("2. Nf3", "(1... c5 (1... e6 *) 0-1) 2. Nf3"),
    "glyphs and clocks": PLAIN.replace("e5", "e5 $1 {[%clk 0:10:00] [%eval 0.2]}"),
    "line comments": PLAIN.replace("2. Nf3", '; [White "x"] 1-0 { (\n2. Nf3'),
    "escape lines": PLAIN.replace(RUY, f'% [White "x"]\n%{{\n{RUY}'),
    "quotes in a name": PLAIN.replace('"t"', '"the \\"t\\" open"'),
    "words between games": f"Games of the week\n\n{PLAIN}",
    "a comment that never ends": PLAIN.replace("Nc6 1-0", "Nc6 { and then 1-0"),
    "a damaged tag": PLAIN.replace('[Event "t"]', '[Event "t"]\n[Site "?]\n[EventDate]'),
}
"""Two games of four plies, Jörg beats B twice."""


@pytest.mark.parametrize("name", TABLE)
def test_every_reader_of_pgn_reads_the_same(name: str, tmp_path: Path) -> None:
    path = tmp_path / "g.pgn"
    path.write_text(TABLE[name], encoding="utf-8")
    rated = read_games([path])
    assert [(g.white, g.black, g.score) for g in rated.games] == [
        ("Jörg", "B", 1.0),
        ("B", "Jörg", 0.0),
    ]
    assert rated.left_out == {"unfinished": 0, "unnamed": 0, "against_itself": 0}
    board = read_all([path])
    assert board.rated == list(rated.games) and not board.left_out
    text = text_of(path)
    shown = [game_json(text[place.start : place.end]) for place in board.places]
    assert [(g["white"], g["uci"], g["broken"]) for g in shown] == [
        (white, "e2e4 e7e5 g1f3 b8c6", None) for white in ("Jörg", "B")
    ]
    assert [len(book.move_stack) for book in load_book(path)] == [4, 4]
    assert len(load_pgn(path)) == 5
    replayed = list(read_pgn(path))
    assert [len(list(game.mainline_moves())) for game, _ in replayed] == [4, 4]
    assert text.endswith("".join(own for _, own in replayed)), "nothing is left between games"


ENCODED: dict[str, Callable[[str], bytes]] = {
    "UTF-8 with a mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "UTF-16 with a mark": lambda text: text.encode("utf-16"),
    "UTF-16, the other way round": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "ISO 8859-1": lambda text: text.encode("latin-1"),
    "carriage returns and line feeds": lambda text: text.replace("\n", "\r\n").encode(),
    "carriage returns": lambda text: text.replace("\n", "\r").encode(),
    "gzip": lambda text: gzip.compress(text.encode()),
    "gzip of two parts, ISO 8859-1": lambda text: (
        gzip.compress(text.encode("latin-1")[:50]) + gzip.compress(text.encode("latin-1")[50:])
    ),
    "bzip2": lambda text: bz2.compress(text.encode("utf-16")),
    "xz": lambda text: lzma.compress(text.encode()),
}


@pytest.mark.parametrize("name", ENCODED)
def test_every_encoding_is_read_whatever_the_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / "games.txt"
    path.write_bytes(ENCODED[name](PLAIN))
    assert "".join(text_lines(path, "PGN")) == PLAIN
    assert [game.white for game in read_games([path]).games] == ["Jörg", "B"]
    assert read_all([path]).rated == list(read_games([path]).games)
    assert len(load_pgn(path)) == 5 and len(load_book(path)) == 2
    epd = tmp_path / "positions.csv"
    epd.write_bytes(ENCODED[name](f'{chess.Board().epd()} id "Jörg"; hmvc 3;\n' * 2))
    assert [task.payload["fen"] for task in load_epd(epd)] == [
        "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 3 1"
    ]
    assert len(load_book(epd)) == 1  # distinguished from PGN by its content
    puzzles = tmp_path / "puzzles.epd"
    puzzles.write_bytes(ENCODED[name](f"PuzzleId,FEN,Moves\nJörg,{chess.STARTING_FEN},e2e4 e7e5\n"))
    assert [puzzle.id for puzzle in load_puzzles(puzzles)] == ["Jörg"]


UNREAD = {
    "Zstandard": (b"\x28\xb5\x2f\xfd\x04\x00", "compressed .Zstandard.*`zstd -d g.pgn`"),
    "zip": (b"PK\x03\x04\x14\x00", "compressed .zip.*`unzip g.pgn`"),
    "gzip, cut off": (gzip.compress(PLAIN.encode() * 50)[:-30], "compressed, and damaged"),
    "gzip, changed": (gzip.compress(PLAIN.encode())[:-8] + b"12345678", "compressed, and damaged"),
    "UTF-16, cut off": (b"\xff\xfe\x00", "not UTF-8 text .utf-16"),
    "a database": (b"SQLite format 3" + bytes(range(256)) * 8 + bytes(4000), "binary data"),
}


@pytest.mark.parametrize("name", UNREAD)
def test_what_cannot_be_read_is_named_for_what_it_is(name: str, tmp_path: Path) -> None:
    content, message = UNREAD[name]
    path = tmp_path / "g.pgn"
    path.write_bytes(content)
    for read in (load_pgn, load_epd, load_puzzles, load_book, lambda p: read_games([p])):
        with pytest.raises(InputError, match=message) as caught:
            read(path)  # type: ignore[operator]
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_games_with_tags_alone_are_games(tmp_path: Path) -> None:
    """Forfeits: of each game there is nothing but its tags."""
    for name, between in (("blank", "\n"), ("none", "")):
        path = tmp_path / f"{name}.pgn"
        path.write_text(between.join([WON, LOST, WON, tags("Jörg", "B", "1/2-1/2")]))
        assert [game.score for game in read_games([path]).games] == [1.0, 0.0, 1.0, 0.5]
        assert len(read_all([path]).rated) == 4
    mixed = tmp_path / "mixed.pgn"
    mixed.write_text(f"{WON}\n{RUY} 1-0\n\n{LOST}\n{WON}\n{RUY} 1-0\n\n{LOST}")
    assert [game.score for game in read_games([mixed]).games] == [1.0, 0.0, 1.0, 0.0]
    assert len(load_pgn(mixed)) == 5


def test_results_are_read_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "g.pgn"
    written = ["1/2 - 1/2", "1/2", "½-½", "1–0", "0 - 1", "1-0 "]
    path.write_text("\n".join(tags("a", "b", result) + f"\n{RUY}\n" for result in written))
    assert [game.score for game in read_games([path]).games] == [0.5, 0.5, 0.5, 1.0, 0.0, 1.0]


def test_games_without_tags_end_with_their_results() -> None:
    games = list(games_of_text("1. e4 e5 1-0 1. d4 {x}0-1\n1. c4\n*\n"))
    assert [game.result for game in games] == ["1-0", "0-1", "*"]
    assert [len(list(parse_game(game).mainline_moves())) for game in games] == [2, 1, 1]
    assert list(games_of_text("No game in here.\n")) == []


def test_the_same_game_in_two_files_counts_once_in_every_command(tmp_path: Path) -> None:
    first, second = tmp_path / "1.pgn", tmp_path / "2.pgn.gz"
    first.write_text(PLAIN, encoding="latin-1")
    other = tags("Jörg", "B", "1/2-1/2")
    second.write_bytes(gzip.compress(f"{WON}{RUY}\n1-0\n{other}{RUY} 1/2-1/2\n".encode()))
    rated, board = read_games([first, second]), read_all([first, second])
    assert [game.score for game in rated.games] == [1.0, 0.0, 0.5]
    assert board.rated == list(rated.games)
    assert rated.left_out["repeated"] == board.left_out["repeated"] == 1
    first.write_text(PLAIN + PLAIN)
    assert len(read_games([first]).games) == 4  # within one file equal games are games


def test_hostile_text_takes_time_in_proportion(tmp_path: Path) -> None:
    for unit in ("{", "(", "[", '[A "', '{\n[Event "x"]\n', "[[[]]]\n", "1-0", ";{\n", "* "):
        for text in (unit * (200_000 // len(unit)), (unit * 500 + "\n") * 100):
            path = tmp_path / "g.pgn"
            path.write_text(text)
            begun = time.process_time()
            assert sum(1 for _ in games_of_file(path)) <= len(text)
            assert time.process_time() - begun < computing(1.0)


@pytest.mark.parametrize("value", ["Chess960", "Fischerandom", "fischer random"])
def test_chess960_is_named(value: str, tmp_path: Path) -> None:
    path = tmp_path / "g.pgn"
    path.write_text(tags("a", "b", "1-0", f'[Variant "{value}"]') + "\n1. e4 1-0\n")
    for read in (load_pgn, load_book):
        with pytest.raises(InputError, match=r"game 1: Chess960 .* is not supported"):
            read(path)  # type: ignore[operator]
    assert len(read_games([path]).games) == 1  # a result is one in any variant
    epd = tmp_path / "g.epd"
    epd.write_text("bqnbnrkr/pppppppp/8/8/8/8/PPPPPPPP/BQNBNRKR w HFhf - 0 1\n")
    with pytest.raises(InputError, match=r"g\.epd:1: .*castling rights of Chess960"):
        load_epd(epd)


@pytest.mark.parametrize(
    ("rest", "counters"),
    [
        ("", "0 1"),
        (" 5 60", "5 60"),
        (" 5 60;", "5 60"),
        (' 5 60 bm Ke2; id "x";', "5 60"),
        (" 5", "5 1"),
        (' bm Ke2; id "hmvc 7; fmvn 9;"; fmvn 40;', "0 40"),
        (' c0 "a; b"; hmvc 3; fmvn 40; c1 "fmvn 8";', "3 40"),
        (" hmvc 3;fmvn 40", "3 40"),
        (' id "never closed; hmvc 3;', "0 1"),
    ],
)
def test_counters_and_quoted_operands_of_epd(rest: str, counters: str, tmp_path: Path) -> None:
    path = tmp_path / "g.epd"
    path.write_text(f"4k3/8/8/8/8/8/4P3/4K3 w - -{rest}\n")
    (task,) = load_epd(path)
    assert task.payload["fen"] == f"4k3/8/8/8/8/8/4P3/4K3 w - - {counters}"


def test_puzzle_files_with_and_without_names_and_with_more_columns(tmp_path: Path) -> None:
    row = f"a,{chess.STARTING_FEN},e2e4 e7e5 g1f3 b8c6,1500,80,90,1000,opening short"
    long = f"{row},https://lichess.org/x#1,Ruy_Lopez Ruy_Lopez_Other,more"
    names = ",".join(PUZZLE_COLUMNS)
    files = {
        "names": f"{names}\n{row},,\n",
        "no names": f"{row}\n{row.replace('a,', 'b,', 1)}\n",
        "no names, all columns and one more": f"{long}\n",
        "more columns": f"{names},OpeningFamily\n{long}\n",
        "semicolons": f"{names};\n{row},,".replace(",", ";") + ";\n",
        "tabs": f"{names}\n{row},,\n".replace(",", "\t"),
        "spaces around names": f"{names}\n{row},,\n".replace("FEN", " FEN "),
        "a blank line first": f"\n{names}\n\n{row},,\n",
    }
    for name, text in files.items():
        path = tmp_path / "p.csv"
        path.write_text(text)
        puzzle = load_puzzles(path)[0]
        assert (puzzle.id, puzzle.rating, puzzle.themes[0]) == ("a", 1500, "opening"), name


def test_rows_to_score_are_read_with_a_mark_and_unpacked(tmp_path: Path) -> None:
    row = json.dumps({"fen": chess.STARTING_FEN, "completion": " e4 ü"}, ensure_ascii=False) + "\n"
    path = tmp_path / "in.jsonl"
    for content in (
        codecs.BOM_UTF8 + row.encode(),
        row.encode("utf-16"),
        gzip.compress(row.encode()),
    ):
        path.write_bytes(content)
        assert [found["completion"] for found, _ in read_rows(path, scored_task)] == [" e4 ü"]
    path.write_bytes(row.encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8 text"):
        list(read_rows(path, scored_task))
