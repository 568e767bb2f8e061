"""Better, worse or even: the two-sided test by hand, against its parts, and by simulation."""

from __future__ import annotations

import json
import random

import pytest

from selfplay.ratings.elo import expected_score
from selfplay.ratings.sequential import TwoSidedSprt
from selfplay.ratings.sprt import Sprt


def judged(points: list[float], max_pairs: int = 200, **numbers: float) -> TwoSidedSprt:
    test = TwoSidedSprt(Sprt(numbers.get("elo0", 0), numbers.get("elo1", 100)), max_pairs)
    for pair, value in enumerate(points, start=1):
        test.add(pair, value)
    return test


def test_who_wins_everything_is_better_and_who_loses_everything_worse() -> None:
    won, lost = judged([2.0] * 40), judged([0.0] * 40)
    assert (won.finding, lost.finding) == ("better", "worse")
    assert won.pairs == lost.pairs == 15  # what follows the decision is not counted
    assert won.counts == lost.counts[::-1]
    assert won.better.verdict == "accepted" and lost.worse.verdict == "accepted"


def test_who_neither_wins_nor_loses_is_even_and_not_worse() -> None:
    test = judged([1.0, 0.5, 1.5, 1.0] * 60, max_pairs=240)
    assert test.finding == "even"
    assert test.better.verdict == test.worse.verdict == "rejected"


def test_a_match_that_ends_too_soon_is_undecided() -> None:
    test = judged([2.0] * 40, max_pairs=4)
    assert test.done and test.finding == "undecided" and test.pairs == 4
    assert not judged([2.0] * 3, max_pairs=4).done


def test_the_order_in_which_pairs_end_changes_nothing() -> None:
    rng = random.Random(1)
    points = [rng.choice([0.5, 1.0, 1.5, 2.0]) for _ in range(80)]
    straight = judged(points)
    assert straight.finding == "better"
    for seed in range(5):
        order = list(range(1, 81))
        random.Random(seed).shuffle(order)
        test = TwoSidedSprt(Sprt(0, 100), 200)
        for pair in order:
            test.add(pair, points[pair - 1])
        assert test.as_dict() == straight.as_dict() and test.finding == "better"


def test_a_gap_holds_back_what_is_after_it() -> None:
    test = TwoSidedSprt(Sprt(0, 100), 200)
    for pair in range(2, 60):
        test.add(pair, 2.0)
    assert test.pairs == 0 and not test.done
    test.add(1, 2.0)
    assert test.finding == "better"


def test_impossible_pairs_are_refused() -> None:
    test = TwoSidedSprt(Sprt(0, 100), 200)
    test.add(1, 2.0)
    with pytest.raises(ValueError, match="pair 1 was counted already"):
        test.add(1, 2.0)
    with pytest.raises(ValueError, match="points"):
        test.add(2, 0.3)


def test_the_evidence_is_json_at_any_time() -> None:
    for points in ([], [2.0], [2.0] * 40, [1.0] * 9):
        evidence = judged(points).as_dict()
        assert json.loads(json.dumps(evidence, allow_nan=False)) == evidence


@pytest.mark.parametrize(("elo", "wrong"), [(0.0, {"better", "worse"}), (200.0, {"worse", "even"})])
def test_errors_keep_their_rates(elo: float, wrong: set[str]) -> None:
    """100 matches of decisive games: 5% each way for equals; 5% missed where elo1 is true."""
    win = expected_score(elo)
    rng = random.Random(7)
    errors = {"better": 0, "worse": 0, "even": 0, "undecided": 0}
    for _ in range(100):
        test = TwoSidedSprt(Sprt(0, 200), 400)
        pair = 0
        while not test.done:
            pair += 1
            test.add(pair, float((rng.random() < win) + (rng.random() < win)))
        errors[test.finding] += 1
    assert errors["undecided"] == 0
    for finding in wrong:
        assert errors[finding] <= 11, errors  # 5 expected at most; P(X > 11) is below 0.5%
