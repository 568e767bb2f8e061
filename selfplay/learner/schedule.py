"""The learning rate of an update: warm-up, then constant, linear or cosine.

How much of a run is over is the share of its steps or, where `max_minutes` is set, the share of its
time if that is larger: a schedule comes down also in a run that the clock ends. A run with `steps`
alone depends on no clock and repeats.
"""

from __future__ import annotations

import math

from selfplay.config.run import RunConfig


def rate(config: RunConfig, update: int, time_gone: float = 0.0) -> float:
    """Return the learning rate of update number `update`, counted from 0; it is above 0.

    Args:
        config: its `learner`, `steps` and `max_minutes`.
        update: how many updates went before.
        time_gone: share of max_minutes that had passed when the update began.
    """
    learner = config.learner
    warm = min(1.0, (update + 1) / (learner.warmup_steps + 1))
    steps_left = max(1, config.steps - learner.warmup_steps)
    done = max(0.0, (update - learner.warmup_steps) / steps_left)
    if config.max_minutes is not None:
        done = max(done, time_gone)
    # After the last step that was planned, and for a clock that has run out: what the last one had.
    done = min(done, 1.0 - 1.0 / steps_left)
    if learner.schedule == "linear":
        return learner.lr * warm * (1.0 - done)
    if learner.schedule == "cosine":
        return learner.lr * warm * 0.5 * (1.0 + math.cos(math.pi * done))
    return learner.lr * warm
