"""Rank groups of a suite: who earns more for certain, on the same tasks where they had them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfplay.domains.rows import value_of
from selfplay.ratings.ranks import Estimates, ranks
from selfplay.registry import Measure
from selfplay.stats.clustered import cluster_of
from selfplay.stats.intervals import Z95


@dataclass(frozen=True, slots=True)
class Scores:
    """What an evaluation earned on a suite: by cluster, the sum over its tasks and their number.

    `items` distinguishes sets of tasks. All that is kept of the rows: runs have thousands.
    """

    items: str
    sums: Mapping[str, float]
    tasks: Mapping[str, int]


def scores_of(rows: Sequence[Mapping[str, Any]], measure: Measure) -> Scores:
    """Return what greedy answers earned by a measure.

    Rows without it are left out, those with an infrastructure error among them.
    """
    sums: dict[str, float] = {}
    tasks: dict[str, int] = {}
    names = []
    for row in rows:
        value = value_of(row, measure)
        if value is None:
            continue
        of = cluster_of(row)
        sums[of] = sums.get(of, 0) + value
        tasks[of] = tasks.get(of, 0) + 1
        names.append(str(row["task_id"]))
    text = "\n".join(sorted(names))
    return Scores(hashlib.sha256(text.encode()).hexdigest(), sums, tasks)


def suite_ranks(
    measure: Measure,
    estimates: Sequence[Mapping[str, Any]],
    scores: Sequence[Scores | None],
) -> list[int | None]:
    """Return the rank of each entry by a measure; see selfplay/ratings/ranks.py.

    Entries that answered the same tasks are compared cluster by cluster; others, and those of which
    the interval alone is known, as independent.

    Args:
        measure: what orders the suite.
        estimates: its published intervals.
        scores: what was earned, where the rows that make up the estimate are stored.
    """
    scores = [
        known if known is not None and _makes_up(found, known) else None
        for found, known in zip(estimates, scores, strict=True)
    ]
    values = np.array([float(found["value"]) for found in estimates])
    counts = [found.get("clusters") or found.get("n") or 0 for found in estimates]
    observations = np.array(
        [
            count if known is None else len(known.tasks)
            for count, known in zip(counts, scores, strict=True)
        ],
        dtype=np.float64,
    )
    least = np.zeros(len(values))
    if measure.unit == "%":
        # Of few clusters that agree by chance none is believed to vary less than as many coin
        # tosses.
        shrunk = (values * observations + 1) / (observations + 2)
        least = np.maximum(shrunk * (1 - shrunk), 0) / np.maximum(observations, 1)
    bounded = np.zeros(len(values), dtype=np.bool_)
    spread = _spread(estimates, scores)
    signed = values if measure.higher_is_better else -values
    return ranks(Estimates(signed, spread, observations, least, bounded, bounded))


def _makes_up(found: Mapping[str, Any], known: Scores) -> bool:
    """Whether the estimate is the mean of the scores: domains may compute theirs in another way."""
    tasks = sum(known.tasks.values())
    return tasks > 0 and math.isclose(
        sum(known.sums.values()) / tasks, found["value"], rel_tol=1e-9, abs_tol=1e-9
    )


def _spread(
    estimates: Sequence[Mapping[str, Any]], scores: Sequence[Scores | None]
) -> NDArray[np.float64]:
    """Return a column per entry whose products sum to covariances; a row per cluster of a task set.

    Linearised shares, K / (K - 1) · sum (s - p·m)² / n²: as in selfplay.stats.clustered.share.
    """
    rows: dict[tuple[str, str], int] = {}
    for number, known in enumerate(scores):
        names = [("", str(number))] if known is None else [(known.items, of) for of in known.tasks]
        for name in names:
            rows.setdefault(name, len(rows))
    spread = np.zeros((len(rows), len(estimates)))
    for number, (found, known) in enumerate(zip(estimates, scores, strict=True)):
        if known is None:
            spread[rows["", str(number)], number] = (found["high"] - found["low"]) / (2 * Z95)
            continue
        k, n = len(known.tasks), sum(known.tasks.values())
        share = sum(known.sums.values()) / n
        for of, tasks in known.tasks.items():
            error = (known.sums[of] - share * tasks) / n
            spread[rows[known.items, of], number] = error * (k / max(k - 1, 1)) ** 0.5
    return spread
