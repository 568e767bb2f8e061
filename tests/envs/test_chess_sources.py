"""The mix of sources: shares, held-out positions, state."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import chess
import pytest

from envs import Task
from envs.chess.games import GamePool
from envs.chess.openings import random_opening
from envs.chess.position import board_of, make_task, task_key
from envs.chess.sources import TaskSource
from envs.chess.suites import heldout_keys, load_suite
from envs.errors import InputError


def tasks_of(count: int, seed: int) -> list[Task]:
    rng = random.Random(seed)
    boards = [random_opening(rng, (20, 30)) for _ in range(count)]
    return [make_task(chess.Board(board.fen())) for board in boards]


def source_of(exclude: frozenset[str] = frozenset(), **changes: Any) -> TaskSource:
    pool = GamePool(
        6,
        seed=1,
        new_game=lambda rng: random_opening(rng, (2, 6)),
        max_plies=30,
        random_move_prob=0.1,
        random_when_illegal=True,
        players=("a", "b"),
        exclude=exclude,
    )
    settings: dict[str, Any] = {
        "shares": {"selfplay": 2.0, "puzzles": 1, "epd": 1, "pgn": 0},
        "files": {"puzzles": tasks_of(7, 1), "epd": tasks_of(9, 2)},
        "seed": 5,
        "pool": pool,
    }
    settings.update(changes)
    return TaskSource(settings.pop("shares"), exclude=exclude, **settings)


def run(source: TaskSource, rounds: int) -> list[str]:
    asked = []
    for _ in range(rounds):
        for task in source.next_tasks(4):
            asked.append(task.id)
            rng = random.Random(task.id)
            moves = [move.uci() for move in board_of(task).legal_moves]
            source.advance(task.id, [rng.choice(moves)], 1)
    return asked


def test_shares_are_exact_and_files_are_dealt_round() -> None:
    asked = Counter(run(source_of(), 28))
    puzzles = [task.id for task in tasks_of(7, 1)]
    epd = [task.id for task in tasks_of(9, 2)]
    assert [asked[i] for i in puzzles] == [4] * 7  # 28 of 112 tasks, four times round
    assert sum(asked[i] for i in epd) == 28
    assert {asked[i] for i in epd} == {3, 4}
    assert sum(asked.values()) == 112


def test_same_seed_same_tasks() -> None:
    first = run(source_of(), 30)
    assert first == run(source_of(), 30)
    assert first != run(source_of(seed=6), 30)


@pytest.mark.parametrize("rounds", [0, 5, 31])
def test_state_goes_on_exactly(rounds: int) -> None:
    source, copy = source_of(), source_of()
    run(source, rounds)
    in_flight = [task.id for task in source.next_tasks(6)]
    copy.restore(json.loads(json.dumps(source.state())))
    assert [task.id for task in copy.next_tasks(6)] == in_flight
    for side in (source, copy):
        for task_id in in_flight:
            side.advance(task_id, [], 2)
    assert run(source, 25) == run(copy, 25)
    assert list(map(str, source.finished_games())) == list(map(str, copy.finished_games()))
    assert source.state() == copy.state()


def test_restoring_into_another_configuration_is_refused() -> None:
    state = source_of().state()
    with pytest.raises(InputError, match=r"chess\.puzzles: the file has changed"):
        source_of(files={"puzzles": tasks_of(7, 3), "epd": tasks_of(9, 2)}).restore(state)
    with pytest.raises(InputError, match=r"chess\.sources: saved with"):
        source_of(shares={"selfplay": 1, "puzzles": 1}).restore(state)


def test_tasks_in_flight_are_distinct_and_come_to_an_end() -> None:
    source = source_of()
    tasks = source.next_tasks(100)
    assert len(tasks) == len({task.id for task in tasks}) == 6 + 7 + 9
    assert source.next_tasks(1) == []
    file_task = next(task for task in tasks if task.id == tasks_of(7, 1)[0].id)
    source.skip(file_task.id)
    assert source.next_tasks(3) == [file_task]
    with pytest.raises(ValueError, match="not in flight"):
        source.advance("chess/none", [], 0)
    with pytest.raises(ValueError, match="not in flight"):
        source.skip("chess/none")


def test_held_out_positions_are_never_sampled() -> None:
    exclude = heldout_keys()
    early = [t for t in load_suite("chess/heldout") if len(t.payload["moves"]) == 2]
    start = early[0].payload["moves"]
    others = tasks_of(3, 4)

    def towards_heldout(rng: random.Random) -> chess.Board:
        board = chess.Board()
        board.push_uci(start[0])
        return board

    pool = GamePool(4, 0, towards_heldout, 6, 0.0, True, ("a", "b"), exclude=exclude)
    files = {"puzzles": [*load_suite("chess/games")[:5], *others]}
    source = TaskSource(
        {"selfplay": 1, "puzzles": 1}, seed=0, pool=pool, files=files, exclude=exclude
    )
    assert source.excluded == {"puzzles": 5}
    asked = []
    for _ in range(60):
        for task in source.next_tasks(4):
            asked.append(task_key(task))
            legal = [move.uci() for move in board_of(task).legal_moves]
            # Always steer into the held-out position where that is possible.
            source.advance(task.id, [start[1]] if start[1] in legal else legal, 0)
    assert not exclude & set(asked)
    assert {task_key(task) for task in others} <= set(asked)
    games = [[move.uci() for move in game.mainline_moves()] for game in source.finished_games()]
    assert any(moves[:2] == start for moves in games), "the test never came near"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"shares": {"chess": 1}}, r"chess\.sources\.chess is unknown"),
        ({"shares": {"epd": -1}}, r"chess\.sources\.epd: -1 is no share"),
        ({"shares": {"epd": float("nan")}}, "is no share"),
        ({"shares": {"epd": 0}}, "no source has a share"),
        ({"shares": {"pgn": 1}}, r"set chess\.pgn"),
        ({"shares": {"selfplay": 1}, "pool": None}, "pass a game pool"),
    ],
)
def test_bad_shares_are_one_line(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        source_of(**changes)


def test_a_file_that_is_all_held_out_is_refused() -> None:
    with pytest.raises(InputError, match="every position is held out"):
        TaskSource(
            {"epd": 1},
            seed=0,
            files={"epd": load_suite("chess/games")},
            exclude=heldout_keys(),
        )


def test_open_reads_the_files_that_have_a_share(tmp_path: Path) -> None:
    epd = tmp_path / "two.epd"
    epd.write_text("4k3/8/8/8/8/8/4P3/4K3 w - -\n4k3/8/8/8/8/8/3P4/4K3 w - -\n")
    source = TaskSource.open({"epd": 1}, seed=0, epd=epd, puzzles=tmp_path / "missing.csv")
    assert len(source.next_tasks(5)) == 2
    assert source.finished_games() == []
    with pytest.raises(InputError, match="No such file"):
        TaskSource.open({"puzzles": 1}, seed=0, puzzles=tmp_path / "missing.csv")


def test_a_game_does_not_ask_what_a_file_has_in_flight() -> None:
    start = make_task(chess.Board())
    pool = GamePool(1, 0, lambda rng: chess.Board(), 30, 0.0, True, ("a", "b"))
    source = TaskSource({"selfplay": 1, "pgn": 3}, seed=0, pool=pool, files={"pgn": [start]})
    first, second = source.next_tasks(2)
    assert first == start
    assert len(second.payload["moves"]) == 1
    source.advance(second.id, [], 0)
    source.advance(first.id, [], 0)
