"""games/*.pgn: every self-play game replayed, from its start to what the rollouts made of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import chess
import chess.pgn

from envs.chess.openings import random_move
from envs.chess.pgn import game_result
from envs.chess.pgn_file import games_of_text, parse_game
from envs.chess.position import make_task
from envs.text_files import read_text
from selfplay.config.run import RunConfig
from selfplay.domains.base import drawn_results, has_infra_error
from selfplay.domains.chess.config import ChessConfig
from selfplay.domains.chess.evaluation import moves_of
from selfplay.domains.differences import Difference, named_differences
from selfplay.records import Group

OPENING = "end of opening"
RANDOM = "random"
ILLEGAL = "illegal move"

Answers = Mapping[str, Sequence[Sequence[str]]]
"""Task id -> the legal moves (UCI) that were drawn for it, in order, each time it was asked."""


def read_pgn(path: Path) -> Iterator[tuple[chess.pgn.Game, str]]:
    """Yield the games of a PGN file, each with its own text. Raises OSError and ValueError."""
    text = read_text(path, "PGN")
    for game in games_of_text(text):
        yield parse_game(game), text[game.start : game.end]


def legal_answers(groups: Sequence[Group]) -> Iterator[tuple[str, list[str]]]:
    """Yield what a game may have gone on with: task id and the legal moves drawn for it."""
    for group in groups:
        if group.task.domain == "chess" and not has_infra_error(group):
            yield group.task.id, moves_of(drawn_results([group]))


def check_text(file: str, place: str, game: chess.pgn.Game, text: str) -> list[Difference]:
    """Check that a game's moves are legal and that its text ends with the result of its tags."""
    found = [
        Difference.words(file, place, "illegal moves", str(error)) for error in game.errors[:1]
    ]
    plies = sum(1 for _ in game.mainline())
    stored = {
        "PlyCount": game.headers.get("PlyCount"),
        "result after the moves": (text.split() or [""])[-1],
    }
    due = {"PlyCount": str(plies), "result after the moves": game.headers.get("Result")}
    return found or named_differences(file, stored, due, place)


def check_ending(
    file: str, place: str, game: chess.pgn.Game, config: RunConfig
) -> list[Difference]:
    """Check a self-play game's result and termination on its last board, and on none before."""
    board, limit = game.board(), config.section(ChessConfig).max_plies
    ended: tuple[str, str] | None = None
    opening = opening_plies(game)
    for ply, node in enumerate(game.mainline()):
        if ended is not None:
            return [Difference.words(file, f"{place}, ply {ply}", "goes on", f"over: {ended[1]}")]
        board.push(node.move)
        ended = game_result(board, limit) if ply >= opening else None
    headers = game.headers
    stored = {key: headers.get(key) for key in ("Result", "Termination")}
    if stored["Termination"] == ILLEGAL and not config.section(ChessConfig).random_when_illegal:
        ended = "0-1" if board.turn == chess.WHITE else "1-0", ILLEGAL
    due = dict(zip(stored, ended or ("*", "none: the game is not over"), strict=True))
    return named_differences(file, stored, due, place)


def opening_plies(game: chess.pgn.Game) -> int:
    """Return how many plies come before the policy's, from the comment that ends them."""
    for ply, node in enumerate(game.mainline()):
        if node.comment == OPENING:
            return ply + 1
    return 0


def check_moves(
    file: str, place: str, game: chess.pgn.Game, answers: Answers, config: RunConfig
) -> list[Difference]:
    """Check that each move is what the stored answers and the run's seed make of its position.

    A position is asked, and goes on with one of the answers or with a random move, or it is passed
    over by a random move (GamePool); every draw is seeded by board, game and ply. An opponent's
    moves follow from another model, so of them only those that chance made are checked.
    """
    slot, _, count = game.headers.get("Round", "").partition(".")
    if not (slot.isdecimal() and count.isdecimal()):
        return [
            Difference.words(file, f"{place}, Round", game.headers.get("Round", "?"), "board.game")
        ]
    key = f"{config.seed}/{int(slot) - 1}/{int(count)}"
    board, opening = game.board(), opening_plies(game)
    opponent = {"White": chess.WHITE, "Black": chess.BLACK}.get(game.headers.get("Opponent", ""))
    for ply, node in enumerate(game.mainline()):
        if ply >= opening:
            played = node.move.uci() + (" (random)" if node.comment == RANDOM else "")
            if board.turn == opponent:
                moves = {by_chance(board, f"{key}/{ply}")} if node.comment == RANDOM else {played}
            else:
                asked = answers.get(make_task(board).id, ())
                moves = possible(board, f"{key}/{ply}", asked, config)
            if played not in moves:
                due = " or ".join(sorted(moves))
                return [Difference.words(file, f"{place}, ply {ply + 1}", played, due)]
        board.push(node.move)
    return []


def possible(
    board: chess.Board, key: str, asked: Sequence[Sequence[str]], config: RunConfig
) -> set[str]:
    """Return the moves that a game may have gone on with; see GamePool.advance."""
    moves = {f"{random_move(board, random.Random(f'{key}/pass')).uci()} (random)"}
    for legal in asked:
        rng = random.Random(f"{key}/move")
        if not legal or rng.random() < config.section(ChessConfig).random_move_prob:
            moves.add(f"{random_move(board, rng).uci()} (random)")
        else:
            moves.add(rng.choice(list(legal)))
    return moves


def by_chance(board: chess.Board, key: str) -> str:
    """Return the move of an opponent that found none; see GamePool's answers of opponents."""
    rng = random.Random(f"{key}/answer")
    rng.getrandbits(62)
    return f"{random_move(board, rng).uci()} (random)"


def check_rounds(
    rounds: Sequence[str], state: Mapping[str, Any] | None, where: str
) -> list[Difference]:
    """Check that the finished games are those that the saved state of the games counts.

    Args:
        rounds: `Round` of every game up to the checkpoint, as "board.game".
        state: the state of the game pool in the checkpoint's source.json; None without one.
        where: the checkpoint, for the message.
    """
    if state is None:
        return []
    due: Counter[str] = Counter()
    for slot, (count, game) in enumerate(zip(state["counts"], state["games"], strict=True), 1):
        ended = count if game is None else count - 1
        due.update(f"{slot}.{number}" for number in range(1, ended + 1))
    found = Counter(rounds)
    return [
        Difference.words(
            "games", f"game of Round {name}", f"{found[name]} times", f"{due[name]} ({where})"
        )
        for name in sorted({*found, *due})
        if found[name] != due[name]
    ]


def pool_state(source: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the state of the game pool in that of chess's source, if games were played."""
    state = source.get("pool")
    return state if state and not state["finished"] else None


def files_until(names: Collection[Path], step: int) -> list[Path]:
    """Return the files of games that ended by `step`; a second file of a step has a number."""
    return [path for path in sorted(names) if int(path.name[5:11]) <= step]
