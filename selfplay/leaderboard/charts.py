"""Curves over training samples: ratings, held-out estimates and training metrics of every run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from selfplay.display.numbers import METRIC_NAMES
from selfplay.leaderboard.entries import Entry
from selfplay.leaderboard.runs import Run

MOST_POINTS = 20_000
"""Points of training curves on the whole page."""
_FEWEST, _MOST = 12, 160
"""Points of one curve: at least and at most."""

_TRAINING = {
    "reward_mean": "Reward in training",
    "chess/reward_mean": "Reward in training, chess",
    "code/reward_mean": "Reward in training, code",
}
_BESIDE = {
    "legal_rate": "legal_rate",
    "regret": "regret_mean",
    "pass_rate": "pass_rate",
    "hack_gap": "hack_gap",
}
"""Metric of an evaluation -> the training metric that is drawn thin behind it."""

_UNITS = {"regret": "winning chance", "hack_gap": "share of tests"}


@dataclass(frozen=True, slots=True)
class Line:
    """One run in one chart: `points` [samples, value], `measured` [samples, value, low, high]."""

    run: str
    points: list[list[float]]
    measured: list[list[float | None]]

    def as_dict(self) -> dict[str, Any]:
        """Return the line as JSON."""
        return {"run": self.run, "points": self.points, "measured": self.measured}


def make_charts(runs: Sequence[Run], entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return the charts that have something to show: id, title, unit, percent and lines."""
    curves = sum(len(run.curves) for run in runs) or 1
    most = max(_FEWEST, min(_MOST, MOST_POINTS // curves))
    charts = [_chart("rating", "Rating (Elo)", "Elo", [_rated(run, entries) for run in runs])]
    for suite, metric in _measured_metrics(runs):
        lines = [
            Line(run.name, _beside(run, suite, metric, most), _measured(run, suite, metric))
            for run in runs
        ]
        title = f"{_title(metric)}, {suite}"
        unit = _UNITS.get(metric, "share")
        charts.append(_chart(f"{suite} {metric}", title, unit, lines))
    for metric, title in _TRAINING.items():
        lines = [Line(run.name, thinned(run.curves.get(metric, []), most), []) for run in runs]
        charts.append(_chart(metric, title, "reward", lines))
    return [chart for chart in charts if chart["lines"]]


def thinned(points: Sequence[tuple[int, float]], most: int) -> list[list[float]]:
    """Return at most `most` points: each the mean of as many neighbours as its place needs."""
    if len(points) <= most:
        return [[x, _short(y)] for x, y in points]
    found: list[list[float]] = []
    for i in range(most):
        part = points[i * len(points) // most : (i + 1) * len(points) // most]
        mean_x = sum(x for x, _ in part) / len(part)
        found.append([round(mean_x), _short(sum(y for _, y in part) / len(part))])
    return found


def _chart(name: str, title: str, unit: str, lines: Sequence[Line]) -> dict[str, Any]:
    shown = [line.as_dict() for line in lines if line.points or line.measured]
    return {"id": name, "title": title, "unit": unit, "lines": shown}


def _rated(run: Run, entries: Sequence[Entry]) -> Line:
    """Return the run's rated versions; a player with options of its own is none of them."""
    points: dict[int, list[float | None]] = {}
    for entry in entries:
        rating = entry.rating
        own = entry.run == run.name and "," not in entry.name
        if own and entry.samples is not None and rating is not None and rating["elo"] is not None:
            ends = (rating[key] for key in ("elo", "low", "high"))
            points[entry.samples] = [entry.samples, *(_short(end) for end in ends)]
    return Line(run.name, [], [points[samples] for samples in sorted(points)])


def _measured_metrics(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Return the pairs of suite and metric of all evaluations, in a fixed order."""
    found = {
        (suite, metric)
        for run in runs
        for evaluation in run.evaluations
        for suite, metrics in evaluation.suites.items()
        for metric in metrics
    }
    order = list(METRIC_NAMES)

    def place(pair: tuple[str, str]) -> tuple[str, int, str]:
        suite, metric = pair
        return suite, order.index(metric) if metric in order else len(order), metric

    return sorted(found, key=place)


def _measured(run: Run, suite: str, metric: str) -> list[list[float | None]]:
    points: dict[int, list[float | None]] = {}
    for evaluation in run.evaluations:
        found = evaluation.suites.get(suite, {}).get(metric)
        samples = run.samples(evaluation.version)
        if found is not None and samples is not None:
            points[samples] = [samples, *(_short(found[key]) for key in ("value", "low", "high"))]
    return [points[samples] for samples in sorted(points)]


def _beside(run: Run, suite: str, metric: str, most: int) -> list[list[float]]:
    """Return the training curve that belongs behind an evaluation's, if the run has that suite."""
    has = any(metric in e.suites.get(suite, {}) for e in run.evaluations)
    name = _BESIDE.get(metric)
    return thinned(run.curves.get(name, []), most) if has and name else []


def _title(metric: str) -> str:
    name = METRIC_NAMES.get(metric, metric)
    return name[:1].upper() + name[1:]


def _short(value: float | None) -> Any:
    return None if value is None else round(value, 5)
