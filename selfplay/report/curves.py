"""Curves and stacked bars as inline SVG; pure text, coloured by the page's classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from selfplay.display.text import escape
from selfplay.registry import Bounds

WIDTH, HEIGHT = 340.0, 190.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 10.0, 10.0, 26.0
_SMOOTH_FROM = 30


@dataclass(frozen=True, slots=True)
class Point:
    """A measured value with its interval at a step."""

    step: float
    value: float
    low: float
    high: float


def curve_svg(
    points: Sequence[tuple[float, float]],
    measured: Sequence[Point] = (),
    bounds: Bounds | None = None,
) -> str:
    """Return one chart: a curve over steps and measured points with error bars.

    Args:
        points: (step, value), ascending; from 30 on a running mean is drawn over the raw curve.
        measured: held-out evaluations.
        bounds: lowest and highest value of the axis; None, of both or of one: from the data.
    """
    xs = [x for x, _ in points] + [m.step for m in measured]
    ys = [y for _, y in points] + [y for m in measured for y in (m.low, m.value, m.high)]
    fitted = _padded(min(ys), max(ys))
    low, high = (
        end if given is None else given
        for given, end in zip(bounds or (None, None), fitted, strict=True)
    )
    scale = _Scale(min(xs), max(xs), low, high)
    parts = [_axes(scale)]
    if len(points) >= _SMOOTH_FROM:
        parts += [_line(points, scale, "faint"), _line(_running_mean(points), scale, "curve")]
    elif points:
        parts.append(_line(points, scale, "curve"))
    for m in measured:
        x, y = scale.x(m.step), scale.y(m.value)
        parts.append(
            f'<line class="bar" x1="{x:.1f}" x2="{x:.1f}" y1="{scale.y(m.low):.1f}" '
            f'y2="{scale.y(m.high):.1f}"/><circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
        )
    return _svg(WIDTH, HEIGHT, "".join(parts))


def stacked_svg(rows: Sequence[tuple[float, Sequence[float]]]) -> str:
    """Return stacked bars: a column per row (step, values), classes p0, p1, ... from below."""
    top = max((sum(values) for _, values in rows), default=0.0) or 1.0
    first, last = rows[0][0], rows[-1][0]
    scale = _Scale(first - 0.5, last + 0.5, 0.0, top)
    width = max(0.5, (WIDTH - _LEFT - _RIGHT) / len(rows) - 0.6)
    parts = [_axes(scale, (first, last))]
    for position, (_, values) in enumerate(rows):
        x = _LEFT + (position + 0.5) * (WIDTH - _LEFT - _RIGHT) / len(rows) - width / 2
        base = 0.0
        for kind, value in enumerate(values):
            y0, y1 = scale.y(base), scale.y(base + value)
            parts.append(
                f'<rect class="p{kind}" x="{x:.1f}" y="{y1:.1f}" width="{width:.2f}" '
                f'height="{max(0.0, y0 - y1):.2f}"/>'
            )
            base += value
    return _svg(WIDTH, HEIGHT, "".join(parts))


@dataclass(frozen=True, slots=True)
class _Scale:
    x0: float
    x1: float
    y0: float
    y1: float

    def x(self, value: float) -> float:
        share = (value - self.x0) / ((self.x1 - self.x0) or 1.0)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.y0) / ((self.y1 - self.y0) or 1.0)
        return HEIGHT - _BOTTOM - min(1.0, max(0.0, share)) * (HEIGHT - _TOP - _BOTTOM)


def _axes(scale: _Scale, steps: tuple[float, float] | None = None) -> str:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    parts = [f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>']
    for share in (0.0, 0.5, 1.0):
        value = scale.y0 + share * (scale.y1 - scale.y0)
        parts.append(
            f'<text x="{_LEFT - 4}" y="{scale.y(value) + 4:.1f}" text-anchor="end">'
            f"{escape(f'{value:.3g}')}</text>"
        )
    first, last = steps or (scale.x0, scale.x1)
    parts.append(f'<text x="{_LEFT}" y="{HEIGHT - 8}">step {first:.0f}</text>')
    parts.append(f'<text x="{right}" y="{HEIGHT - 8}" text-anchor="end">{last:.0f}</text>')
    return "".join(parts)


def _line(points: Sequence[tuple[float, float]], scale: _Scale, name: str) -> str:
    if len(points) == 1:
        x, y = points[0]
        return f'<circle class="p0" cx="{scale.x(x):.1f}" cy="{scale.y(y):.1f}" r="2"/>'
    path = " ".join(f"{scale.x(x):.1f},{scale.y(y):.1f}" for x, y in points)
    return f'<polyline class="{name}" points="{path}"/>'


def _running_mean(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the mean over the last tenth of the points up to each one."""
    span = max(2, len(points) // 10)
    values = [y for _, y in points]
    return [
        (x, sum(values[max(0, i - span + 1) : i + 1]) / len(values[max(0, i - span + 1) : i + 1]))
        for i, (x, _) in enumerate(points)
    ]


def _padded(low: float, high: float) -> tuple[float, float]:
    if math.isclose(low, high):
        return low - (abs(low) * 0.1 or 0.1), high + (abs(high) * 0.1 or 0.1)
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def _svg(width: float, height: float, body: str) -> str:
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img">{body}</svg>'
