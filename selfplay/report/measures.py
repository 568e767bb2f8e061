"""The report's curves: what every run has, and the measures of its domains."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selfplay.display.text import escape
from selfplay.registry import Bounds, Measure, domain_of_suite, in_order, measures_of, metric_key
from selfplay.report.curves import Point, curve_svg
from selfplay.report.domains import measured_domains

Evals = Mapping[str, Mapping[str, Any]]
"""Name of an evaluation -> the evaluation."""


@dataclass(frozen=True, slots=True)
class _Curve:
    """One figure: a title, the ends of its axis, points in training and held-out ones."""

    title: str
    bounds: Bounds | None
    points: Sequence[tuple[float, float]]
    measured: Sequence[Point] = ()
    suite: str = ""
    domain: str = ""


def curves_html(metrics: Sequence[Mapping[str, Any]], evals: Evals, trained: Sequence[str]) -> str:
    """Return reward, the measures of every domain trained or measured, entropy and spread.

    Points are held out: the first suite of the domain that has the measure.
    """
    suites = [suite for e in evals.values() for suite in e.get("suites", {})]
    domains = in_order([*trained, *measured_domains(suites)])
    curves = [_Curve("reward", (0.0, 1.0), _points(metrics, "reward_mean"))]
    for name in domains:
        rows = metrics if name in trained else []
        curves += _curves_of(name, rows, evals)
    curves += [
        _Curve("entropy (nats per token)", None, _points(metrics, "entropy")),
        _Curve("groups with spread", (0.0, 1.0), _points(metrics, "groups_with_spread")),
    ]
    drawn = [curve for curve in curves if curve.points or curve.measured]
    titles = Counter(curve.title for curve in drawn)
    figures = "".join(_figure(curve, shared=titles[curve.title] > 1) for curve in drawn)
    return f'<div class="grid">{figures}</div>' if drawn else "<p>No steps yet.</p>"


def _curves_of(domain: str, metrics: Sequence[Mapping[str, Any]], evals: Evals) -> Iterator[_Curve]:
    """Yield the curves of a domain, those first that the console shows."""
    measures = sorted(measures_of(f"{domain}/"), key=lambda measure: not measure.on_console)
    for measure in measures:
        if measure.curve is None:
            continue
        suite = _suite_with(evals, domain, measure)
        key = next((key for row in metrics if (key := metric_key(row, domain, measure))), None)
        points = _points(metrics, key) if key is not None else []
        measured = _measured(evals, suite, measure.key) if suite else []
        title = measure.curve or measure.title
        yield _Curve(title, measure.bounds, points, measured, suite or "", domain)


def _figure(curve: _Curve, *, shared: bool) -> str:
    of = f", {curve.domain}" if shared and curve.domain else ""
    note = f"; points: {escape(curve.suite)}, held out, 95% intervals" if curve.measured else ""
    return (
        f"<figure>{curve_svg(curve.points, curve.measured, curve.bounds)}"
        f"<figcaption>{escape(curve.title + of)}{note}</figcaption></figure>"
    )


def _points(metrics: Sequence[Mapping[str, Any]], key: str) -> list[tuple[float, float]]:
    return [(float(row["step"]), float(row[key])) for row in metrics if _finite(row.get(key))]


def _suite_with(evals: Evals, domain: str, measure: Measure) -> str | None:
    """Return the domain's first suite that was measured by `measure`."""
    for evaluation in evals.values():
        for name, numbers in evaluation.get("suites", {}).items():
            if domain_of_suite(name) == domain and measure.key in numbers.get("policy", {}):
                return str(name)
    return None


def _measured(evals: Evals, suite: str, key: str) -> list[Point]:
    points = []
    for evaluation in evals.values():
        interval = evaluation.get("suites", {}).get(suite, {}).get("policy", {}).get(key) or {}
        ends = [interval.get(end) for end in ("value", "low", "high")]
        if all(_finite(end) for end in ends):
            value, low, high = (float(end) for end in ends if end is not None)
            points.append(Point(float(evaluation.get("step") or 0), value, low, high))
    return points


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
