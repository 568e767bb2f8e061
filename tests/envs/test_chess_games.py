"""The pool of self-play games and its openings."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from typing import Any

import chess
import chess.pgn
import pytest

from envs import Task
from envs.chess.games import GamePool
from envs.chess.openings import balanced_opening, random_opening
from envs.chess.position import board_of, position_key, task_key
from envs.errors import InputError

NewGame = Callable[[random.Random], chess.Board]


def opening(rng: random.Random) -> chess.Board:
    return random_opening(rng, (0, 4))


def fixed(*moves: str, fen: str = chess.STARTING_FEN) -> NewGame:
    def new_game(rng: random.Random) -> chess.Board:
        board = chess.Board(fen)
        for move in moves:
            board.push_san(move)
        return board

    return new_game


def pool_of(boards: int = 6, new_game: NewGame = opening, **changes: Any) -> GamePool:
    settings: dict[str, Any] = {
        "seed": 3,
        "max_plies": 24,
        "random_move_prob": 0.2,
        "random_when_illegal": True,
        "players": ("student", "student"),
    }
    return GamePool(boards, new_game=new_game, **{**settings, **changes})


def answers(task: Task) -> list[str]:
    """A policy that is a function of the task: some tasks get no legal answer."""
    rng = random.Random(task.id)
    moves = [move.uci() for move in board_of(task).legal_moves]
    return [rng.choice(moves) for _ in range(rng.randint(0, 3))]


def run(pool: GamePool, rounds: int, version: int = 0) -> list[str]:
    asked = []
    for number in range(rounds):
        tasks = pool.next_tasks(4)
        for task in tasks:
            asked.append(task.id)
            pool.advance(task.id, answers(task), version + number)
    return asked


def texts(games: list[chess.pgn.Game]) -> list[str]:
    for game in games:
        game.headers["Date"] = "????.??.??"
    return [str(game) for game in games]


def test_same_seed_same_games_other_seed_others() -> None:
    first, second, other = pool_of(), pool_of(), pool_of(seed=4)
    asked = run(first, 60)
    assert asked == run(second, 60)
    assert asked != run(other, 60)
    games = texts(first.finished())
    assert len(games) > 5
    assert games == texts(second.finished())
    assert first.finished() == []


def test_games_do_not_depend_on_the_order_of_answers() -> None:
    forward, backward = pool_of(), pool_of()
    for _ in range(40):
        tasks = forward.next_tasks(6)
        assert {t.id for t in tasks} == {t.id for t in backward.next_tasks(6)}
        for task in tasks:
            forward.advance(task.id, answers(task), 1)
        for task in reversed(tasks):
            backward.advance(task.id, answers(task), 1)
    assert sorted(texts(forward.finished())) == sorted(texts(backward.finished()))


@pytest.mark.parametrize("rounds", [0, 7, 45])
def test_state_goes_on_exactly(rounds: int) -> None:
    pool = pool_of()
    run(pool, rounds)
    in_flight = [task.id for task in pool.next_tasks(3)]
    state = json.loads(json.dumps(pool.state()))
    copy = pool_of()
    copy.restore(state)
    again = [task.id for task in copy.next_tasks(3)]
    assert again == in_flight  # what was in flight is asked again, first and in order
    for side in (pool, copy):
        for task_id in in_flight:
            side.advance(task_id, [], 9)
    assert run(pool, 50, 10) == run(copy, 50, 10)
    assert texts(pool.finished()) == texts(copy.finished())
    assert pool.state() == copy.state()


def test_state_of_another_pool_is_refused() -> None:
    state = pool_of().state()
    with pytest.raises(InputError, match="6 boards"):
        pool_of(boards=5).restore(state)
    with pytest.raises(InputError, match="seed 3"):
        pool_of(seed=1).restore(state)


def test_round_robin_each_board_once_in_flight() -> None:
    pool = pool_of(boards=5, new_game=lambda rng: random_opening(rng, (6, 6)))
    first = pool.next_tasks(3)
    rest = pool.next_tasks(9)
    assert (len(first), len(rest)) == (3, 2)
    assert len({task.id for task in first + rest}) == 5
    assert pool.next_tasks(1) == []
    pool.skip(first[1].id)
    assert pool.next_tasks(2) == [first[1]]
    with pytest.raises(ValueError, match="not in flight"):
        pool.skip("chess/none")
    with pytest.raises(ValueError, match="not in flight"):
        pool.advance("chess/none", [], 0)


def test_equal_boards_are_set_apart() -> None:
    tasks = pool_of(boards=30, new_game=fixed()).next_tasks(30)
    assert len({task.id for task in tasks}) == 30


def test_plays_one_of_the_sampled_moves() -> None:
    pool = pool_of(boards=1, new_game=fixed(), random_move_prob=0.0)
    played = set()
    for _ in range(8):
        (task,) = pool.next_tasks(1)
        moves = [move.uci() for move in board_of(task).legal_moves][:2]
        pool.advance(task.id, moves, 0)
        (after,) = pool.next_tasks(1)
        move = after.payload["moves"][-1]
        assert move in moves
        played.add(moves.index(move))
        pool.skip(after.id)
    assert played == {0, 1}


def test_random_move_probability_is_kept() -> None:
    pool = pool_of(boards=1, new_game=fixed(), random_move_prob=0.25, max_plies=400)
    for _ in range(400):
        (task,) = pool.next_tasks(1)
        pool.advance(task.id, [next(iter(board_of(task).legal_moves)).uci()], 0)
    under_way = pool.state()["games"][0]
    chance = 0 if under_way is None else len(under_way["chance_plies"])
    chance += "".join(map(str, pool.finished())).count("{ random }")
    assert 70 < chance < 130  # mean 100, deviation 8.7


def test_illegal_answers_draw_a_random_move_or_lose() -> None:
    lenient = pool_of(boards=1, new_game=fixed())
    (task,) = lenient.next_tasks(1)
    lenient.advance(task.id, [], 0)
    assert lenient.finished() == []
    assert len(lenient.next_tasks(1)[0].payload["moves"]) == 1
    strict = pool_of(boards=1, new_game=fixed("e4"), random_when_illegal=False)
    (task,) = strict.next_tasks(1)
    strict.advance(task.id, [], 7)
    (game,) = strict.finished()
    assert game.headers["Result"] == "1-0"
    assert game.headers["Termination"] == "illegal move"
    assert game.headers["BlackVersion"] == "v000007"
    assert game.headers["WhiteVersion"] == "?"


def test_an_answer_that_is_not_legal_is_a_caller_s_error_and_changes_nothing() -> None:
    pool = pool_of(boards=1, new_game=fixed())
    (task,) = pool.next_tasks(1)
    before = pool.state()
    for bad in ("e2e5", "0000", "hello"):
        with pytest.raises(ValueError):
            pool.advance(task.id, ["e2e4", bad], 0)
    assert pool.state() == before


QUIET = "e4 e5 Nf3 Nc6 Bc4 Bc5 O-O Nf6 d3 d6 a3 a6 h3 h6 Nc3 O-O Be3 Be6 Re1 Re8 Qd2 Qd7 Ba2"

ENDINGS = [
    (fixed("f3", "e5", "g4"), ["d8h4"], "0-1", "checkmate"),
    (fixed(fen="7k/5Q2/8/8/8/8/8/K7 w - - 0 1"), ["f7f6", "h8h7", "f6f7", "h7h8", "f7g6"],
     "1/2-1/2", "stalemate"),
    (fixed("Nf3", "Nf6", "Ng1", "Ng8", "Nf3", "Nf6", "Ng1"), ["f6g8"], "1/2-1/2",
     "threefold repetition"),
    (fixed(fen="4k3/8/8/8/8/8/8/R3K3 w - - 99 80"), ["a1b1"], "1/2-1/2", "fifty moves"),
    (fixed(fen="4k3/8/8/8/8/8/3p4/4K3 w - - 0 80"), ["e1d2"], "1/2-1/2", "insufficient material"),
    (fixed(*QUIET.split()), ["a8d8"], "*", "max plies"),
]  # fmt: skip


@pytest.mark.parametrize(("new_game", "moves", "result", "termination"), ENDINGS)
def test_endings_and_headers(
    new_game: NewGame, moves: list[str], result: str, termination: str
) -> None:
    pool = pool_of(1, new_game, random_move_prob=0.0, players=("alpha", "beta"))
    for move in moves:
        (task,) = pool.next_tasks(1)
        assert pool.finished() == []
        pool.advance(task.id, [move], 12)
    (game,) = pool.finished()
    start = new_game(random.Random(0))
    assert game.headers["Result"] == result
    assert game.headers["Termination"] == termination
    assert (game.headers["White"], game.headers["Black"]) == ("alpha", "beta")
    assert (game.headers["Event"], game.headers["Round"]) == ("self-play", "1.1")
    assert game.headers["PlyCount"] == str(len(start.move_stack) + len(moves))
    mover = "White" if start.turn == chess.WHITE else "Black"
    assert game.headers[f"{mover}Version"] == "v000012"
    standard = start.root().fen() == chess.STARTING_FEN
    assert ("FEN" in game.headers, "SetUp" in game.headers) == (not standard, not standard)
    read = chess.pgn.read_game(io.StringIO(str(game)))
    assert read is not None and not read.errors
    assert [m.uci() for m in read.mainline_moves()][-len(moves) :] == moves
    (task,) = pool.next_tasks(1)
    assert task.payload["fen"] == start.fen()


def test_held_out_positions_are_passed_over() -> None:
    open_pool = pool_of(boards=8, seed=11, new_game=fixed())
    seen = {task_key(task) for _ in range(30) for task in advance_all(open_pool)}
    exclude = frozenset(sorted(seen)[::2]) | {position_key(chess.Board())}
    pool = pool_of(boards=8, seed=11, new_game=fixed(), exclude=exclude)
    asked = [task_key(task) for _ in range(30) for task in advance_all(pool)]
    assert len(asked) == 240
    assert not exclude & set(asked)
    assert seen & set(asked)


def advance_all(pool: GamePool) -> list[Task]:
    tasks = pool.next_tasks(8)
    for task in tasks:
        pool.advance(task.id, answers(task), 0)
    return tasks


def test_a_pool_with_nothing_left_says_so() -> None:
    only = "k7/8/K7/8/8/8/8/7R b - - 0 1"
    board = chess.Board(only)
    keys = {position_key(board)}
    for move in board.legal_moves:
        board.push(move)
        keys.add(position_key(board))
        board.pop()
    pool = pool_of(1, fixed(fen=only), max_plies=2, exclude=frozenset(keys))
    with pytest.raises(InputError, match="1000 positions in a row"):
        pool.next_tasks(1)


@pytest.mark.parametrize("change", [{"boards": 0}, {"max_plies": 0}, {"random_move_prob": 1.5}])
def test_numbers_out_of_range_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="game pool"):
        pool_of(**change)


def test_random_openings_keep_their_range_and_history() -> None:
    rng = random.Random(5)
    boards = [random_opening(rng, (2, 5)) for _ in range(200)]
    assert {len(board.move_stack) for board in boards} == {2, 3, 4, 5}
    assert all(board.root().fen() == chess.STARTING_FEN for board in boards)
    assert not any(board.is_game_over() for board in boards)
    with pytest.raises(InputError, match="no range"):
        random_opening(rng, (5, 2))
    with pytest.raises(InputError, match="outlast"):
        random_opening(rng, (20_000, 20_000))


def test_balanced_opening_takes_the_first_balanced_or_the_nearest() -> None:
    def share_of_white(board: chess.Board) -> float:
        count = board.legal_moves.count()
        return count / 100

    rng = random.Random(1)
    for _ in range(20):
        board = balanced_opening(rng, (4, 8), share_of_white, max_gap=0.3)
        assert abs(share_of_white(board) - 0.5) <= 0.3
    same = random.Random(2)
    drawn = [random_opening(same, (4, 8)) for _ in range(10)]
    nearest = balanced_opening(random.Random(2), (4, 8), share_of_white, max_gap=0.0, tries=10)
    assert abs(share_of_white(nearest) - 0.5) == min(abs(share_of_white(b) - 0.5) for b in drawn)

    def never(board: chess.Board) -> float:
        raise AssertionError("screened although max_gap is 0.5")

    assert balanced_opening(random.Random(2), (4, 8), never, 0.5).fen() == drawn[0].fen()
    with pytest.raises(InputError, match="tries=0"):
        balanced_opening(rng, (4, 8), share_of_white, 0.1, tries=0)
