"""Elo from the results of colour-swapped game pairs.

The unit is the pair: one opening played twice with colours swapped. Its five outcomes, by the
points that the player took, are 0, 1/2, 1, 3/2 and 2; their counts are the "pentanomial" result.
Pairs are independent of each other, the two games of a pair are not, so intervals count pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selfplay.stats.intervals import Z95, Interval, student_t95, wilson_of

NAT = 400 / math.log(10)
"""Elo points per unit of log odds."""

_ONE_END = 0.025
"""Probability left out at each end of a 95% interval."""


def expected_score(difference: float) -> float:
    """Return the score in [0, 1] that a rating `difference` in Elo predicts.

    1 / (1 + 10^(-d/400)): Elo 1978, The Rating of Chessplayers, with the logistic curve.
    """
    nats = difference / NAT
    if nats < 0:
        return math.exp(nats) / (1 + math.exp(nats))
    return 1 / (1 + math.exp(-nats))


def elo_of_score(score: float) -> float:
    """Return the Elo difference that predicts `score`: -400 · log10(1/score - 1).

    0 gives minus infinity and 1 plus infinity. Raises ValueError outside [0, 1].
    """
    if not 0 <= score <= 1:
        raise ValueError(f"score={score} must lie between 0 and 1")
    if score in (0, 1):
        return math.inf if score else -math.inf
    return NAT * (math.log(score) - math.log1p(-score))


def moments(counts: Sequence[float]) -> tuple[float, float, float]:
    """Return number, mean and variance of the outcomes, scores scaled to [0, 1].

    `counts` are those of equally spaced scores from nothing to everything: 5 for pairs
    (LL, LD, LW or DD, DW, WW), 3 for single games (L, D, W). The variance is that of one outcome,
    divided by n as fishtest does. No outcome at all gives NaN for both.

    Raises ValueError for fewer than two counts, negative ones and ones that are not finite.
    """
    checked = check_counts(counts)
    n = float(checked.sum())
    if n == 0:
        return 0.0, math.nan, math.nan
    scores = np.linspace(0, 1, checked.size)
    mean = float(checked @ scores) / n
    return n, mean, float(checked @ (scores - mean) ** 2) / n


def pair_elo(counts: Sequence[float], method: Literal["wilson", "normal"] = "wilson") -> Interval:
    """Return the Elo difference with its 95% interval, from the counts of pair results.

    Both methods find an interval of the score and transform its ends:

    - "normal": s ± 1.96 · √(variance / n), as fishtest and fastchess print it. Where it leaves
      [0, 1], and for players far apart, it is too narrow on one side.
    - "wilson": Wilson's score interval at the effective size (n - 1) · s(1 - s) / variance ·
      (1.96 / t)², the number of decisive games that would be as certain as these pairs, t being
      Student's quantile at n - 1 (Korn and Graubard 1998, Survey Methodology 24, 193-201; Franco
      et al. 2019, J. Surv. Stat. Methodol. 7, 334-364). Where the results do not vary at all the
      size is n: no pair is less certain than one decisive game.

    Args:
        counts: as for `moments`.
        method: "wilson" or "normal".

    Raises:
        ValueError: bad counts.
    """
    n, mean, variance = moments(counts)
    if n == 0:
        return Interval(math.nan, -math.inf, math.inf, 0)
    if method == "normal":
        half = Z95 * math.sqrt(variance / n)
        low, high = mean - half, mean + half
    else:
        size = n
        if variance > 1e-12 and n >= 2:
            t = student_t95(round(n) - 1)
            size = (n - 1) * mean * (1 - mean) / variance * (Z95 / t) ** 2
        low, high = wilson_of(mean, size)
    ends = [elo_of_score(min(1.0, max(0.0, end))) for end in (low, high)]
    return Interval(elo_of_score(mean), ends[0], ends[1], round(n))


def bound_when_all_lost(
    opponents: ArrayLike, weights: ArrayLike, chance: float = _ONE_END
) -> float:
    """Return the highest rating in Elo at which losing everything is not yet improbable.

    The R with prod (1 - E(R - opponent))^weight = `chance`, 2.5% unless said otherwise. A draw only
    makes a lost game rarer than 1 - E, and both games of a pair are lost more rarely than one, so
    with one weight per pair the true rating lies above R in at most so many of such results. The
    other way round, the lowest rating at which winning everything is not improbable is minus the
    bound of minus the opponents.

    Args:
        opponents: their ratings in Elo, taken as certain.
        weights: number of pairs (or games) lost to each.

    Raises:
        ValueError: nothing was lost, or lengths that differ.
    """
    lost = np.asarray(weights, dtype=np.float64)
    ratings = np.asarray(opponents, dtype=np.float64)
    if lost.shape != ratings.shape or not lost.sum() > 0:
        raise ValueError(f"{ratings.size} opponents and {lost.size} weights bound nothing")
    # All against the strongest and all against the weakest opponent bracket the answer.
    middle = elo_of_score(1 - chance ** (1 / float(lost.sum())))
    low, high = float(ratings.min()) + middle, float(ratings.max()) + middle
    for _ in range(100):
        centre = (low + high) / 2
        rarity = float(lost @ np.logaddexp(0, (centre - ratings) / NAT))
        low, high = (centre, high) if rarity < -math.log(chance) else (low, centre)
    return (low + high) / 2


def check_counts(counts: Sequence[float]) -> NDArray[np.float64]:
    """Return the counts as an array. Raises ValueError as `moments` does."""
    checked = np.asarray(counts, dtype=np.float64)
    if checked.ndim != 1 or checked.size < 2:
        raise ValueError(f"counts of shape {checked.shape}: give 5 (pairs) or 3 (games)")
    if not np.isfinite(checked).all() or (checked < 0).any():
        raise ValueError(f"counts {list(counts)}: must be finite and not negative")
    return checked
