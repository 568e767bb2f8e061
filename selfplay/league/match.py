"""A match: openings played twice with colours swapped, many boards side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence

import chess

from selfplay.league.player import Player, Turn, turn_seed
from selfplay.league.referee import MatchGame, Referee

FinishedPair = tuple[MatchGame, MatchGame]


def play_pairs(
    players: tuple[Player, Player],
    openings: Sequence[chess.Board],
    done: Collection[int],
    *,
    seed: int,
    boards: int,
    referee: Referee,
) -> Iterator[FinishedPair]:
    """Play the rest of a match; yield each pair as soon as its two games have ended.

    Pair k (from 1) plays openings[k - 1]: first with players[0] as White, then the other way
    round. In every round each player answers all boards on which it is to move in one call.

    Args:
        players: A and B; any `choose` may raise EngineError or InputError, which ends the match.
        openings: unfinished boards, history kept.
        done: pairs that were played before and are not played again.
        seed: with pair, game and ply it decides every draw.
        boards: games at once, at least 2.
        referee: ends the games.
    """
    waiting = deque(pair for pair in range(1, len(openings) + 1) if pair not in done)
    active: list[FinishedPair] = []
    while waiting or active:
        while waiting and 2 * len(active) + 2 <= boards:
            active.append(_begin(waiting.popleft(), openings, referee))
        for index, player in enumerate(players):
            games = [game for pair in active for game in pair if game.ending is None]
            asked = [game for game in games if game.mover == index]
            _ask(player, asked, seed)
            for game in asked:
                referee.judge(game)
        for pair in [pair for pair in active if _ended(pair)]:
            active.remove(pair)
            yield pair


def _begin(pair: int, openings: Sequence[chess.Board], referee: Referee) -> FinishedPair:
    first, second = (MatchGame.begin(pair, number, openings[pair - 1]) for number in (1, 2))
    for game in (first, second):
        referee.judge(game)
    return first, second


def _ended(pair: FinishedPair) -> bool:
    return all(game.ending is not None for game in pair)


def _ask(player: Player, games: list[MatchGame], seed: int) -> None:
    if not games:
        return
    turns = [
        Turn(game.board, turn_seed(seed, game.pair, game.number, len(game.board.move_stack)))
        for game in games
    ]
    for game, choice in zip(games, player.choose(turns), strict=True):
        game.take(choice)
