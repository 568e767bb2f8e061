"""Rank groups of a suite: who passes more for certain, on the same tasks where they had them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfplay.ratings.ranks import Estimates, ranks
from selfplay.stats.clustered import cluster_of
from selfplay.stats.intervals import Z95


@dataclass(frozen=True, slots=True)
class Passes:
    """What an evaluation passed of a suite: by cluster, tasks passed and tasks at all.

    `items` distinguishes sets of tasks. All that is kept of the rows: runs have thousands.
    """

    items: str
    passed: Mapping[str, int]
    tasks: Mapping[str, int]


def passes_of(rows: Sequence[Mapping[str, Any]]) -> Passes:
    """Return what greedy answers passed; rows with an infrastructure error are left out."""
    sound = [row for row in rows if row["verdict"] != "infra_error"]
    passed: dict[str, int] = {}
    tasks: dict[str, int] = {}
    for row in sound:
        of = cluster_of(row)
        passed[of] = passed.get(of, 0) + (row["verdict"] == "pass")
        tasks[of] = tasks.get(of, 0) + 1
    names = "\n".join(sorted(str(row["task_id"]) for row in sound))
    return Passes(hashlib.sha256(names.encode()).hexdigest(), passed, tasks)


def suite_ranks(
    estimates: Sequence[Mapping[str, Any]], passes: Sequence[Passes | None]
) -> list[int | None]:
    """Return the rank of each entry by its pass rate; see selfplay/ratings/ranks.py.

    Entries that answered the same tasks are compared cluster by cluster; others, and those of which
    the interval alone is known, as independent.

    Args:
        estimates: the published intervals of the pass rates.
        passes: what was passed, where rows are stored.
    """
    values = np.array([float(found["value"]) for found in estimates])
    counts = [found.get("clusters") or found.get("n") or 0 for found in estimates]
    observations = np.array(
        [
            count if known is None else len(known.tasks)
            for count, known in zip(counts, passes, strict=True)
        ],
        dtype=np.float64,
    )
    # Of few clusters that agree by chance none is believed to vary less than as many coin tosses.
    shrunk = (values * observations + 1) / (observations + 2)
    least = shrunk * (1 - shrunk) / np.maximum(observations, 1)
    bounded = np.zeros(len(values), dtype=np.bool_)
    spread = _spread(estimates, passes)
    return ranks(Estimates(values, spread, observations, least, bounded, bounded))


def _spread(
    estimates: Sequence[Mapping[str, Any]], passes: Sequence[Passes | None]
) -> NDArray[np.float64]:
    """Return a column per entry whose products sum to covariances; a row per cluster of a task set.

    Linearised shares, K / (K - 1) · sum (s - p·m)² / n²: as in selfplay.stats.clustered.share.
    """
    rows: dict[tuple[str, str], int] = {}
    for number, known in enumerate(passes):
        names = [("", str(number))] if known is None else [(known.items, of) for of in known.tasks]
        for name in names:
            rows.setdefault(name, len(rows))
    spread = np.zeros((len(rows), len(estimates)))
    for number, (found, known) in enumerate(zip(estimates, passes, strict=True)):
        if known is None:
            spread[rows["", str(number)], number] = (found["high"] - found["low"]) / (2 * Z95)
            continue
        k, n = len(known.tasks), sum(known.tasks.values())
        share = sum(known.passed.values()) / n
        for of, tasks in known.tasks.items():
            error = (known.passed[of] - share * tasks) / n
            spread[rows[known.items, of], number] = error * (k / max(k - 1, 1)) ** 0.5
    return spread
