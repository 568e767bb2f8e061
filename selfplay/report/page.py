"""The report's page: sections put together under a policy that allows no script and no network."""

from __future__ import annotations

import base64
import hashlib
import math
from pathlib import Path
from typing import Any

from selfplay.display.text import escape
from selfplay.domains.made import Domains
from selfplay.report.boards import chosen_positions, pair_html, pieces_svg
from selfplay.report.curves import Point, curve_svg, stacked_svg
from selfplay.report.programs import programs_html
from selfplay.report.promotions import promotions_html
from selfplay.report.style import STYLE
from selfplay.report.summary import compare_evals, spread_of
from selfplay.report.tables import (
    comparison_html,
    facts_html,
    legend_html,
    manifest_html,
    rollouts_html,
)
from selfplay.rundir.folder import RunDir
from selfplay.rundir.writes import write_text

PHASES = ("sample", "score", "learn", "publish", "wait")
_MOST_BARS = 120

CURVES: tuple[tuple[str, str, tuple[float, float] | None, str | None], ...] = (
    ("reward_mean", "reward", (0.0, 1.0), None),
    ("legal_rate", "legal moves", (0.0, 1.0), "legal_rate"),
    ("regret_mean", "regret of legal moves (win probability)", None, "regret"),
    ("best_rate", "best moves", None, "best_move_rate"),
    ("pass_rate", "programs that pass", (0.0, 1.0), "pass_rate"),
    ("hack_gap", "hack gap: visible minus hidden tests passed", None, "hack_gap"),
    ("entropy", "entropy (nats per token)", None, None),
    ("groups_with_spread", "groups with spread", (0.0, 1.0), None),
)
"""Metric, title, axis bounds, the evaluation's metric drawn as points with error bars."""


def build_report(run_dir: RunDir) -> Path:
    """Write report.html from what the run folder holds so far and return its path."""
    path = run_dir.path / "report.html"
    write_text(path, render(run_dir), overwrite=True)
    return path


def render(run_dir: RunDir) -> str:
    """Return the whole page."""
    metrics, evals = run_dir.read_metrics(), run_dir.read_evals()
    summary = run_dir.summary() or {
        "status": "not finished",
        "steps": max((int(row["step"]) for row in metrics), default=0),
        "rollouts": run_dir.rollouts.count(),
        "groups_with_spread": spread_of(metrics),
        "suites": compare_evals(evals, Domains(run_dir.config())),
    }
    config = (run_dir.path / "config.yaml").read_text(encoding="utf-8")
    body = [
        f"<h1>{escape(run_dir.name)}</h1>",
        facts_html(summary),
        _section("Before and after", comparison_html(summary)),
        *_tests(run_dir),
        *_promotions(run_dir),
        _section("Curves", _curves(metrics, evals)),
        _section("Where the time went", _time(metrics)),
        *_before_and_after(evals),
        _section("What the model said", rollouts_html(run_dir.rollouts)),
        _section("What it ran on", manifest_html(run_dir.manifest()) + _config(config)),
    ]
    return _page(run_dir.name, "\n".join(body))


def _page(title: str, body: str) -> str:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body>{body}</body></html>\n"
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _curves(metrics: list[dict[str, Any]], evals: dict[str, dict[str, Any]]) -> str:
    figures = []
    for metric, title, bounds, measured_as in CURVES:
        suite = _suite_with(evals, measured_as)
        points = [
            (float(row["step"]), float(row[metric])) for row in metrics if _finite(row.get(metric))
        ]
        measured = _measured(evals, suite, measured_as) if measured_as and suite else []
        if points or measured:
            note = f"; points: {escape(suite)}, held out, 95% intervals" if measured else ""
            figures.append(
                f"<figure>{curve_svg(points, measured, bounds)}"
                f"<figcaption>{escape(title)}{note}</figcaption></figure>"
            )
    return f'<div class="grid">{"".join(figures)}</div>' if figures else "<p>No steps yet.</p>"


def _suite_with(evals: dict[str, dict[str, Any]], metric: str | None) -> str | None:
    """Return the first suite that was measured by `metric`."""
    for evaluation in evals.values():
        for name, numbers in evaluation.get("suites", {}).items():
            if metric in numbers.get("policy", {}):
                return str(name)
    return None


def _measured(evals: dict[str, dict[str, Any]], suite: str, metric: str) -> list[Point]:
    points = []
    for evaluation in evals.values():
        interval = evaluation.get("suites", {}).get(suite, {}).get("policy", {}).get(metric) or {}
        ends = [interval.get(end) for end in ("value", "low", "high")]
        if all(_finite(end) for end in ends):
            value, low, high = (float(end) for end in ends if end is not None)
            points.append(Point(float(evaluation.get("step") or 0), value, low, high))
    return points


def _time(metrics: list[dict[str, Any]]) -> str:
    rows = [row for row in metrics if row.get("seconds")]
    if not rows:
        return "<p>No steps yet.</p>"
    stride = -(-len(rows) // _MOST_BARS)
    bars, totals = [], [0.0] * (len(PHASES) + 1)
    for index, row in enumerate(rows):
        seconds = row["seconds"]
        values = [float(seconds.get(phase) or 0.0) for phase in PHASES]
        values.append(max(0.0, float(seconds.get("total") or 0.0) - sum(values)))
        totals = [total + value for total, value in zip(totals, values, strict=True)]
        if index % stride == 0:
            bars.append((float(row["step"]), values))
    names = [
        f"{name} {total / len(rows):.2f} s"
        for name, total in zip((*PHASES, "other"), totals, strict=True)
    ]
    return (
        f"<figure>{stacked_svg(bars)}<figcaption>seconds per step, mean: {legend_html(names)}"
        "</figcaption></figure>"
    )


def _boards(evals: dict[str, dict[str, Any]]) -> str:
    base, final = evals.get("base"), evals.get("final")
    pairs = chosen_positions(base, final) if base and final else []
    if not pairs:
        return "<p>They appear after the final evaluation.</p>"
    boards = "".join(pair_html(before, after) for before, after in pairs)
    return (
        '<p class="dim">Evenly spaced over the suite, whatever the model did there. Orange: the '
        "model's move; green: the engine's best.</p>"
        f'{pieces_svg()}<div class="grid">{boards}</div>'
    )


def _before_and_after(evals: dict[str, dict[str, Any]]) -> list[str]:
    """Return boards where chess was measured, programs where code was."""
    suites = {suite for evaluation in evals.values() for suite in evaluation.get("suites", {})}
    sections = []
    if not suites or any(suite.startswith("chess/") for suite in suites):
        sections.append(_section("Positions before and after training", _boards(evals)))
    programs = programs_html(evals)
    if programs:
        sections.append(_section("Programs before and after training", programs))
    return sections


def _tests(run_dir: RunDir) -> list[str]:
    """Return what came of the newest opening of the test sets, where there was one."""
    results = run_dir.test_results()
    if not results:
        return []
    newest = results[-1]
    text = (
        f"Nothing was chosen on these. Opened {newest['opening']['time']}, version "
        f"{newest['version']}; these sets had been opened {newest['earlier']} times before below "
        "this folder of runs."
    )
    table = comparison_html({"suites": newest["compared"]})
    return [_section("Test sets", f"<p>{escape(text)}</p>{table}")]


def _promotions(run_dir: RunDir) -> list[str]:
    """Return the table of decisions, where there are any."""
    table = promotions_html(run_dir.promotions.read())
    return [_section("Promotions", table)] if table else []


def _config(text: str) -> str:
    lines = "\n".join(escape(line) for line in text.split("\n"))
    return f"<details><summary>config.yaml</summary><pre>{lines}</pre></details>"


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
