"""The sequential probability ratio test (SPRT) of "elo1 or more" against "elo0 or less".

The likelihood ratio is the generalised one: each hypothesis fixes the mean score alone, and the
other parameters of the multinomial distribution of pair results are set to their maximum
likelihood values under it. It is what fishtest computes (`LLRcalc.py`, statistic "expectation").
A test is looked at after each pair and stopped at the first crossing of one of Wald's bounds
(Wald 1945, Ann. Math. Stat. 16, 117-186).

Those bounds hold the error rates for a known variance. The one estimated from n pairs makes 1 /
variance too large, by n / (n - 3) on average for normal results, and a test of a large difference
ends after so few pairs that it would err too often. So the LLR is judged by (n - 3) / n of itself;
from a few hundred pairs on that is no difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selfplay.ratings.elo import check_counts, expected_score, moments, pair_elo
from selfplay.stats.intervals import Interval

Verdict = Literal["accepted", "rejected", "undecided"]

_PRIOR = 1e-3
"""Count put where there is none, as fishtest does: every outcome stays possible."""

_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class SprtResult:
    """Where a test stands. "accepted" speaks for elo1, "rejected" for elo0.

    `llr` is the exact one, `llr_judged` its (n - 3) / n, which decides, and `llr_approximate` that
    of a normal distribution, to compare with.
    """

    verdict: Verdict
    llr: float
    llr_judged: float
    llr_approximate: float
    lower: float
    upper: float
    counts: tuple[float, ...]
    elo: Interval

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON."""
        return {
            "verdict": self.verdict,
            "llr": self.llr,
            "llr_judged": self.llr_judged,
            "llr_approximate": self.llr_approximate,
            "lower": self.lower,
            "upper": self.upper,
            "pentanomial": list(self.counts),
            "elo": self.elo.as_dict(),
        }


@dataclass(frozen=True, slots=True)
class Sprt:
    """A test of elo1 against elo0 (logistic Elo), with its error rates.

    `alpha` bounds the chance to accept elo1 where elo0 is true, `beta` that to reject it where
    elo1 is true. Raises ValueError unless elo0 < elo1 and both rates lie in (0, 1/2).
    """

    elo0: float
    elo1: float
    alpha: float = 0.05
    beta: float = 0.05

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (math.isfinite(self.elo0) and math.isfinite(self.elo1) and self.elo0 < self.elo1):
            raise ValueError(f"elo0={self.elo0:g} must be below elo1={self.elo1:g}, both finite")
        for name, rate in (("alpha", self.alpha), ("beta", self.beta)):
            if not 0 < rate < 0.5:
                raise ValueError(f"{name}={rate:g} must lie between 0 and 0.5")

    @property
    def lower(self) -> float:
        """The LLR at which elo1 is rejected: log(beta / (1 - alpha))."""
        return math.log(self.beta / (1 - self.alpha))

    @property
    def upper(self) -> float:
        """The LLR at which elo1 is accepted: log((1 - beta) / alpha)."""
        return math.log((1 - self.beta) / self.alpha)

    def judge(self, counts: Sequence[float]) -> SprtResult:
        """Return where the test stands after `counts` (see `moments`).

        Raises ValueError for bad counts.
        """
        llr = llr_exact(counts, self.elo0, self.elo1)
        judged = llr * float(judged_share(sum(counts)))
        verdict: Verdict = "undecided"
        if judged >= self.upper:
            verdict = "accepted"
        elif judged <= self.lower:
            verdict = "rejected"
        return SprtResult(
            verdict,
            llr,
            judged,
            llr_approximate(counts, self.elo0, self.elo1),
            self.lower,
            self.upper,
            tuple(float(count) for count in counts),
            pair_elo(counts),
        )


def judged_share(n: ArrayLike) -> NDArray[np.float64]:
    """Return the share of the LLR of `n` results that is judged: (n - 3) / n, from 0."""
    results = np.asarray(n, dtype=np.float64)
    return np.maximum(0.0, 1 - 3 / np.maximum(results, 1.0))


def llr_exact(counts: Sequence[float], elo0: float, elo1: float) -> float:
    """Return the generalised log-likelihood ratio of elo1 to elo0, in nats.

    See `llr_exact_of_many`; no result at all gives 0. Raises ValueError for bad counts.
    """
    return float(llr_exact_of_many(check_counts(counts)[None], elo0, elo1)[0])


def llr_exact_of_many(counts: ArrayLike, elo0: float, elo1: float) -> NDArray[np.float64]:
    """Return the generalised log-likelihood ratio of each row of counts, in nats.

    With frequencies p_i of the scores a_i, the likeliest distribution of mean s is
    p_i / (1 + x(a_i - s)), where x solves sum p_i (a_i - s) / (1 + x(a_i - s)) = 0: Van den Bergh,
    "Multinomial MLE", proposition 1.1 (cantate.be/Fishtest/support_MLE_multinomial.pdf). Counts of
    0 become 0.001, as in fishtest.

    Args:
        counts: shape (tests, outcomes), scores equally spaced from 0 to 1.
        elo0: the hypothesis of the denominator, logistic Elo.
        elo1: the hypothesis of the numerator, logistic Elo.

    Returns:
        Shape (tests,); 0 for a row without results.
    """
    seen = np.asarray(counts, dtype=np.float64)
    empty = seen.sum(axis=1) == 0
    seen = np.where(seen == 0, _PRIOR, seen)
    p = seen / seen.sum(axis=1, keepdims=True)
    logs = [_log_tilt(p, expected_score(elo)) for elo in (elo0, elo1)]
    llr: NDArray[np.float64] = (seen * (logs[0] - logs[1])).sum(axis=1)
    return np.where(empty, 0.0, llr)


def llr_approximate(counts: Sequence[float], elo0: float, elo1: float) -> float:
    """Return the log-likelihood ratio in nats as a normal distribution would have it.

    n (s1 - s0)(2s - s0 - s1) / (2 · variance), with fishtest's 0.001 for counts of 0: Van den
    Bergh, "GSPRT approximation" (cantate.be/Fishtest/GSPRT_approximation.pdf). It is good for
    many pairs and small differences; where nearly all results are equal it is far too large.
    """
    seen = check_counts(counts)
    if not seen.any():
        return 0.0
    n, mean, variance = moments([float(count) or _PRIOR for count in seen])
    s0, s1 = expected_score(elo0), expected_score(elo1)
    return n * (s1 - s0) * (2 * mean - s0 - s1) / (2 * variance)


def _log_tilt(p: NDArray[np.float64], s: float) -> NDArray[np.float64]:
    """Return log(1 + x(a - s)) of each outcome, x solving the secular equation, by bisection."""
    away = np.linspace(0, 1, p.shape[1]) - s
    low = np.full(p.shape[0], -1 / away[-1])
    high = np.full(p.shape[0], -1 / away[0])
    for _ in range(_HALVINGS):
        x = (low + high) / 2
        slope = (p * away / (1 + x[:, None] * away)).sum(axis=1)  # falls with x
        low, high = np.where(slope > 0, x, low), np.where(slope > 0, high, x)
    logs: NDArray[np.float64] = np.log1p(((low + high) / 2)[:, None] * away)
    return logs
