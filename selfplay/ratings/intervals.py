"""Bootstrap intervals of ratings: whole pairs are drawn again, and everybody is fitted again."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from selfplay.ratings.elo import NAT
from selfplay.ratings.fit import DENSE_PLAYERS, fit
from selfplay.ratings.games import Crosstable
from selfplay.ratings.ranks import FEW_PAIRS
from selfplay.stats.intervals import student_t95

_NUMBERS_AT_ONCE = 2_000_000

_CLOSE = 1e-4
"""Nats to which the resamples of many players are fitted, 0.02 Elo."""


def bootstrap(
    table: Crosstable,
    root: int,
    near: NDArray[np.float64],
    bootstraps: int,
    seed: int,
    progress: Callable[[int], None] = lambda done: None,
) -> NDArray[np.float64]:
    """Return ratings in nats of `bootstraps` resamples of the pairs, shape (bootstraps, players).

    Each resample draws as many pairs as there are, with replacement, from all of them (multinomial
    weights). The root is held at 0; infinities and NaN are as in `fit`. Memory stays near 50 MB,
    or that of one resample where that is larger.

    Args:
        table: the pairs.
        root: index of the player held at 0.
        near: shape (players,), where the fits start.
        bootstraps: number of resamples.
        seed: of the weights.
        progress: called with how many are done.
    """
    rng = np.random.default_rng(seed)
    pairs = table.games.size
    chances = np.full(pairs, 1 / pairs)
    rows = np.empty((bootstraps, len(table.players)))
    size = len(table.players)
    at_once = size**2 if size <= DENSE_PLAYERS else 2 * len(table.a)
    step = max(1, _NUMBERS_AT_ONCE // max(pairs, at_once))
    for begin in range(0, bootstraps, step):
        drawn = rng.multinomial(pairs, chances, size=min(step, bootstraps - begin))
        games = table.meeting_sums(drawn * table.games)
        points = table.meeting_sums(drawn * table.points)
        rows[begin : begin + step] = fit(table, games, points, root, near, _CLOSE)
        progress(min(begin + step, bootstraps))
    return rows


def interval(
    elo: float,
    resampled: NDArray[np.float64],
    opponents: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> tuple[float, float]:
    """Return the 95% interval of a finite rating: the expanded percentile interval.

    The quantiles taken are those of the normal distribution at -+ sqrt(n / (n - 1)) · t(n - 1),
    n being the player's pairs, which mends the percentile interval's narrowness for small n
    (Hesterberg 2015, The American Statistician 69, 371-386, section 5.2). Resamples in which the
    player has no games are left out; one in which a rating is infinite pushes the end there.

    With fewer than FEW_PAIRS pairs, and where all resamples agree, the interval also covers
    elo ± t · SE with SE² = 1 / sum E(1 - E) over the pairs: each as one decisive game, which is
    the most that a pair can vary.

    Args:
        elo: the rating.
        resampled: shape (bootstraps,), the same in Elo of each resample.
        opponents: ratings in Elo of those played.
        weights: pairs played with each.

    Returns:
        Low and high in Elo; infinite for a single pair or without resamples.
    """
    pairs = int(weights.sum())
    known = np.sort(resampled[~np.isnan(resampled)])
    if pairs < 2 or not known.size:
        return -math.inf, math.inf
    t = student_t95(pairs - 1)
    level = NormalDist().cdf(-math.sqrt(pairs / (pairs - 1)) * t)
    rank = max(0, math.floor(level * (known.size + 1)) - 1)
    low, high = float(known[rank]), float(known[known.size - 1 - rank])
    if pairs < FEW_PAIRS or high - low < 1e-6:
        nats = (elo - opponents) / NAT
        information = float(weights @ (1 / (2 + 2 * np.cosh(nats))))
        half = NAT * t / math.sqrt(information)
        low, high = min(low, elo - half), max(high, elo + half)
    return min(low, elo), max(high, elo)
