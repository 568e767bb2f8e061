"""A model's puzzle rating: the strength that explains which rated puzzles it solved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selfplay.ratings.elo import NAT, bound_when_all_lost
from selfplay.stats.intervals import Z95, Interval, student_t95


@dataclass(frozen=True, slots=True)
class PuzzleRating:
    """A rating in Elo with its 95% interval and standard error, from `solved` of `elo.n` puzzles.

    Nothing solved gives -inf with an upper bound, everything +inf with a lower one; the standard
    error is infinite then.
    """

    elo: Interval
    se: float
    solved: int


def puzzle_rating(
    ratings: Sequence[float], solved: Sequence[bool], games: Sequence[str] | None = None
) -> PuzzleRating:
    """Return the rating R of maximum likelihood: sum of solved = sum of E(R - rating).

    E(d) = 1 / (1 + 10^(-d/400)); the standard error is (400 / ln 10) / sqrt(sum E(1 - E)), from
    the Fisher information, and the interval R ± 1.96 SE. The puzzles' ratings are taken as certain.

    Where puzzles share games, those of one are not independent: the variance of the estimating
    equation is then that of its sums by game (Liang and Zeger 1986, Biometrika 73, 13-22), the
    quantile is Student's for K games, bounds count games, and a smaller SE is not believed.

    Args:
        ratings: of the puzzles, in Elo.
        solved: whether each was solved.
        games: the game of each; None: one each.

    Raises:
        ValueError: no puzzle, lengths that differ, or a rating that is not finite.
    """
    if len(ratings) != len(solved) or not len(ratings):
        raise ValueError(f"{len(ratings)} ratings and {len(solved)} answers: one each, at least 1")
    if games is not None and len(games) != len(ratings):
        raise ValueError(f"{len(ratings)} ratings of {len(games)} games: one each")
    puzzles = np.asarray(ratings, dtype=np.float64)
    if not np.isfinite(puzzles).all():
        raise ValueError("a puzzle's rating is not finite")
    n, right = len(puzzles), sum(1 for answer in solved if answer)
    names, of = np.unique(np.asarray(games or range(n)), return_inverse=True)
    # The puzzles of a game are one observation between them.
    weights = 1 / np.bincount(of)[of]
    if right == 0:
        bound = bound_when_all_lost(puzzles, weights)
        return PuzzleRating(Interval(-math.inf, -math.inf, bound, n), math.inf, 0)
    if right == n:
        bound = -bound_when_all_lost(-puzzles, weights)
        return PuzzleRating(Interval(math.inf, bound, math.inf, n), math.inf, n)
    # Where all puzzles were the hardest (easiest) one, the answer would be one of these.
    middle = NAT * math.log(right / (n - right))
    low, high = float(puzzles.min()) + middle, float(puzzles.max()) + middle
    for _ in range(100):
        elo = (low + high) / 2
        expected = 1 / (1 + np.exp((puzzles - elo) / NAT))
        low, high = (elo, high) if expected.sum() < right else (low, elo)
    information = float((expected * (1 - expected)).sum())
    se, quantile = NAT / math.sqrt(information), Z95
    if 1 < (k := len(names)) < n:
        sums = np.bincount(of, np.asarray(solved, dtype=np.float64) - expected)
        se = max(se, NAT * math.sqrt(k / (k - 1) * float((sums**2).sum())) / information)
        quantile = student_t95(k - 1)
    half = math.inf if k == 1 < n else quantile * se
    return PuzzleRating(Interval(elo, elo - half, elo + half, n), se, right)
