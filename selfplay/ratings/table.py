"""Ratings of players over every game that they played: one fit, intervals and rank groups.

`rate` fits one Bradley-Terry model to all games and bootstraps whole pairs for the intervals and
for the tests of differences that rank. A player who only loses has no finite rating and stands
"below" the floor, one who only wins "above" the ceiling; so does a group that only loses to (wins
from) the rest, and players without a chain of games to the rated ones are "unconnected". The model
knows no advantage for White: pairs cancel it out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from envs.errors import InputError
from selfplay.ratings.elo import NAT, bound_when_all_lost
from selfplay.ratings.fit import DENSE_PLAYERS, fit
from selfplay.ratings.games import Crosstable, Pair
from selfplay.ratings.intervals import bootstrap, interval
from selfplay.ratings.ranks import Estimates, ranks
from selfplay.ratings.reach import components, islands
from selfplay.stats.clustered import FORMULA, stated

RESAMPLES = 1000
FEWEST = 100
MEETINGS_FITTED = 12_000_000
"""Resamples times meetings that take about half a minute of one core."""
_NAMED = 3
"""How many of many are named in a note."""

Progress = Callable[[str], None]
Opponents = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Ratings in Elo of a player's rated opponents, and the pairs played with each."""

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
            **stated(FORMULA),
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
    bootstraps: int | None = None,
    seed: int = 0,
    progress: Progress = lambda text: None,
) -> Ratings:
    """Return the ratings of all players in `pairs`, repeatable under `seed`.

    Args:
        pairs: what was played; see `pair_up`.
        anchor: the player held at `anchor_elo`. Without one, and where the anchor has no finite
            distance to anybody, the mean of the largest group of comparable players is held there.
        anchor_elo: in Elo.
        bootstraps: resamples of the pairs; 0 leaves the intervals infinite. None: RESAMPLES, or
            fewer where there are many players (see `resamples_for`).
        seed: of the resamples.
        progress: called with what is being done.

    Raises:
        InputError: no game, or the anchor played none.
        ValueError: bootstraps below 0.
    """
    if bootstraps is not None and bootstraps < 0:
        raise ValueError(f"bootstraps={bootstraps} must not be negative")
    if not pairs:
        raise InputError("no finished games: give files with results of 1-0, 0-1 or 1/2-1/2")
    table = Crosstable.of(pairs)
    group, held, notes = _reference(table, anchor)
    if bootstraps is None:
        bootstraps = resamples_for(table)
        if bootstraps < RESAMPLES:
            notes += (
                f"{bootstraps} resamples instead of {RESAMPLES}, for {len(table.players)} players "
                f"and {len(table.a)} meetings; --bootstraps takes more",
            )
    progress(f"fitting {len(table.players)} players")
    games, points = table.meeting_sums(table.games), table.meeting_sums(table.points)
    played = table.player_sums(games, games)
    root = held if held is not None else int(group[np.argmax(played[group])])
    nats = fit(table, games[None], points[None], root)[0]
    resamples = bootstrap(
        table, root, nats, bootstraps, seed, lambda done: progress(f"resample {done}/{bootstraps}")
    )
    if held is None:
        nats = nats - nats[group].mean()
        resamples = resamples - _means(resamples[:, group])[:, None]
    elos, resamples = NAT * nats + anchor_elo, NAT * resamples + anchor_elo
    against = [_opponents(table, elos, player) for player in range(len(table.players))]
    ends = [
        (anchor_elo, anchor_elo)
        if player == held
        else _ends(float(elos[player]), resamples[:, player], *against[player])
        for player in range(len(table.players))
    ]
    progress(f"comparing {len(table.players)} players")
    lines = _lines(table, elos, ends, _ranks(table, elos, resamples, against))
    notes += _unconnected(table, elos)
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


def resamples_for(table: Crosstable) -> int:
    """Return how many resamples are drawn unless somebody says: half a minute's worth, if fewer.

    It depends on the games alone, so that ratings can be made again.
    """
    if len(table.players) <= DENSE_PLAYERS:
        return RESAMPLES
    return max(FEWEST, min(RESAMPLES, MEETINGS_FITTED // len(table.a)))


def _ranks(
    table: Crosstable,
    elos: NDArray[np.float64],
    resamples: NDArray[np.float64],
    against: Sequence[Opponents],
) -> list[int | None]:
    """Return the rank groups; see selfplay/ratings/ranks.py."""
    pairs = table.player_sums(table.meeting_pairs, table.meeting_pairs)
    # As if each pair were one decisive game, which is the most that it can vary.
    least = [
        NAT**2 / float(weights @ (1 / (2 + 2 * np.cosh((elo - others) / NAT))))
        if math.isfinite(elo) and others.size
        else 0.0
        for elo, (others, weights) in zip(elos.tolist(), against, strict=True)
    ]
    if len(resamples) < 2:
        return [None if math.isnan(elo) else 1 for elo in elos.tolist()]
    estimates = Estimates.of_resamples(elos, resamples, pairs, np.array(least))
    return ranks(estimates, lambda i, chance: _bounds(float(elos[i]), *against[i], chance))


def _unconnected(table: Crosstable, elos: NDArray[np.float64]) -> tuple[str, ...]:
    """Return a note that names the players whom no chain of games joins to the rated ones."""
    rated = set(np.flatnonzero(np.isfinite(elos)).tolist())
    groups = [group for group in islands(table) if rated.isdisjoint(group.tolist())]
    if not groups:
        return ()
    listed = []
    for group in groups[:_NAMED]:
        names = ", ".join(table.players[i] for i in group[:_NAMED])
        more = ", ..." if group.size > _NAMED else ""
        listed.append(f"{group.size} ({names}{more})")
    more = f" and {len(groups) - _NAMED} more groups" if len(groups) > _NAMED else ""
    return (
        "players whom no chain of games joins to the rated ones, by group: "
        + "; ".join(listed)
        + more,
    )


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
    elo: float,
    resampled: NDArray[np.float64],
    against: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> tuple[float, float]:
    """Return the ends of one player's interval in Elo."""
    if math.isnan(elo):
        return math.nan, math.nan
    if math.isinf(elo):
        return _bounds(elo, against, weights)
    return interval(elo, resampled, against, weights)


def _bounds(
    elo: float, against: NDArray[np.float64], weights: NDArray[np.float64], chance: float = 0.025
) -> tuple[float, float]:
    """Return the ends of a rating of -inf or inf, which the true one misses with this chance."""
    sign = -1 if elo > 0 else 1
    bound = math.inf
    if weights.sum() > 0:
        bound = bound_when_all_lost(sign * against, weights, chance)
    return (-math.inf, bound) if sign > 0 else (-bound, math.inf)


def _opponents(
    table: Crosstable, elos: NDArray[np.float64], player: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ratings of a player's rated opponents, and the pairs with each."""
    mine = table.sides.of(player)
    against = elos[table.sides.other[mine]]
    weights = table.meeting_pairs[table.sides.meeting[mine]]
    rated = np.isfinite(against)
    return against[rated], weights[rated]


def _lines(
    table: Crosstable,
    elos: NDArray[np.float64],
    ends: Sequence[tuple[float, float]],
    places: Sequence[int | None],
) -> tuple[PlayerRating, ...]:
    games, points = table.meeting_sums(table.games), table.meeting_sums(table.points)
    played = table.player_sums(games, games)
    scored = table.player_sums(points, games - points)
    meetings = table.player_sums(table.meeting_pairs, table.meeting_pairs)
    lines = [
        PlayerRating(
            name=name,
            status=_status(float(elos[i])),
            elo=float(elos[i]),
            low=ends[i][0],
            high=ends[i][1],
            rank=places[i],
            games=int(played[i]),
            pairs=int(meetings[i]),
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
