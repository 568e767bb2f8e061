"""Games, and the pairs that they form: one opening played twice with colours swapped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Game:
    """One finished game. `score` is White's: 1, 0.5 or 0.

    What identifies the opening is optional: `opening` (a FEN; empty for the usual start), `round`
    (as in the PGN's tag; empty where unknown) and `source` (the file, within which rounds count).
    """

    white: str
    black: str
    score: float
    opening: str = ""
    round: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """What is counted as one observation: two games of one opening, or one without partner.

    `points` are those of `first`, who plays White in the first of the games; each game gives 1.
    """

    first: str
    second: str
    games: int
    points: float


def pair_up(games: Iterable[Game]) -> list[Pair]:
    """Return the games as pairs, each game in one; those without partner stand alone.

    Partners have the same players with colours swapped and the same opening. Among them those of
    one round of one source come first (fastchess numbers rounds so; of "3.1" and "3.2" the round
    is 3), then any, always in the order of the games. That is also how a file with neither rounds
    nor openings is paired: the k-th game with the colours one way and the k-th the other way.

    Raises ValueError for a score other than 0, 0.5 and 1, and for a player against themselves.
    """
    by_players: dict[tuple[str, str], list[Game]] = defaultdict(list)
    for game in games:
        if game.score not in (0, 0.5, 1):
            raise ValueError(f"score {game.score} of {game.white} - {game.black}: 0, 0.5 or 1")
        if game.white == game.black:
            raise ValueError(f"{game.white} plays against itself, which says nothing")
        low, high = sorted((game.white, game.black))
        by_players[low, high].append(game)
    return [pair for theirs in by_players.values() for pair in _pair_up_two(theirs)]


def pentanomial(
    pairs: Iterable[Pair], player: str, opponent: str | None = None
) -> tuple[tuple[int, int, int, int, int], int]:
    """Return the counts of `player`'s pair results, worst first, and how many games had no partner.

    The five are 0, 1/2, 1, 3/2 and 2 points. `opponent` leaves the others out.
    """
    counts = [0, 0, 0, 0, 0]
    alone = 0
    for pair in pairs:
        if player not in (pair.first, pair.second):
            continue
        if opponent is not None and opponent not in (pair.first, pair.second):
            continue
        if pair.games == 1:
            alone += 1
            continue
        points = pair.points if pair.first == player else 2 - pair.points
        counts[round(2 * points)] += 1
    return (counts[0], counts[1], counts[2], counts[3], counts[4]), alone


@dataclass(frozen=True, slots=True)
class Sides:
    """Meetings seen from each of their players; shape (2 · meetings,), grouped by that player.

    Attributes:
        other: the opponent.
        meeting: index of the meeting.
        is_a: whether the player is the meeting's a.
        begin: shape (players,), where each player's meetings begin; everybody has one.
    """

    other: NDArray[np.intp]
    meeting: NDArray[np.intp]
    is_a: NDArray[np.bool_]
    begin: NDArray[np.intp]

    def of(self, player: int) -> slice:
        """Return where a player's meetings stand."""
        end = self.begin[player + 1] if player + 1 < len(self.begin) else len(self.other)
        return slice(int(self.begin[player]), int(end))


@dataclass(frozen=True)
class Crosstable:
    """Pairs as arrays, sorted by who played whom; a *meeting* is two players with games.

    Attributes:
        players: their names, sorted; indices below count from 0.
        a, b: shape (meetings,), the two players, a < b.
        start: shape (meetings,), where each meeting's pairs begin in the arrays below.
        games: shape (pairs,), the games of each pair, 1 or 2.
        points: shape (pairs,), a's points in them.
    """

    players: tuple[str, ...]
    a: NDArray[np.intp]
    b: NDArray[np.intp]
    start: NDArray[np.intp]
    games: NDArray[np.float64]
    points: NDArray[np.float64]

    @classmethod
    def of(cls, pairs: Sequence[Pair]) -> Crosstable:
        """Return the crosstable of `pairs`. Raises ValueError where there is none."""
        if not pairs:
            raise ValueError("no games: nothing to rate")
        players = tuple(sorted({name for pair in pairs for name in (pair.first, pair.second)}))
        index = {name: i for i, name in enumerate(players)}
        first = np.array([index[pair.first] for pair in pairs], dtype=np.intp)
        second = np.array([index[pair.second] for pair in pairs], dtype=np.intp)
        games = np.array([pair.games for pair in pairs], dtype=np.float64)
        points = np.array([pair.points for pair in pairs], dtype=np.float64)
        points = np.where(first < second, points, games - points)
        meeting = np.minimum(first, second) * len(players) + np.maximum(first, second)
        order = np.argsort(meeting, kind="stable")
        distinct, begin = np.unique(meeting[order], return_index=True)
        a, b = np.divmod(distinct, len(players))
        return cls(players, a, b, begin, games[order], points[order])

    @cached_property
    def sides(self) -> Sides:
        """Each meeting once for either player, sorted by the player: what sums over players use."""
        owner, other = np.concatenate([self.a, self.b]), np.concatenate([self.b, self.a])
        order = np.argsort(owner, kind="stable")
        begin = np.searchsorted(owner[order], np.arange(len(self.players)))
        return Sides(other[order], order % len(self.a), order < len(self.a), begin)

    @cached_property
    def meeting_pairs(self) -> NDArray[np.float64]:
        """Shape (meetings,): how many pairs each has."""
        return self.meeting_sums(np.ones_like(self.games))

    @cached_property
    def near_blocks(self) -> NDArray[np.intp]:
        """Shape (players,): blocks of twenty or more players near each other, 200 at the most."""
        return self.blocks(max(1, min(200, len(self.players) // 20)))

    def blocks(self, most: int) -> NDArray[np.intp]:
        """Return a block for each player, `most` at the most: those of one are near each other.

        Players in the order of their distance, in games, from somebody at an edge of the list.
        """
        sides, size = self.sides, len(self.players)
        far = np.zeros(size, dtype=np.intp)
        for _ in range(2):  # whoever is farthest from anybody is at an edge
            start, far = int(np.argmax(far)), np.full(size, -1, dtype=np.intp)
            far[start] = distance = 0
            reached = np.array([start])
            while reached.size:
                distance += 1
                beside = np.unique(np.concatenate([sides.other[sides.of(i)] for i in reached]))
                reached = beside[far[beside] < 0]
                far[reached] = distance
        order = np.argsort(far, kind="stable")
        block = np.empty(size, dtype=np.intp)
        block[order] = np.arange(size) * min(most, size) // size
        return block

    def meeting_sums(self, per_pair: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return sums over the pairs of each meeting, along the last axis."""
        sums: NDArray[np.float64] = np.add.reduceat(per_pair, self.start, axis=-1)
        return sums

    def player_sums(
        self, of_a: NDArray[np.float64], of_b: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return for each player the sum over their meetings of what is theirs."""
        size = len(self.players)
        sums = np.bincount(self.a, of_a, size) + np.bincount(self.b, of_b, size)
        return sums.astype(np.float64)


def _pair_up_two(games: list[Game]) -> Iterator[Pair]:
    """Pair the games of two players; see `pair_up`."""
    rules: tuple[Callable[[Game], Hashable], ...] = (
        lambda game: (game.source, _round(game), game.opening),
        lambda game: game.opening,
    )
    left = dict(enumerate(games))
    found: list[tuple[int, Pair]] = []
    for rule in rules:
        waiting: dict[Hashable, list[int]] = defaultdict(list)
        for number, game in list(left.items()):
            partner = waiting[game.black, rule(game)]
            if partner:
                earlier = partner.pop(0)
                found.append((earlier, _joined(left.pop(earlier), left.pop(number))))
            else:
                waiting[game.white, rule(game)].append(number)
    found += [(number, Pair(g.white, g.black, 1, g.score)) for number, g in left.items()]
    return (pair for _, pair in sorted(found, key=lambda item: item[0]))


def _joined(game: Game, returned: Game) -> Pair:
    return Pair(game.white, game.black, 2, game.score + 1 - returned.score)


def _round(game: Game) -> str:
    return game.round.rpartition(".")[0] or game.round
