"""Intervals and tests of independent observations. Pure: no I/O.

Estimates of evaluations are made by `selfplay.stats.clustered`, which knows what is not
independent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959964
"""Two-sided 95% quantile of the standard normal distribution."""

_DRAWS_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95% interval, `low <= value <= high`, from `n` observations.

    NaN stands for what no observation supports: everything of a mean over nothing. `clusters` is
    how many independent ones the observations form where that is fewer (clustered.py).
    """

    value: float
    low: float
    high: float
    n: int
    clusters: int | None = None

    def as_dict(self) -> dict[str, float | int | None]:
        """Return the fields as strict JSON: NaN, which JSON lacks, becomes None.

        `clusters` is there only where it says more than `n`.
        """
        numbers: dict[str, float | int | None] = {
            "value": _json_number(self.value),
            "low": _json_number(self.low),
            "high": _json_number(self.high),
            "n": self.n,
        }
        return numbers if self.clusters is None else numbers | {"clusters": self.clusters}


def wilson(successes: int, n: int, z: float = Z95) -> Interval:
    """Return a proportion with Wilson's score interval; all numbers are fractions of 1.

    Centre (p + z²/2n) / (1 + z²/n), half-width z/(1 + z²/n) · √(p(1 − p)/n + z²/4n²): Wilson 1927
    (J. Am. Stat. Assoc. 22, 209–212), recommended for small n by Brown, Cai and DasGupta 2001
    (Stat. Sci. 16, 101–133). No observation gives value NaN and the interval [0, 1].

    Raises ValueError unless 0 <= successes <= n and z > 0.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes={successes} must lie between 0 and n={n}")
    if not z > 0:
        raise ValueError(f"z={z} must be positive")
    if n == 0:
        return Interval(math.nan, 0.0, 1.0, 0)
    p = successes / n
    return Interval(p, *wilson_of(p, n, z), n)


def wilson_of(p: float, size: float, z: float = Z95) -> tuple[float, float]:
    """Return the ends of Wilson's interval of a proportion p from `size` > 0 observations.

    `size` may be an effective one: how many independent observations would be as certain.
    """
    shrink = 1 + z * z / size
    centre = (p + z * z / (2 * size)) / shrink
    half = z / shrink * math.sqrt(p * (1 - p) / size + z * z / (4 * size * size))
    # At 0 and 1 one end equals p exactly; rounding must not put it on the wrong side.
    low = 0.0 if p <= 0 else max(0.0, centre - half)
    return low, 1.0 if p >= 1 else min(1.0, centre + half)


def bootstrap_mean(
    values: Sequence[float] | NDArray[np.float64], *, seed: int = 0, samples: int = 10_000
) -> Interval:
    """Return the mean of `values` with its 95% percentile bootstrap interval, in their unit.

    The interval spans the 2.5% and 97.5% quantiles of the means of `samples` resamples drawn with
    replacement (Efron and Tibshirani 1993, An Introduction to the Bootstrap, ch. 13). It is
    repeatable under `seed`; memory stays near 32 MB, or one resample where that is larger. One
    value gives an interval of no width, no value gives NaN.

    Raises ValueError for values that are not finite or not one-dimensional, or samples < 1.
    """
    data = finite(values, "values")
    if samples < 1:
        raise ValueError(f"samples={samples} must be at least 1")
    n = data.size
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    value = float(data.mean())
    if data.min() == data.max():
        return Interval(value, value, value, n)
    rng = np.random.default_rng(seed)
    means = [data[drawn].mean(axis=1) for drawn in draws(rng, n, samples)]
    return _percentile(value, np.concatenate(means), n)


def draws(rng: np.random.Generator, n: int, samples: int) -> Iterator[NDArray[np.int64]]:
    """Yield `samples` resamples of n items as rows of indices, a bounded number at a time."""
    step = max(1, _DRAWS_AT_ONCE // n)
    for start in range(0, samples, step):
        yield rng.integers(0, n, size=(min(step, samples - start), n))


def _percentile(value: float, means: NDArray[np.float64], n: int) -> Interval:
    low, high = np.quantile(means, [0.025, 0.975])
    # A skewed sample of few resamples can leave the mean just outside.
    return Interval(value, min(float(low), value), max(float(high), value), n)


def mcnemar(before: Sequence[bool], after: Sequence[bool]) -> float:
    """Return the exact two-sided p of "as many items turned to true as to false".

    With b and c items that changed one way and the other, p = 2 · P(X <= min(b, c)) for
    X ~ Binomial(b + c, 1/2), at most 1: McNemar 1947 (Psychometrika 12, 153–157), in the exact
    conditional form of Fagerland, Lydersen and Laake 2013 (BMC Med. Res. Methodol. 13:91).
    No change at all gives 1.

    Raises ValueError for lengths that differ.
    """
    if len(before) != len(after):
        raise ValueError(f"{len(before)} and {len(after)} outcomes cannot be paired")
    gained = sum(1 for old, new in zip(before, after, strict=True) if new and not old)
    lost = sum(1 for old, new in zip(before, after, strict=True) if old and not new)
    changed = gained + lost
    term = total = 1
    for k in range(min(gained, lost)):
        term = term * (changed - k) // (k + 1)
        total += term
    # Integers until the division: 2**changed has no overflow and the tail no rounding.
    p: float = 2 * total / 2**changed
    return min(1.0, p)


def sign_flip_p(
    differences: Sequence[float] | NDArray[np.float64], *, seed: int = 0, samples: int = 10_000
) -> float:
    """Return the two-sided p of "the paired differences are symmetric about 0".

    The share of random sign assignments whose mean is at least as far from 0 as the one observed,
    both counted once with the observed one itself (Fisher 1935, The Design of Experiments, section
    21; the + 1 of Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9:39). Items that do not
    differ say nothing and are left out; if none differs, p is 1. Repeatable under `seed`.

    Raises ValueError for values that are not finite or not one-dimensional, or samples < 1.
    """
    data = finite(differences, "differences")
    if samples < 1:
        raise ValueError(f"samples={samples} must be at least 1")
    data = data[data != 0]
    if data.size == 0:
        return 1.0
    observed = abs(float(data.sum())) * (1 - 1e-12)
    rng = np.random.default_rng(seed)
    step = max(1, _DRAWS_AT_ONCE // data.size)
    extreme = 0
    for start in range(0, samples, step):
        count = min(step, samples - start)
        signs = rng.integers(0, 2, size=(count, data.size), dtype=np.int8) * 2 - 1
        extreme += int((np.abs(signs @ data) >= observed).sum())
    return (extreme + 1) / (samples + 1)


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Return the unbiased estimate, a fraction of 1, of "one of k samples passes".

    `correct` of `n` samples of one task passed: 1 - C(n - correct, k) / C(n, k), computed as
    1 - prod(1 - k / i) over i from n - correct + 1 to n (Chen et al. 2021, Evaluating Large
    Language Models Trained on Code, arXiv 2107.03374, section 2.1 and figure 3). The mean over the
    tasks is pass@k.

    Raises ValueError unless 0 <= correct <= n and 1 <= k <= n.
    """
    if not 0 <= correct <= n:
        raise ValueError(f"correct={correct} must lie between 0 and n={n}")
    if not 1 <= k <= n:
        raise ValueError(f"k={k} must lie between 1 and n={n}: draw at least k samples")
    if n - correct < k:
        return 1.0
    return float(1.0 - np.prod(1.0 - k / np.arange(n - correct + 1, n + 1)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the order given.

    Rejecting those of at most alpha keeps the chance of any false rejection at or below alpha,
    whatever the tests' dependence: the k-th smallest of m becomes max over j <= k of
    (m - j + 1) · p_j, at most 1 (Holm 1979, Scand. J. Stat. 6, 65-70).

    Raises ValueError for a p-value outside [0, 1].
    """
    if any(not 0 <= p <= 1 for p in p_values):
        raise ValueError(f"p-values {list(p_values)} must lie between 0 and 1")
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def student_t95(freedom: int) -> float:
    """Return the two-sided 95% quantile of Student's t with `freedom` >= 1 degrees of freedom.

    Four terms of the expansion about the normal quantile (Abramowitz and Stegun 1964, 26.7.5);
    good to 1% from 2 degrees on, exact for 1. Raises ValueError for fewer.
    """
    if freedom < 1:
        raise ValueError(f"freedom={freedom} must be at least 1")
    if freedom == 1:
        return math.tan(0.475 * math.pi)
    z = Z95
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(freedom) ** power for power, term in enumerate(terms, 1))


def finite(values: Sequence[float] | NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """Return values as an array. Raises ValueError unless it is one-dimensional and finite."""
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, not of shape {data.shape}")
    if not np.isfinite(data).all():
        raise ValueError(f"{name} holds a number that is not finite")
    return data


def _json_number(number: float) -> float | None:
    return None if math.isnan(number) else number
