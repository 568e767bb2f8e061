"""Ratings of players over every game that they played: one fit, intervals and rank groups.

`rate` fits one Bradley-Terry model to all games, bootstraps whole pairs for the intervals and
ranks. A player who only loses has no finite rating and stands "below" the floor, one who only wins
"above" the ceiling; so does a group that only loses to (wins from) the rest, and players without a
chain of games to the rated ones are "unconnected". The model knows no advantage for White: pairs
cancel it out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from envs.errors import InputError
from selfplay.ratings.elo import NAT, bound_when_all_lost
from selfplay.ratings.fit import components, fit
from selfplay.ratings.games import Crosstable, Pair
from selfplay.ratings.intervals import bootstrap, interval

Status = Literal["rated", "below", "above", "unconnected"]


@dataclass(frozen=True, slots=True)
class PlayerRating:
    """One player's line. Elo and the ends of its 95% interval are infinite where nothing bounds it.

    A player below the floor has elo -inf, and as `high` the rating above which losing everything
    would be improbable (2.5%); above the ceiling it is the other way round. Unconnected players
    have elo NaN and no rank.
    """

    name: str
    status: Status
    elo: float
    low: float
    high: float
    rank: int | None
    games: int
    pairs: int
    points: float

    def as_dict(self) -> dict[str, Any]:
        """Return the line as JSON; what is not finite becomes None."""
        return {
            "name": self.name,
            "status": self.status,
            "elo": _finite(self.elo),
            "low": _finite(self.low),
            "high": _finite(self.high),
            "rank": self.rank,
            "games": self.games,
            "pairs": self.pairs,
            "points": self.points,
            "score": self.points / self.games,
        }


@dataclass(frozen=True, slots=True)
class Ratings:
    """The players, best first, and what they are rated against.

    `anchor` is the player whose rating is given; None where the mean of the rated players is 0.
    """

    players: tuple[PlayerRating, ...]
    anchor: str | None
    anchor_elo: float
    games: int
    pairs: int
    bootstraps: int
    seed: int
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "players": [player.as_dict() for player in self.players],
            "anchor": self.anchor,
            "anchor_elo": self.anchor_elo,
            "games": self.games,
            "pairs": self.pairs,
            "bootstraps": self.bootstraps,
            "seed": self.seed,
            "notes": list(self.notes),
        }

    def of(self, name: str) -> PlayerRating:
        """Return a player's line. Raises KeyError for an unknown one."""
        for player in self.players:
            if player.name == name:
                return player
        raise KeyError(name)


def rate(
    pairs: Sequence[Pair],
    *,
    anchor: str | None = None,
    anchor_elo: float = 0.0,
    bootstraps: int = 1000,
    seed: int = 0,
) -> Ratings:
    """Return the ratings of all players in `pairs`, repeatable under `seed`.

    Args:
        pairs: what was played; see `pair_up`.
        anchor: the player held at `anchor_elo`. Without one, and where the anchor has no finite
            distance to anybody, the mean of the largest group of comparable players is held there.
        anchor_elo: in Elo.
        bootstraps: resamples of the pairs; 0 leaves the intervals infinite.
        seed: of the resamples.

    Raises:
        InputError: no game, or the anchor played none.
        ValueError: bootstraps below 0.
    """
    if bootstraps < 0:
        raise ValueError(f"bootstraps={bootstraps} must not be negative")
    if not pairs:
        raise InputError("no finished games: give files with results of 1-0, 0-1 or 1/2-1/2")
    table = Crosstable.of(pairs)
    group, held, notes = _reference(table, anchor)
    games, points = table.meeting_sums(table.games), table.meeting_sums(table.points)
    played = table.player_sums(games, games)
    root = held if held is not None else int(group[np.argmax(played[group])])
    nats = fit(table, games[None], points[None], root)[0]
    resamples = bootstrap(table, root, nats, bootstraps, seed)
    if held is None:
        nats = nats - nats[group].mean()
        resamples = resamples - _means(resamples[:, group])[:, None]
    elos = NAT * nats + anchor_elo
    ends = [
        (anchor_elo, anchor_elo)
        if player == held
        else _ends(table, elos, NAT * resamples[:, player] + anchor_elo, player)
        for player in range(len(table.players))
    ]
    lines = _lines(table, elos, ends)
    return Ratings(
        players=lines,
        anchor=None if held is None else anchor,
        anchor_elo=anchor_elo,
        games=int(games.sum()),
        pairs=table.games.size,
        bootstraps=bootstraps,
        seed=seed,
        notes=notes,
    )


def rank_groups(ends: Sequence[tuple[float, float]]) -> list[int | None]:
    """Return each interval's rank: 1 and the number of intervals that lie wholly above it.

    Those of equal rank overlap each other, every one with every other. NaN has no rank.
    """
    lows = np.array([low for low, _ in ends])
    return [None if math.isnan(high) else 1 + int((lows > high).sum()) for _, high in ends]


def _reference(
    table: Crosstable, anchor: str | None
) -> tuple[NDArray[np.intp], int | None, tuple[str, ...]]:
    """Return the group whose ratings are finite, the anchor's index if it is in it, and notes."""
    groups = components(table)
    if anchor is None:
        return groups[0], None, ()
    if anchor not in table.players:
        known = ", ".join(table.players[:5]) + (", ..." if len(table.players) > 5 else "")
        raise InputError(f"anchor {anchor}: no such player in the games; there are {known}")
    index = table.players.index(anchor)
    group = next(group for group in groups if index in group)
    if group.size > 1 or groups[0].size == 1:
        return group, index, ()
    note = (
        f"{anchor} only wins or only loses against everybody else, so that no distance to it is "
        f"finite: the mean of {groups[0].size} comparable players is held instead"
    )
    return groups[0], None, (note,)


def _ends(
    table: Crosstable, elos: NDArray[np.float64], resampled: NDArray[np.float64], player: int
) -> tuple[float, float]:
    """Return the ends of one player's interval in Elo."""
    elo = float(elos[player])
    if math.isnan(elo):
        return math.nan, math.nan
    against, weights = _opponents(table, elos, player)
    if math.isinf(elo):
        sign = -1 if elo > 0 else 1
        bound = math.inf
        if weights.sum() > 0:
            bound = bound_when_all_lost(sign * against, weights)
        return (-math.inf, bound) if sign > 0 else (-bound, math.inf)
    return interval(elo, resampled, against, weights)


def _opponents(
    table: Crosstable, elos: NDArray[np.float64], player: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ratings of a player's rated opponents, and the pairs with each."""
    pairs = table.meeting_sums(np.ones_like(table.games))
    is_a, is_b = table.a == player, table.b == player
    against = np.concatenate([elos[table.b[is_a]], elos[table.a[is_b]]])
    weights = np.concatenate([pairs[is_a], pairs[is_b]])
    rated = np.isfinite(against)
    return against[rated], weights[rated]


def _lines(
    table: Crosstable, elos: NDArray[np.float64], ends: list[tuple[float, float]]
) -> tuple[PlayerRating, ...]:
    games, points = table.meeting_sums(table.games), table.meeting_sums(table.points)
    pairs = table.meeting_sums(np.ones_like(table.games))
    played = table.player_sums(games, games)
    scored = table.player_sums(points, games - points)
    met = table.player_sums(pairs, pairs)
    ranks = rank_groups(ends)
    lines = [
        PlayerRating(
            name=name,
            status=_status(float(elos[i])),
            elo=float(elos[i]),
            low=ends[i][0],
            high=ends[i][1],
            rank=ranks[i],
            games=int(played[i]),
            pairs=int(met[i]),
            points=float(scored[i]),
        )
        for i, name in enumerate(table.players)
    ]
    return tuple(sorted(lines, key=_order))


def _order(line: PlayerRating) -> tuple[bool, float, float, str]:
    if math.isnan(line.elo):
        return True, 0.0, 0.0, line.name
    bound = line.high if line.status == "below" else line.low
    return False, -line.elo, -bound, line.name


def _status(elo: float) -> Status:
    if math.isnan(elo):
        return "unconnected"
    if math.isinf(elo):
        return "above" if elo > 0 else "below"
    return "rated"


def _means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the finite numbers of each row; NaN where there is none."""
    finite = np.isfinite(values)
    count = finite.sum(axis=1)
    total = np.where(finite, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
