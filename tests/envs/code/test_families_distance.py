"""How far held-out families are from what trains, and that the test set is far from everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from typing import Any

from envs.code.families import FAMILIES, FAR, HELDOUT, TEST, TRAIN, make
from envs.code.families.compose import compiled
from envs.code.families.distance import BANDS, LEAST, band, distance, nearest, tokens
from envs.code.families.registry import types
from envs.code.task import CallTest, CodeTask
from envs.code.values import same


def test_distances_by_hand() -> None:
    assert tokens("max_list") == ("max", "(", "a", ")")
    assert tokens("keep_even") == tokens("keep_even")
    assert distance("max_list", "min_list") == 1
    assert distance("keep_odd", "keep_even") == 1, "loop variables have no names"
    assert distance("spread", "max_list") == 5, "max(a) - min(a)"
    assert distance("cube", "cube") == 0
    assert nearest("keep_odd", TRAIN) == (1, "keep_even")


def test_a_distance_is_a_metric() -> None:
    some = (*HELDOUT[::12], *FAR[::8], *TRAIN[::45])
    for one, two in combinations(some, 2):
        assert distance(one, two) == distance(two, one) > 0
        for third in some:
            assert distance(one, third) <= distance(one, two) + distance(two, third)


def test_how_many_held_out_families_are_neighbours_of_training_ones() -> None:
    assert Counter(map(band, HELDOUT)) == dict(zip(BANDS, (28, 10, 21), strict=True))


def test_far_families_are_far_from_what_trains() -> None:
    assert len(FAR) >= 20
    for family in FAR:
        assert nearest(family, TRAIN)[0] >= LEAST, (family, nearest(family, TRAIN))


def test_test_families_are_far_from_every_other_family() -> None:
    assert len(TEST) >= 24
    for family in TEST:
        others = (*TRAIN, *HELDOUT, *FAR, *TEST)
        assert nearest(family, others)[0] >= LEAST, (family, nearest(family, others))


def test_the_test_set_shares_no_function_name_with_other_families() -> None:
    for family in TEST:
        names = set(FAMILIES[family].names)
        for other in (*TRAIN, *HELDOUT, *FAR):
            assert not names & set(FAMILIES[other].names), (family, other)


def test_the_test_set_does_what_no_other_family_does() -> None:
    """By behaviour, both ways: each other family's tests catch it, and its own catch theirs."""
    made = {family: make(family, 1, 0) for family in FAMILIES}
    functions = {f: compiled(t.reference or "", t.entry_point or "") for f, t in made.items()}
    checked = 0
    for family in TEST:
        for other in FAMILIES:
            if other != family and types(FAMILIES[other]) == types(FAMILIES[family]):
                checked += 1
                assert not solves(functions[other], made[family]), (other, family)
                assert not solves(functions[family], made[other]), (family, other)
    assert checked > 500


def solves(function: Callable[..., Any], task: CodeTask) -> bool:
    for test in task.hidden:
        assert isinstance(test, CallTest)
        try:
            if not same(test.expected, function(*test.args)):
                return False
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return False
    return True
