"""The rollout buffer: order, and staleness counted in policy versions."""

from __future__ import annotations

import pytest

from selfplay.loop.buffer import Batch, RolloutBuffer


def test_first_in_first_out() -> None:
    buffer = RolloutBuffer(max_staleness=5)
    for step in range(3):
        buffer.put(Batch(step, version=0, groups=[]))
    assert len(buffer) == 3
    assert [buffer.take(step).step for step in range(3)] == [0, 1, 2]
    assert len(buffer) == 0


def test_strictly_on_policy_samples_only_when_nothing_waits_or_trains() -> None:
    buffer = RolloutBuffer(max_staleness=0)
    assert buffer.may_sample(4, 4, training=False)
    assert not buffer.may_sample(4, 4, training=True)
    assert not buffer.may_sample(3, 4, training=False)
    buffer.put(Batch(4, version=4, groups=[]))
    assert not buffer.may_sample(4, 4, training=False)


@pytest.mark.parametrize("staleness", [0, 1, 2, 4])
def test_what_may_be_sampled_is_never_too_old(staleness: int) -> None:
    """Sample as early as allowed for 40 steps; nothing is refused and the bound is reached."""
    buffer = RolloutBuffer(staleness)
    ages, asked = [], 0
    for learner in range(40):
        while buffer.may_sample(learner, learner, training=False):
            buffer.put(Batch(asked, version=learner, groups=[]))
            asked += 1
        batch = buffer.take(learner)
        ages.append(learner - batch.version)
        # While it trains the samplers go on with the version they hold.
        while buffer.may_sample(learner, learner, training=True):
            buffer.put(Batch(asked, version=learner, groups=[]))
            asked += 1
        assert len(buffer) <= staleness
    assert max(ages) == staleness and ages[-1] == staleness


def test_a_stale_batch_is_a_bug_and_said_so() -> None:
    buffer = RolloutBuffer(max_staleness=1)
    buffer.put(Batch(7, version=3, groups=[]))
    with pytest.raises(ValueError, match="step 7 is 2 versions old"):
        buffer.take(5)
