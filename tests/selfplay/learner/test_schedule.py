"""The learning rate by steps and by the clock."""

from __future__ import annotations

from typing import Any

import pytest

from selfplay.config.run import RunConfig
from selfplay.learner.schedule import rate


def config(schedule: str, warmup: int = 0, minutes: float | None = None) -> RunConfig:
    learner: dict[str, Any] = {"lr": 1.0, "schedule": schedule, "warmup_steps": warmup}
    data = {"steps": 10, "max_minutes": minutes, "learner": learner}
    return RunConfig.model_validate(data)


def test_by_steps_alone() -> None:
    assert [rate(config("constant"), u) for u in range(10)] == [1.0] * 10
    linear = [rate(config("linear"), u) for u in range(10)]
    assert linear == pytest.approx([1 - u / 10 for u in range(10)])
    cosine = [rate(config("cosine"), u) for u in range(10)]
    assert cosine[0] == 1.0 and cosine[5] == pytest.approx(0.5) and 0 < cosine[9] < 0.03
    assert cosine == sorted(cosine, reverse=True)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("warmup", [0, 1, 3, 10, 50])
@pytest.mark.parametrize("gone", [0.0, 0.5, 1.0, 7.0])
def test_every_update_changes_something(schedule: str, warmup: int, gone: float) -> None:
    rates = [rate(config(schedule, warmup, 1.0), u, gone) for u in range(12)]
    assert all(0 < value <= 1 for value in rates)


def test_a_warm_up_is_below_the_full_rate_for_its_steps_and_then_full() -> None:
    rates = [rate(config("linear", 3), u) for u in range(5)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1.0, 1 - 1 / 7])


def test_without_max_minutes_the_clock_is_not_asked() -> None:
    for u in range(10):
        assert rate(config("linear"), u, 0.9) == rate(config("linear"), u)


def test_the_clock_brings_the_rate_down_where_it_is_ahead_of_the_steps() -> None:
    """Four updates in the whole time: the last begins with a quarter of it left."""
    timed = config("linear", minutes=5)
    assert [rate(timed, u, u / 4) for u in range(4)] == pytest.approx([1, 0.75, 0.5, 0.25])
    assert rate(timed, 8, 0.1) == pytest.approx(0.2), "the steps are ahead"
    assert rate(config("cosine", minutes=5), 1, 0.5) == pytest.approx(0.5)
    assert rate(config("constant", minutes=5), 1, 0.5) == 1.0
