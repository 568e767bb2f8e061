"""Puzzle, EPD and PGN files, sound and broken."""

from __future__ import annotations

import csv
from pathlib import Path

import chess
import pytest

from envs.chess.files import is_solution, load_epd, load_pgn, load_puzzles
from envs.chess.position import board_of
from envs.errors import InputError

HEADER = "PuzzleId,FEN,Moves,Rating,RatingDeviation,Popularity,NbPlays,Themes,GameUrl,OpeningTags\n"
ROW = (
    "0008Q,8/4R3/1p2P3/p4r2/P6p/1P3Pk1/4K3/8 w - - 1 64,e7f7 f5e5 e2f1 e5e6,1383,,,,"
    "rookEndgame short,https://lichess.org/MQSyb3KW#127,\n"
)


def write(folder: Path, text: str | bytes, name: str = "some.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_puzzle_is_read_as_lichess_means_it(tmp_path: Path) -> None:
    (puzzle,) = load_puzzles(write(tmp_path, HEADER + ROW))
    assert puzzle.id == "0008Q"
    assert puzzle.fen_before == "8/4R3/1p2P3/p4r2/P6p/1P3Pk1/4K3/8 w - - 1 64"
    assert puzzle.opponent_move == "e7f7"
    assert puzzle.task.payload["fen"] == "8/5R2/1p2P3/p4r2/P6p/1P3Pk1/4K3/8 b - - 2 64"
    assert puzzle.task.payload["moves"] == ["e7f7"]
    assert puzzle.solution == ("f5e5", "e2f1", "e5e6")
    assert puzzle.rating == 1383.0
    assert puzzle.themes == ("rookEndgame", "short")
    assert puzzle.game == "https://lichess.org/MQSyb3KW"
    assert is_solution(puzzle, "f5e5")
    assert not is_solution(puzzle, "f5f7")


@pytest.mark.parametrize("end", ["", "#12", "/black", "/black#12", "/white#"])
def test_puzzles_of_one_game_share_its_address(tmp_path: Path, end: str) -> None:
    (puzzle,) = load_puzzles(write(tmp_path, HEADER + ROW.replace("#127", end)))
    assert puzzle.game == "https://lichess.org/MQSyb3KW"


def test_any_mate_solves(tmp_path: Path) -> None:
    row = "m1,6k1/5ppp/8/8/8/p7/8/QR2R2K b - - 0 1,a3a2 e1e8,,,,,mateIn1,,\n"
    (puzzle,) = load_puzzles(write(tmp_path, HEADER + row))
    assert puzzle.rating is None and puzzle.game is None
    assert is_solution(puzzle, "e1e8") and is_solution(puzzle, "b1b8")
    assert not is_solution(puzzle, "b1b7")


def test_columns_may_be_fewer_and_reordered_and_rows_limited(tmp_path: Path) -> None:
    text = "Moves,PuzzleId,FEN\n" + "".join(
        f"e2e4 e7e5,{name},{chess.STARTING_FEN}\n" for name in "abc"
    )
    path = write(tmp_path, b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert [puzzle.id for puzzle in load_puzzles(path)] == ["a", "b", "c"]
    assert [puzzle.id for puzzle in load_puzzles(path, limit=2)] == ["a", "b"]


FEN = "8/4R3/1p2P3/p4r2/P6p/1P3Pk1/4K3/8 w - - 1 64"
BROKEN = [
    (ROW.replace(FEN, "8/8/8 w - - 0 1"), "cannot be read"),
    (ROW.replace(FEN, "8/8/8/8/8/8/8/8 w - - 0 1"), "not a legal position"),
    (ROW.replace("e7f7 ", "e7e5 "), "move 1, 'e7e5'"),
    (ROW.replace("e5e6", "e5e9"), "solution: move 3, 'e5e9'"),
    (ROW.replace("e7f7 f5e5 e2f1 e5e6", "e7f7"), "has no solution"),
    (ROW.replace("e7f7 f5e5 e2f1 e5e6", ""), "has no solution"),
    (ROW.replace("1383", "high"), "Rating 'high' is no number"),
    (ROW.replace("1383", "nan"), "Rating 'nan' is no number"),
    (ROW.replace("0008Q", ""), "PuzzleId is empty"),
    (ROW.replace(",\n", "\n"), "9 fields under 10 columns"),
    (ROW.replace(",\n", ",a,b\n"), "11 fields under 10 columns"),
    ("broken\n", "1 fields under 10 columns"),
    (ROW.replace("rookEndgame", '"rook'), "not CSV"),
]


@pytest.mark.parametrize(("row", "fault"), BROKEN)
def test_a_broken_row_is_named_by_line(tmp_path: Path, row: str, fault: str) -> None:
    path = write(tmp_path, HEADER + ROW + row)
    with pytest.raises(InputError, match=fault) as caught:
        load_puzzles(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "no column PuzzleId, FEN, Moves"),
        (b"a,b,c\n", "no column PuzzleId, FEN, Moves"),
        (HEADER.encode(), "no puzzles"),
        (b"\xff\xfe\x00P", "not UTF-8"),
        (HEADER.encode() + b"a,\x00,b\n", r":2: "),
    ],
)
def test_no_puzzle_file_is_one_line(tmp_path: Path, content: bytes, fault: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=fault) as caught:
        load_puzzles(path)
    assert str(path) in str(caught.value) and str(caught.value).isprintable()


@pytest.mark.parametrize("load", [load_puzzles, load_epd, load_pgn])
def test_files_that_cannot_be_opened(tmp_path: Path, load: object) -> None:
    assert callable(load)
    for path, fault in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "a.csv.zst", "unpack it with `zstd -d a.csv.zst`"),
    ):
        with pytest.raises(InputError, match=fault) as caught:
            load(path)
        assert str(path) in str(caught.value)


def test_the_real_lichess_file(shared_data: Path) -> None:
    path = shared_data / "lichess" / "puzzles.csv"
    puzzles = load_puzzles(path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [puzzle.id for puzzle in puzzles] == [row["PuzzleId"] for row in rows]
    assert all(len(puzzle.solution) % 2 == 1 for puzzle in puzzles)
    assert all(is_solution(puzzle, puzzle.solution[0]) for puzzle in puzzles)
    ratings = sorted(puzzle.rating for puzzle in puzzles if puzzle.rating is not None)
    assert (ratings[0], ratings[-1]) == (400, 2798)
    for puzzle in puzzles[::100]:
        board = board_of(puzzle.task)
        assert chess.Move.from_uci(puzzle.solution[0]) in board.legal_moves


def test_epd_lines_with_operations_counters_and_comments(tmp_path: Path) -> None:
    text = (
        "# Bratko-Kopec, the first two\n"
        '1k1r4/pp1b1R2/3q2pp/4p3/2B5/4Q3/PPP2B2/2K5 b - - bm Qd1+; id "BK.01";\n'
        "\n"
        '3r1k2/4npp1/1ppr3p/p6P/P2PPPP1/1NR5/5K2/2R5 w - - bm d5; hmvc 3; fmvn 40; id "BK.02";\n'
        "4k3/8/8/8/8/8/4P3/4K3 w - - 5 60\n"
        "4k3/8/8/8/8/8/4P3/4K3 w - - 5 60\n"
    )
    tasks = load_epd(write(tmp_path, text, "some.epd"))
    assert [task.payload["fen"].split(maxsplit=1)[1] for task in tasks] == [
        "b - - 0 1",
        "w - - 3 40",
        "w - - 5 60",
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("hello", "1 of EPD's 4 fields"),
        ("8/8/8/8/8/8/8/8 w - -", "not a legal position"),
        ("7k/5Q2/6K1/8/8/8/8/8 b - -", "no legal move"),
        ("4k3/8/8/8/8/8/8/4K3 w KQ - bm Kd1;", "not a legal position"),
    ],
)
def test_a_broken_epd_line_is_named(tmp_path: Path, line: str, fault: str) -> None:
    path = write(tmp_path, f"4k3/8/8/8/8/8/4P3/4K3 w - -\n{line}\n", "some.epd")
    with pytest.raises(InputError, match=fault) as caught:
        load_epd(path)
    assert str(caught.value).startswith(f"{path}:2: ")
    with pytest.raises(InputError, match="no positions"):
        load_epd(write(tmp_path, "# nothing\n", "empty.epd"))


PGN = """[Event "One"]
[Result "0-1"]

1. f3 e5 (1... d5 2. Zz9 (2. e4)) 2. g4 {a comment} Qh4# 0-1

[Event "Two"]
[SetUp "1"]
[FEN "4k3/8/8/8/8/8/4P3/4K3 w - - 0 30"]

30. e4 Kd7 *

[Event "Three"]

1. f3 e5 2. a3 *
"""


def test_pgn_gives_every_position_with_a_move_once(tmp_path: Path) -> None:
    path = write(tmp_path, PGN, "some.pgn")
    tasks = load_pgn(path)
    plies = [(task.payload["start_fen"][:6], len(task.payload["moves"])) for task in tasks]
    start, pawn = chess.STARTING_FEN[:6], "4k3/8"
    assert plies == [
        *[(start, ply) for ply in range(4)],  # the mate at ply 4 asks nothing
        *[(pawn + "/", ply) for ply in range(3)],
        (start, 3),  # ply 0 to 2 were in the first game
    ]
    for task in tasks:
        assert any(board_of(task).legal_moves)
    assert load_pgn(path, max_games=1) == tasks[:4]


@pytest.mark.parametrize(
    ("game", "fault"),
    [
        ("1. e4 e5 2. Nf6 *", "game 4: .*Nf6"),
        ("1. e4 -- 2. d4 *", "game 4: null move after 1 plies"),
        ("1. e4 $" + "9" * 5000 + " *", "game 4: "),
        ('[FEN "8/8/8/8/8/8/8/8 w - - 0 1"]\n[SetUp "1"]\n\n1. e4 *', "game 4: "),
        ('[FEN "nonsense"]\n[SetUp "1"]\n\n1. e4 *', "game 4: "),
        ('[Variant "Atomic"]\n\n1. e4 *', "game 4: variant 'Atomic'"),
        ('[Variant "Gibberish"]\n\n1. e4 *', "game 4: "),
    ],
)
def test_a_broken_game_is_named(tmp_path: Path, game: str, fault: str) -> None:
    path = write(tmp_path, f"{PGN}\n{game}\n", "some.pgn")
    with pytest.raises(InputError, match=fault) as caught:
        load_pgn(path)
    assert str(caught.value).startswith(f"{path}: ") and str(caught.value).isprintable()
    assert len(load_pgn(path, max_games=3)) == 8


@pytest.mark.parametrize("text", ["", "hello world\n", '[Event "x"]\n\n*\n'])
def test_pgn_without_positions(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="no positions"):
        load_pgn(write(tmp_path, text, "some.pgn"))


def test_deep_variations_are_passed_over(tmp_path: Path) -> None:
    text = "1. e4 " + "(1. d4 " * 5000 + ")" * 5000 + " e5 *\n"
    assert len(load_pgn(write(tmp_path, text, "some.pgn"))) == 3
