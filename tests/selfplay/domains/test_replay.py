"""Self-play games, from a real pool, against the answers and the seed that made them."""

from __future__ import annotations

import io
import random
from collections import defaultdict

import chess
import chess.pgn
import pytest

from envs import Task
from envs.chess.games import GamePool
from envs.chess.openings import random_opening
from envs.chess.position import board_of
from selfplay.config.run import RunConfig
from selfplay.domains.chess import replay as games

CONFIG = RunConfig.model_validate(
    {"seed": 3, "chess": {"max_plies": 24, "random_move_prob": 0.2, "boards": 5}}
)
Legal = dict[str, list[list[str]]]


def answers(task: Task) -> list[str]:
    """A policy that is a function of the task: some tasks get no legal answer."""
    rng = random.Random(task.id)
    moves = [move.uci() for move in board_of(task).legal_moves]
    return [rng.choice(moves) for _ in range(rng.randint(0, 3))]


@pytest.fixture(scope="module")
def played() -> tuple[list[chess.pgn.Game], Legal, GamePool]:
    """Finished games as they stand in a file, the answers stored for them, and the pool."""
    chess_config = CONFIG.chess
    pool = GamePool(
        chess_config.boards,
        CONFIG.seed,
        lambda rng: random_opening(rng, (0, 4)),
        chess_config.max_plies,
        chess_config.random_move_prob,
        chess_config.random_when_illegal,
        ("student", "student"),
    )
    legal: Legal = defaultdict(list)
    ended: list[chess.pgn.Game] = []
    for version in range(60):
        for task in pool.next_tasks(4):
            legal[task.id].append(answers(task))
            pool.advance(task.id, legal[task.id][-1], version)
        ended += pool.finished()
    file = io.StringIO("\n\n".join(str(game) for game in ended) + "\n")
    read = []
    while (game := chess.pgn.read_game(file)) is not None:
        read.append(game)
    return read, legal, pool


Played = tuple[list[chess.pgn.Game], Legal, GamePool]


def test_games_of_a_pool_agree(played: Played) -> None:
    read, legal, _ = played
    assert len(read) > 5
    for game in read:
        assert games.check_text("f", "g", game, f"{game}\n") == []
        assert games.check_ending("f", "g", game, CONFIG) == []
        assert games.check_moves("f", "g", game, legal, CONFIG) == []


def test_a_move_that_was_not_played_is_found(played: Played) -> None:
    read, legal, _ = played
    found = 0
    for game in read:
        last = game.end()
        assert last.parent is not None
        board = last.parent.board()
        other = next(move for move in board.legal_moves if move != last.move)
        old, last.move = last.move, other
        found += bool(games.check_moves("f", "g", game, legal, CONFIG))
        last.move = old
    # Now and then the other move is the one by which a held-out position would be passed over.
    assert found >= len(read) - 2


def test_answers_that_are_not_stored_or_of_another_seed_are_found(played: Played) -> None:
    read, legal, _ = played
    other = CONFIG.model_copy(update={"seed": 4})
    assert all(games.check_moves("f", "g", game, {}, CONFIG) for game in read)
    assert all(games.check_moves("f", "g", game, legal, other) for game in read)


@pytest.mark.parametrize("tag, value", [("Result", "1-0"), ("Termination", "checkmate")])
def test_a_result_that_the_board_does_not_give_is_found(
    played: Played, tag: str, value: str
) -> None:
    game = next(game for game in played[0] if game.headers["Termination"] == "max plies")
    kept = game.headers[tag]
    game.headers[tag] = value
    [found] = games.check_ending("f", "g", game, CONFIG)
    assert found.place == f"g.{tag}" and found.stored == value and found.recomputed == kept
    game.headers[tag] = kept


def test_the_result_after_the_moves_must_be_that_of_the_tags(played: Played) -> None:
    game = played[0][0]
    text = str(game)
    assert games.check_text("f", "g", game, text.rpartition(" ")[0] + " 0-1\n")
    shorter = chess.pgn.read_game(io.StringIO('[Result "1-0"]\n[PlyCount "2"]\n\n1. e4 1-0\n'))
    illegal = chess.pgn.read_game(io.StringIO("1. e4 Ke4 *\n"))
    assert shorter is not None and illegal is not None
    assert [d.place for d in games.check_text("f", "g", shorter, "1. e4 1-0")] == ["g.PlyCount"]
    assert "illegal" in games.check_text("f", "g", illegal, "1. e4 Ke4 *")[0].line()


def test_missing_and_repeated_games_are_found(played: Played) -> None:
    read, _, pool = played
    rounds = [game.headers["Round"] for game in read]
    state = games.pool_state({"pool": pool.state()})
    assert games.check_rounds(rounds, state, "v000060") == []
    assert [d.place for d in games.check_rounds(rounds[1:], state, "c")] == [
        f"game of Round {rounds[0]}"
    ]
    assert games.check_rounds([*rounds, rounds[0]], state, "c")
    assert games.pool_state({}) is None
