"""Intervals and tests for items that come in clusters: what all published estimates are made with.

Tasks of one built-in family differ in names and numbers and share their program, so that a policy
solves them or fails them together; puzzles may come from one game. Such items are not independent,
and an interval or a test that counts them one by one claims too much: its unit has to be the
cluster (Miller 2024, Adding Error Bars to Evals, arXiv 2411.00640, section 2.2). Every row of an
evaluation names its cluster (`cluster_of`), and everything that is said of the rows counts those.

Where every item is a cluster of its own these are Wilson's interval, the bootstrap over items and
the exact test of McNemar.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfplay.stats.intervals import (
    Z95,
    Interval,
    bootstrap_mean,
    draws,
    finite,
    mcnemar,
    sign_flip_p,
    student_t95,
    wilson,
    wilson_of,
)

FORMULA = 2
"""How estimates are computed now: by clusters. 1, which older files do not name: item by item
(Wilson, McNemar, the percentile bootstrap, a gate without a margin)."""

RARE = 10
"""Where fewer clusters hold the rarer outcome, their spread says too little of the correlation."""

Values = Sequence[float] | NDArray[np.float64]


def formula_of(published: Mapping[str, Any]) -> int:
    """Return which formula a published record was computed with."""
    return int(published.get("formula", 1))


def stated(formula: int) -> dict[str, int]:
    """Return what a record says of its formula: files of the first one say nothing."""
    return {} if formula == 1 else {"formula": formula}


def cluster_of(row: Mapping[str, Any]) -> str:
    """Return the cluster of an evaluation's row: what could only be solved or failed together.

    Rows name it (`cluster`). Older rows do not: then it is the built-in family of a code
    task (families/NAME/LEVEL/SEED), and each other item is a cluster of its own.
    """
    if row.get("cluster") is not None:
        return str(row["cluster"])
    key = row.get("key")
    return str(row["task_id"]) if key is None else cluster_of_key(str(key))


def cluster_of_key(key: str) -> str:
    """Return the cluster of a code task by its key."""
    dataset, _, rest = key.partition("/")
    return f"families/{rest.partition('/')[0]}" if dataset == "families" and rest else key


def share(flags: Sequence[bool], clusters: Sequence[str], formula: int = FORMULA) -> Interval:
    """Return the share of true flags with its 95% interval; `n` counts flags.

    Wilson's score interval at the effective size p(1 - p) / v · (1.96 / t)², the number of
    independent items that would be as certain, at most n: v is the variance of the share between
    clusters (linearised, K / (K - 1) · sum (s - p·m)² / n² over K clusters of m items with s true)
    and t Student's quantile at K - 1 (Korn and Graubard 1998, Survey Methodology 24, 193-201;
    Franco et al. 2019, J. Surv. Stat. Methodol. 7, 334-364). Where fewer than RARE clusters hold
    the rarer outcome v is too uncertain, and the size is at most K: the items of a cluster are then
    taken as one. `benchmarks/gate_errors.py` simulates the coverage.

    Args:
        flags: one per item.
        clusters: that of each item.
        formula: 1 counts items as if they were independent.

    Raises:
        ValueError: lengths that differ.
    """
    return share_of_counts(*_sums(np.asarray(flags, dtype=np.float64), clusters), formula)


def share_of_counts(successes: Values, asked: Values, formula: int = FORMULA) -> Interval:
    """Return `share` of clusters given by their counts: true flags, and flags at all.

    Raises ValueError for lengths that differ.
    """
    sums, sizes = np.asarray(successes, dtype=np.float64), np.asarray(asked, dtype=np.float64)
    if sums.shape != sizes.shape:
        raise ValueError(f"{sums.size} and {sizes.size} counts cannot be paired")
    sums, sizes = sums[sizes > 0], sizes[sizes > 0]
    n, k = round(float(sizes.sum())), len(sizes)
    if formula == 1 or k == n:
        return wilson(round(float(sums.sum())), n)
    p = float(sums.sum()) / n
    size = float(k)
    if k >= 2 and 0 < p < 1:
        variance = k / (k - 1) * float(((sums - p * sizes) ** 2).sum()) / n**2
        t = student_t95(k - 1)
        size = min(n, p * (1 - p) / variance * (Z95 / t) ** 2) if variance > 1e-15 else n
        if min(int((sums > 0).sum()), int((sums < sizes).sum())) < RARE:
            size = min(size, k)
    low, high = wilson_of(p, size)
    return Interval(p, low, high, n, k)


def mean(
    values: Values,
    clusters: Sequence[str],
    formula: int = FORMULA,
    *,
    seed: int = 0,
    samples: int = 10_000,
) -> Interval:
    """Return the mean of `values` with its 95% bootstrap interval over whole clusters.

    Each resample draws as many clusters as there are, with all of their items, with replacement
    (Davison and Hinkley 1997, Bootstrap Methods and their Application, section 3.8). The interval
    is the expanded percentile interval, whose quantiles are those of the normal distribution at
    -+ sqrt(K / (K - 1)) · t(K - 1): the percentile interval of K clusters is too narrow by that
    (Hesterberg 2015, The American Statistician 69, 371-386, section 5.2). One cluster alone bounds
    nothing, and the ends are NaN. Repeatable under `seed`.

    Args:
        values: one per item.
        clusters: that of each item.
        formula: 1 counts items as if they were independent, and does not expand.
        seed: of the resamples.
        samples: their number.

    Raises:
        ValueError: lengths that differ, values that are not finite, samples < 1.
    """
    data = finite(values, "values")
    if formula == 1 or data.size == 0:
        return bootstrap_mean(data, seed=seed, samples=samples)
    if samples < 1:
        raise ValueError(f"samples={samples} must be at least 1")
    sums, sizes = _sums(data, clusters)
    n, k = data.size, len(sizes)
    counted = None if k == n else k
    value = float(data.mean())
    if k == 1:
        return Interval(value, math.nan, math.nan, n, counted)
    if data.min() == data.max():
        return Interval(value, value, value, n, counted)
    means = _resampled(sums, sizes, seed, samples)
    level = NormalDist().cdf(-math.sqrt(k / (k - 1)) * student_t95(k - 1))
    low, high = np.quantile(means, [level, 1 - level])
    # Sums are taken in another order than the mean, and skewed samples can leave it outside.
    return Interval(value, min(float(low), value), max(float(high), value), n, counted)


def difference(
    new: Values, old: Values, clusters: Sequence[str], formula: int = FORMULA
) -> Interval:
    """Return the mean of new[i] - old[i], the same items twice; see `mean`.

    Raises ValueError as `mean` does.
    """
    left, right = finite(new, "new"), finite(old, "old")
    if left.shape != right.shape:
        raise ValueError(f"{left.size} and {right.size} values cannot be paired")
    return mean(left - right, clusters, formula)


def worst_difference(new: Values, old: Values, clusters: Sequence[str]) -> float:
    """Return the lowest mean of new[i] - old[i], numbers in [0, 1], that is not excluded (2.5%).

    One cluster more that was gained whole and one that was lost whole are counted, which are added
    to a Wald interval for paired proportions by Bonett and Price 2012 (J. Educ. Behav. Stat. 37,
    479-488); with Student's t at K + 1 degrees of freedom. Resamples of a few clusters that changed
    would exclude too much, and where none changed everything.

    Raises ValueError for lengths that differ, values that are not finite, and without values.
    """
    gains = finite(new, "new") - finite(old, "old")
    sums, sizes = _sums(gains, clusters)
    if not len(sums):
        raise ValueError("no values: nothing is excluded")
    whole = float(sizes.mean())
    sums, sizes = np.append(sums, [whole, -whole]), np.append(sizes, [whole, whole])
    k, n = len(sums), float(sizes.sum())
    value = float(sums.sum()) / n
    deviation = math.sqrt(k / (k - 1) * float(((sums - value * sizes) ** 2).sum())) / n
    return max(-1.0, value - student_t95(k - 1) * deviation)


def difference_by_family(new: Values, old: Values, clusters: Sequence[str]) -> Interval:
    """Return formula 1's second interval of a difference: percentiles over the `n` clusters.

    Raises ValueError as `difference` does.
    """
    sums, sizes = _sums(finite(new, "new") - finite(old, "old"), clusters)
    means = _resampled(sums, sizes, 0, 10_000)
    value = float(sums.sum() / sizes.sum())
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(value, min(float(low), value), max(float(high), value), len(sums))


def change_p(gains: Values, clusters: Sequence[str], formula: int = FORMULA) -> float:
    """Return the two-sided p of "no cluster gains more than it loses", by flipping its sign.

    Under it a cluster's whole gain is as likely as its opposite, whatever its items have in common
    (stats.sign_flip_p on the clusters' sums; as a test of clustered matched pairs: Durkalski et al.
    2003, Stat. Med. 22, 2417-2428, compare such tests). With K clusters that changed it is never
    below 2 / 2^K: five families cannot show a change at 5%.

    Raises ValueError for lengths that differ, and as sign_flip_p does.
    """
    data = np.asarray(gains, dtype=np.float64)
    return sign_flip_p(data if formula == 1 else _sums(data, clusters)[0])


def paired_p(
    before: Sequence[bool], after: Sequence[bool], clusters: Sequence[str], formula: int = FORMULA
) -> float:
    """Return the p of "as much was gained as lost": McNemar's exact one, by clusters `change_p`.

    Raises ValueError for lengths that differ.
    """
    if formula == 1 or len(set(clusters)) == len(clusters):
        return mcnemar(before, after)
    return change_p(np.subtract(after, before, dtype=np.float64), clusters)


def _resampled(
    sums: NDArray[np.float64], sizes: NDArray[np.float64], seed: int, samples: int
) -> NDArray[np.float64]:
    """Return the mean of all items in each of `samples` resamples of the clusters."""
    drawn = draws(np.random.default_rng(seed), len(sums), samples)
    return np.concatenate([sums[d].sum(axis=1) / sizes[d].sum(axis=1) for d in drawn])


def _sums(
    data: NDArray[np.float64], clusters: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sum and number of the items of each cluster, sorted by the clusters' names."""
    if len(data) != len(clusters):
        raise ValueError(f"{len(data)} values of {len(clusters)} clusters cannot be paired")
    names, of = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    sums = np.bincount(of, data, len(names)).astype(np.float64)
    return sums, np.bincount(of, minlength=len(names)).astype(np.float64)
