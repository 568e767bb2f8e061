"""The sequential test against fishtest's and fastchess's numbers, and against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.ratings import Sprt, elo_of_score, expected_score, llr_approximate, llr_exact
from selfplay.ratings.sprt import judged_share, llr_exact_of_many

# fishtest's LLRcalc.LLR_logistic: counts, elo0, elo1, LLR. The first two are its self-test's.
FISHTEST = [
    ([10789, 19328, 33806, 19402, 10543], -3.0, 1.0, 2.1310678117942596),
    ([39, 2226, 31451, 2412, 40], 0.2, 0.9, 2.162542580049078),
    ([0, 10, 20, 50, 20], 0.0, 5.0, 1.4286861064744187),
    ([3, 20, 45, 25, 7], 0.0, 10.0, 0.6959726064980855),
    ([0, 0, 50, 0, 0], 0.0, 5.0, -0.7176058361124835),
    ([2, 5, 80, 8, 5], 0.0, 5.0, 0.5384862572588683),
    ([65804, 56553, 65388], -3.0, 1.0, 2.049042617996086),
]

# fastchess's app/tests/sprt_test.cpp, "logistic": printed to 0.01 and compared to 1%.
FASTCHESS = [
    ([223, 9863, 20279 + 1000, 10037, 246], 0.5, 2.5, -3.07),
    ([871, 26175, 55003 + 980, 26678, 821], 0.0, 2.0, -4.98),
    ([21184, 40708, 21404], 0.5, 2.5, -1.57),
    ([57030, 106593, 57433], 0.0, 2.0, -2.59),
]

PENTANOMIAL = st.lists(st.integers(0, 200), min_size=5, max_size=5)


@pytest.mark.parametrize(("counts", "elo0", "elo1", "llr"), FISHTEST)
def test_fishtests_numbers(counts: list[float], elo0: float, elo1: float, llr: float) -> None:
    assert llr_exact(counts, elo0, elo1) == pytest.approx(llr, rel=1e-7)


@pytest.mark.parametrize(("counts", "elo0", "elo1", "llr"), FASTCHESS)
def test_fastchess_numbers(counts: list[float], elo0: float, elo1: float, llr: float) -> None:
    assert llr_exact(counts, elo0, elo1) == pytest.approx(llr, rel=0.01)


@given(st.integers(1, 500), st.integers(1, 500), st.floats(-100, 50), st.floats(1, 100))
def test_without_draws_it_is_the_binomial_ratio(
    lost: int, won: int, elo0: float, gap: float
) -> None:
    s0, s1 = expected_score(elo0), expected_score(elo0 + gap)
    exact = won * math.log(s1 / s0) + lost * math.log((1 - s1) / (1 - s0))
    assert llr_exact([lost, won], elo0, elo0 + gap) == pytest.approx(exact, rel=1e-9, abs=1e-9)


def test_no_other_distribution_of_that_mean_is_likelier() -> None:
    # Against the hypothesis of the observed mean the LLR is that of the constrained maximum to the
    # free one. Random distributions of the same mean, near the observed one, do not beat it.
    counts, scores, s = np.array([3.0, 20.0, 45.0, 25.0, 7.0]), np.linspace(0, 1, 5), 0.55
    p = counts / counts.sum()
    best = llr_exact(counts.tolist(), elo_of_score(float(p @ scores)), elo_of_score(s))
    rng = np.random.default_rng(0)
    nearest = -math.inf
    for q in rng.dirichlet(counts, size=2000):
        end = int(4 * (float(q @ scores) < s))  # mix with the outcome on the other side of s
        share = (s - float(q @ scores)) / (scores[end] - float(q @ scores))
        q = (1 - share) * q + share * np.eye(5)[end]
        assert float(q @ scores) == pytest.approx(s)
        nearest = max(nearest, float(counts @ np.log(q / p)))
    assert best - 0.5 < nearest <= best + 1e-9 < 0


@given(PENTANOMIAL, st.floats(-50, 50), st.floats(1, 50))
def test_mirrored_results_mirror_the_llr(counts: list[int], elo0: float, gap: float) -> None:
    here = llr_exact(counts, elo0, elo0 + gap)
    there = llr_exact(counts[::-1], -elo0 - gap, -elo0)
    assert here == pytest.approx(-there, rel=1e-6, abs=1e-9)
    assert math.isfinite(here)


def test_rows_are_computed_alone() -> None:
    rows = [counts for counts, *_ in FISHTEST[:6]]
    together = llr_exact_of_many(rows, 0, 10)
    assert together.tolist() == pytest.approx([llr_exact(row, 0, 10) for row in rows])


def test_the_approximation_is_near_for_many_pairs_and_far_for_equal_ones() -> None:
    counts = [1187, 7410, 13475, 7378, 1164]
    assert llr_approximate(counts, -3, 1) == pytest.approx(llr_exact(counts, -3, 1), rel=0.01)
    # Fifty draws: too early to tell; a normal distribution without variance would be certain.
    assert llr_approximate([0, 0, 50, 0, 0], 0, 5) < -100 < llr_exact([0, 0, 50, 0, 0], 0, 5) < 0


def test_the_approximation_by_hand() -> None:
    # Mean 0.55, variance (20 · 0.09 + 50 · 0.0025 + 20 · 0.04 + 10 · 0.2025) / 100 = 0.0475.
    counts = [0.0, 20.0, 50.0, 20.0, 10.0]
    s1 = expected_score(20)
    expected = 100 * (s1 - 0.5) * (1.1 - 0.5 - s1) / (2 * 0.0475)
    assert llr_approximate(counts, 0, 20) == pytest.approx(expected, rel=1e-3)


def test_bounds_and_verdicts() -> None:
    test = Sprt(0, 10)
    assert test.upper == pytest.approx(2.9444389791664403)  # log 19
    assert test.lower == pytest.approx(-2.9444389791664403)
    assert Sprt(0, 10, alpha=0.01, beta=0.1).upper == pytest.approx(math.log(90))
    assert Sprt(0, 10, alpha=0.01, beta=0.1).lower == pytest.approx(math.log(0.1 / 0.99))
    assert test.judge([0, 0, 0, 0, 0]).verdict == "undecided"
    assert test.judge([50, 400, 1000, 1000, 300]).verdict == "accepted"
    assert test.judge([300, 1000, 1000, 400, 50]).verdict == "rejected"


def test_the_llr_is_judged_by_less_of_it_while_pairs_are_few() -> None:
    assert judged_share([0, 1, 3, 4, 30, 3000]).tolist() == pytest.approx(
        [0, 0, 0, 0.25, 0.9, 0.999]
    )
    result = Sprt(0, 400).judge([0, 0, 0, 0, 6])
    assert result.llr > result.upper > result.llr_judged and result.verdict == "undecided"
    assert result.llr_judged == pytest.approx(result.llr / 2)


@pytest.mark.parametrize(
    "numbers", [(10, 0), (5, 5), (0, math.nan), (0, 10, 0), (0, 10, 0.05, 0.5)]
)
def test_impossible_tests_are_refused(numbers: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must"):
        Sprt(*numbers)
