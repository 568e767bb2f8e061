"""Curves over training samples: ratings, held-out estimates and training metrics of every run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from selfplay.leaderboard.entries import Entry
from selfplay.leaderboard.runs import REWARD, Run, curve_of
from selfplay.registry import Measure, domain_of_suite, in_order, measures_among

MOST_POINTS = 20_000
"""Points of training curves on the whole page."""
_FEWEST, _MOST = 12, 160
"""Points of one curve: at least and at most."""


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
    for suite, measure in _measured_by(runs):
        lines = [
            Line(run.name, _beside(run, suite, measure, most), _measured(run, suite, measure.key))
            for run in runs
        ]
        title = f"{measure.title[:1].upper()}{measure.title[1:]}, {suite}"
        unit = "share" if measure.unit == "%" else measure.unit
        charts.append(_chart(f"{suite} {measure.key}", title, unit, lines))
    domains = in_order(name for run in runs for name in run.domains)
    rewards = {f"{name}/{REWARD}": f"Reward in training, {name}" for name in domains}
    for metric, title in {REWARD: "Reward in training", **rewards}.items():
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


def _measured_by(runs: Sequence[Run]) -> list[tuple[str, Measure]]:
    """Return suite and measure of all estimates of all evaluations, in a fixed order."""
    keys: dict[str, set[str]] = {}
    for run in runs:
        for evaluation in run.evaluations:
            for suite, estimates in evaluation.suites.items():
                keys.setdefault(suite, set()).update(estimates)
    return [
        (suite, measure) for suite in sorted(keys) for measure in measures_among(suite, keys[suite])
    ]


def _measured(run: Run, suite: str, metric: str) -> list[list[float | None]]:
    points: dict[int, list[float | None]] = {}
    for evaluation in run.evaluations:
        found = evaluation.suites.get(suite, {}).get(metric)
        samples = run.samples(evaluation.version)
        if found is not None and samples is not None:
            points[samples] = [samples, *(_short(found[key]) for key in ("value", "low", "high"))]
    return [points[samples] for samples in sorted(points)]


def _beside(run: Run, suite: str, measure: Measure, most: int) -> list[list[float]]:
    """Return the training curve that belongs behind an evaluation's, if the run has that suite."""
    has = any(measure.key in e.suites.get(suite, {}) for e in run.evaluations)
    curve = run.curves.get(curve_of(domain_of_suite(suite), measure), [])
    return thinned(curve, most) if has else []


def _short(value: float | None) -> Any:
    return None if value is None else round(value, 5)
