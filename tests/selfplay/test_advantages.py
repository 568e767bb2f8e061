"""Advantages against their formulas, by hand and as properties."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards import RewardResult
from selfplay.advantages import Advantage, assign_advantages, dr_grpo, drawn_of, grpo, target
from selfplay.records import FORCED, Group
from tests.selfplay.batches import random_group

REWARDS = st.lists(st.floats(0, 1), min_size=2, max_size=16)


def group(rewards: list[float]) -> Group:
    made = random_group(random.Random(0), "made-up/0", size=len(rewards), prompt=3, longest=4)
    for rollout, value in zip(made.rollouts, rewards, strict=True):
        rollout.result = RewardResult(value, "fail")
    return made


def test_by_hand() -> None:
    assert dr_grpo([0.0, 1.0, 0.5, 0.5]) == [-0.5, 0.5, 0.0, 0.0]
    deviation = math.sqrt((0.25 + 0.25) / 3) + 1e-4
    assert grpo([0.0, 1.0, 0.5, 0.5]) == pytest.approx([-0.5 / deviation, 0.5 / deviation, 0, 0])
    # softmax(1/0.5, 0/0.5) = (e2, 1) / (e2 + 1).
    q = math.exp(2) / (math.exp(2) + 1)
    assert target([1.0, 0.0], 0.5) == pytest.approx([q, 1 - q])


@given(REWARDS)
def test_centred_and_in_the_order_of_the_rewards(rewards: list[float]) -> None:
    for values in (dr_grpo(rewards), grpo(rewards)):
        assert math.fsum(values) == pytest.approx(0, abs=1e-6)
        for (a, x), (b, y) in zip(
            *[iter(sorted(zip(rewards, values, strict=True)))] * 2, strict=False
        ):
            assert a > b or x <= y
    assert statistics.stdev(grpo(rewards)) <= 1 + 1e-9


@given(REWARDS, st.floats(0.01, 2))
def test_target_is_a_distribution_in_the_order_of_the_rewards(
    rewards: list[float], temperature: float
) -> None:
    values = target(rewards, temperature)
    assert math.fsum(values) == pytest.approx(1, abs=1e-9) and min(values) >= 0
    assert values[rewards.index(max(rewards))] == max(values)
    assert values[rewards.index(min(rewards))] == min(values)
    # The log of a ratio of two probabilities is the difference of rewards over the temperature.
    if min(values) > 1e-300:
        ratio = math.log(max(values) / min(values))
        assert ratio == pytest.approx((max(rewards) - min(rewards)) / temperature, abs=1e-6)


@pytest.mark.parametrize("same", [0.0, 0.3, 1.0])
def test_no_spread_teaches_nothing(same: float) -> None:
    assert dr_grpo([same] * 8) == [0.0] * 8
    assert grpo([same] * 8) == [0.0] * 8


@pytest.mark.parametrize("kind", ["dr_grpo", "grpo", "target"])
def test_assigned_and_scaled(kind: str) -> None:
    rewards = [0.0, 0.25, 1.0]
    made = group(rewards)
    assign_advantages(made, Advantage(kind, 3.0, 0.2))
    expected = {
        "dr_grpo": dr_grpo(rewards),
        "grpo": grpo(rewards),
        "target": target(rewards, 0.2),
    }[kind]
    assert [r.advantage for r in made.rollouts] == pytest.approx([3 * v for v in expected])


def test_unscored_and_failed_rollouts_never_train() -> None:
    for broken in (None, RewardResult(0.0, "infra_error")):
        made = group([0.0, 1.0])
        made.rollouts[1].result = broken
        before = [r.advantage for r in made.rollouts]
        with pytest.raises(ValueError, match=r"made-up/0.*never train"):
            assign_advantages(made, Advantage("dr_grpo"))
        assert [r.advantage for r in made.rollouts] == before


def listed(rewards: list[float], seed: int = 0) -> Group:
    """Two answers that were drawn, then the listed actions with these rewards."""
    made = group([0.0, 0.0, *rewards])
    for rollout in made.rollouts:
        rollout.seed = seed
    for rollout in made.rollouts[2:]:
        rollout.finish = FORCED
    return made


SEVEN = [0.1, 0.9, 0.3, 1.0, 0.2, 0.95, 0.4]


@pytest.mark.parametrize("kind", ["target", "dr_grpo", "grpo"])
def test_of_many_listed_actions_the_best_always_trains_and_all_count_on_average(kind: str) -> None:
    """Over every draw that there is: `random.sample` takes each subset with the same chance."""
    how = Advantage(kind, 2.0, 0.2, most=4)
    whole = listed(SEVEN)
    assign_advantages(whole, Advantage(kind, 2.0, 0.2))
    right = [r.advantage for r in whole.learnt]
    assert len(right) == 7
    by_draw: dict[frozenset[int], list[float]] = {}
    for seed in range(2000):
        made = listed(SEVEN, seed)
        assign_advantages(made, how)
        assert len(made.learnt) == 4 and made.rollouts[5] in made.learnt  # the best, 1.0
        chosen = frozenset(r.index for r in made.learnt)
        values = [r.advantage for r in made.rollouts[2:]]
        assert by_draw.setdefault(chosen, values) == values
        if len(by_draw) == math.comb(6, 3):
            break
    assert len(by_draw) == math.comb(6, 3)
    average = [statistics.fmean(column) for column in zip(*by_draw.values(), strict=True)]
    assert average == pytest.approx(right)


def test_which_actions_are_drawn_follows_from_the_seed_alone() -> None:
    first, again, other = (listed(SEVEN, seed) for seed in (5, 5, 6))
    for made in (first, again, other, again):  # a second time changes nothing
        assign_advantages(made, Advantage("target", 1.0, 0.2, most=4))
    assert [r.advantage for r in first.rollouts] == [r.advantage for r in again.rollouts]
    assert [r.learns for r in first.rollouts] != [r.learns for r in other.rollouts]
    few = listed(SEVEN)
    assign_advantages(few, Advantage("target", 1.0, 0.2, most=7))
    assert [r.advantage for r in few.learnt] == pytest.approx(target(SEVEN, 0.2))


@given(REWARDS, st.integers(2, 16), st.integers(0, 99))
def test_never_more_train_than_there_is_room_for(
    rewards: list[float], most: int, seed: int
) -> None:
    chances = drawn_of(rewards, most, seed)
    assert sum(chance > 0 for chance in chances) == min(most, len(rewards))
    assert chances[rewards.index(max(rewards))] == 1.0
    assert math.fsum(chances) <= len(rewards)


def test_equal_rewards_teach_where_actions_are_listed_and_have_a_target() -> None:
    kept, dropped = Advantage("target", 1.0, 0.2, flat=True), Advantage("target", 1.0, 0.2)
    for rewards in ([1.0, 1.0, 1.0], [1.0]):
        assert kept.teaches(listed(rewards)) and not dropped.teaches(listed(rewards))
        assert not Advantage("dr_grpo", flat=True).teaches(listed(rewards))
    # Drawn answers that are all alike may all be illegal.
    assert not kept.teaches(group([0.0] * 3))
    made = listed([1.0, 1.0])
    assign_advantages(made, kept)
    assert [r.advantage for r in made.learnt] == [0.5, 0.5]
    assert all(how.teaches(listed([0.0, 1.0])) for how in (kept, dropped, Advantage("grpo")))
