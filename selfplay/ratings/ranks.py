"""Rank groups: who is above whom for certain, over all pairs at once.

Two entries whose intervals overlap may well differ: intervals part 1% of neighbours whose
difference a test finds two times in three. So the difference of every two is tested, with Holm's
correction over all of them (Holm 1979, Scand. J. Stat. 6, 65-70): if some are equal in truth, the
chance that any two of those are parted is at most 5%, whatever the number of entries.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.05
"""Chance that any two that are equal are parted."""

FEW_PAIRS = 10
"""Below this number the resamples of a player are too few different ones to rely on alone."""

_AT_ONCE = 1_000_000
_MOST_FOR_HOLM = 20_000
"""Entries; the pairs of more take a minute to look at once."""
_OPEN = 0.025
"""Where more resamples than this are infinite, so is the rating on that side."""

Bound = Callable[[int, float], tuple[float, float]]
"""Index of an entry without a finite value, chance to err -> the ends that bound it."""


def _unbound(entry: int, chance: float) -> tuple[float, float]:
    return -math.inf, math.inf


@dataclass(frozen=True, slots=True)
class Estimates:
    """Values of entries, and how they vary together.

    Attributes:
        values: shape (entries,); -inf and inf have a bound, NaN is compared with nobody.
        spread: shape (any, entries); sums of products of two columns are covariances of values.
        observations: shape (entries,), how many independent ones each rests on, less one of which
            are the degrees of freedom.
        least: shape (entries,), variance below which none of few observations is believed.
        falls, rises: shape (entries,), whether nothing bounds the value from below, from above.
    """

    values: NDArray[np.float64]
    spread: NDArray[np.float64]
    observations: NDArray[np.float64]
    least: NDArray[np.float64]
    falls: NDArray[np.bool_]
    rises: NDArray[np.bool_]

    @classmethod
    def of_resamples(
        cls,
        values: NDArray[np.float64],
        resamples: NDArray[np.float64],
        observations: NDArray[np.float64],
        least: NDArray[np.float64],
    ) -> Estimates:
        """Return estimates that vary as their resamples do, shape (resamples, entries).

        Infinite resamples count as the farthest finite one, and where they are not rare nothing
        bounds the value on that side; those in which an entry did not appear are left out.
        """
        finite = np.isfinite(values)
        drawn = np.where(finite, resamples, 0.0)
        return cls(
            values,
            _deviations(drawn, np.where(finite, values, 0.0)),
            np.minimum(observations, len(resamples)),
            least,
            (drawn == -np.inf).mean(axis=0) > _OPEN,
            (drawn == np.inf).mean(axis=0) > _OPEN,
        )


def ranks(found: Estimates, bound: Bound = _unbound, alpha: float = ALPHA) -> list[int | None]:
    """Return each entry's rank: 1 and the number of entries that are certainly above it.

    Who is certainly above another always has the smaller rank, so no two of one rank are
    distinguished. A difference over its deviation is taken for Student's t with the degrees of
    freedom of the entry that has fewer. NaN has no rank.

    Args:
        found: see Estimates.
        bound: for entries without a finite value.
        alpha: chance that any two equal entries are parted.
    """
    values = found.values
    result: list[int | None] = [None if math.isnan(value) else 1 for value in values]
    known = np.flatnonzero(~np.isnan(values))
    if len(known) < 2:
        return result
    order = known[np.argsort(-values[known], kind="stable")]
    pairs = _Pairs(found, bound, order)
    level = _holm_level(pairs, len(order), alpha)
    places = np.ones(len(order), dtype=np.int64)
    for start, above in pairs.above(level):
        for row, certain in enumerate(above):
            if certain.any():
                higher = int(places[: len(certain)][certain].max())
                places[start + row] = 1 + max(int(certain.sum()), higher)
    for place, entry in zip(places.tolist(), order.tolist(), strict=True):
        result[entry] = place
    return result


def _holm_level(pairs: _Pairs, entries: int, alpha: float) -> float:
    """Return the level at which Holm's step-down ends: all pairs below it are parted.

    With so many rejected the next is tested at alpha / (tests - rejected); the smallest number that
    this repeats is Holm's. Of very many entries the first level stands, which errs less.
    """
    tests, rejected = entries * (entries - 1) // 2, 0
    while entries <= _MOST_FOR_HOLM:
        now = sum(int(above.sum()) for _, above in pairs.above(alpha / (tests - rejected)))
        if now in (rejected, tests):
            break
        rejected = now
    return alpha / (tests - rejected)


class _Pairs:
    """The tests of all pairs of entries in the order of their values, best first."""

    def __init__(self, found: Estimates, bound: Bound, order: NDArray[np.intp]) -> None:
        self._values = found.values[order]
        self._finite = np.isfinite(self._values)
        self._bound, self._order = bound, order
        self._falls, self._rises = found.falls[order], found.rises[order]
        self._spread = found.spread[:, order]
        self._variance = (self._spread**2).sum(axis=0)
        few = found.observations[order] < FEW_PAIRS
        self._least = np.where(few, found.least[order], 0.0)
        self._freedom = np.maximum(found.observations[order] - 1, 0).astype(np.int64)

    def above(self, level: float) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """Yield some entries at a time: where they begin, and who is certainly above each.

        Row i of the array is for the i-th of them, columns are all entries up to their last; those
        above are distinguished with a chance of `level` (two-sided) to err.
        """
        quantile = NormalDist().inv_cdf(1 - level / 2)
        squares = _student_squares(quantile, self._freedom)
        size = len(self._values)
        step = max(1, _AT_ONCE // size)
        ends = self._ends(level, np.sqrt(squares)) if not self._finite.all() else None
        values = np.where(self._finite, self._values, 0.0)
        for start in range(0, size, step):
            rows = slice(start, min(start + step, size))
            columns = slice(0, rows.stop)
            product = self._spread[:, rows].T @ self._spread[:, columns]
            variance = self._variance[rows, None] + self._variance[None, columns] - 2 * product
            least = np.maximum(self._least[rows, None], self._least[None, columns])
            variance = np.maximum(variance, least)
            square = np.maximum(squares[rows, None], squares[None, columns])
            gap = values[None, columns] - values[rows, None]
            above = (gap > 0) & (gap * gap > square * np.maximum(variance, 1e-18))
            above &= ~(self._falls[None, columns] | self._rises[rows, None])
            if ends is not None:
                both = self._finite[rows, None] & self._finite[None, columns]
                above = np.where(both, above, ends[0][None, columns] > ends[1][rows, None])
            earlier = np.arange(rows.stop)[None, :] < np.arange(rows.start, rows.stop)[:, None]
            yield start, above & earlier

    def _ends(
        self, level: float, quantiles: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return intervals that both miss with a chance of `level`: for entries without a value."""
        deviations = np.sqrt(np.maximum(self._variance, self._least))
        unsure = np.isinf(quantiles)
        half = np.where(unsure, np.inf, np.where(unsure, 0.0, quantiles) * deviations)
        values = np.where(self._finite, self._values, 0.0)
        low = np.where(self._falls, -np.inf, values - half)
        high = np.where(self._rises, np.inf, values + half)
        for place in np.flatnonzero(~self._finite):
            low[place], high[place] = self._bound(int(self._order[place]), level / 2)
        return low, high


def _deviations(drawn: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return deviations from the mean, scaled so that sums of products are covariances."""
    finite = np.isfinite(drawn)
    lowest = np.where(finite, drawn, centre).min(axis=0)
    highest = np.where(finite, drawn, centre).max(axis=0)
    drawn = np.where(drawn == -np.inf, lowest, np.where(drawn == np.inf, highest, drawn))
    there = ~np.isnan(drawn)
    count = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, drawn, 0.0).sum(axis=0) / count
    spread: NDArray[np.float64] = np.where(there, drawn - mean, 0.0)
    spread /= np.sqrt(np.maximum(count - 1, 1))
    return spread


def _student_squares(z: float, freedom: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return t² whose two-sided chance is that of the normal quantile z; infinite for freedom 0.

    Wallace's approximation z = (8f + 1) / (8f + 3) · sqrt(f · log(1 + t²/f)), turned round
    (Wallace 1959, Ann. Math. Stat. 30, 1121-1130).
    """
    f = np.maximum(freedom, 1).astype(np.float64)
    exponent = (z * (8 * f + 3) / (8 * f + 1)) ** 2 / f
    squares = f * np.expm1(np.minimum(exponent, 700.0))
    return np.where(freedom < 1, np.inf, squares)
