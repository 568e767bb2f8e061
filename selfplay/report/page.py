"""The report's page: sections put together under a policy that allows no script and no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selfplay.display.text import escape
from selfplay.domains.made import Domains
from selfplay.registry import domain_of_suite, in_order, specs
from selfplay.report.curves import stacked_svg
from selfplay.report.domains import domains_of, measured_domains, shown, trained_by
from selfplay.report.measures import curves_html
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


def build_report(run_dir: RunDir) -> Path:
    """Write report.html from what the run folder holds so far and return its path."""
    path = run_dir.path / "report.html"
    write_text(path, render(run_dir), overwrite=True)
    return path


def render(run_dir: RunDir) -> str:
    """Return the whole page."""
    metrics, evals = run_dir.read_metrics(), run_dir.read_evals()
    domains = domains_of(run_dir)
    summary = run_dir.summary() or {
        "status": "not finished",
        "steps": max((int(row["step"]) for row in metrics), default=0),
        "rollouts": run_dir.rollouts.count(),
        "groups_with_spread": spread_of(metrics),
        "suites": compare_evals(evals, domains),
    }
    config = (run_dir.path / "config.yaml").read_text(encoding="utf-8")
    trained = trained_by(config)
    body = [
        f"<h1>{escape(run_dir.name)}</h1>",
        facts_html(summary),
        _section("Before and after", comparison_html(summary, evals)),
        *_tests(run_dir),
        *_promotions(run_dir),
        _section("Curves", curves_html(metrics, evals, trained)),
        _section("Where the time went", _time(metrics)),
        *_before_and_after(evals, trained, domains),
        _section("What the model said", rollouts_html(run_dir.rollouts, domains)),
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


def _before_and_after(
    evals: Mapping[str, dict[str, Any]], trained: Sequence[str], domains: Domains
) -> list[str]:
    """Return a section for each domain that was measured; of what it trains, where none was."""
    suites = {suite for evaluation in evals.values() for suite in evaluation.get("suites", {})}
    names = measured_domains(suites) or in_order(trained)
    words = {name: specs()[name].answers if name in specs() else "answers" for name in names}
    sections = []
    for name in names:
        content = "<p>They appear after the final evaluation.</p>"
        if "base" in evals and "final" in evals:
            base, final = (_rows(evals[end], name) for end in ("base", "final"))
            content = shown(domains, name, base, final)
        shared = list(words.values()).count(words[name]) > 1
        title = words[name].capitalize() + (f" ({name})" if shared else "")
        if content:
            sections.append(_section(f"{title} before and after training", content))
    return sections


def _rows(evaluation: Mapping[str, Any], domain: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of a domain's suites."""
    return {
        suite: numbers.get("rows", [])
        for suite, numbers in evaluation.get("suites", {}).items()
        if domain_of_suite(suite) == domain
    }


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
    evals = {"base": newest["base"], "final": newest}
    table = comparison_html({"suites": newest["compared"]}, evals)
    return [_section("Test sets", f"<p>{escape(text)}</p>{table}")]


def _promotions(run_dir: RunDir) -> list[str]:
    """Return the table of decisions, where there are any."""
    table = promotions_html(run_dir.promotions.read())
    return [_section("Promotions", table)] if table else []


def _config(text: str) -> str:
    lines = "\n".join(escape(line) for line in text.split("\n"))
    return f"<details><summary>config.yaml</summary><pre>{lines}</pre></details>"
