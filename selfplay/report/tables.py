"""The report's tables: comparison, sample rollouts, manifest. Every text is escaped here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from selfplay.display.numbers import duration, number, size, suite_lines, suite_table
from selfplay.display.text import escape
from selfplay.domains.made import Domains
from selfplay.report.domains import message_of
from selfplay.rundir.rollouts import RolloutStore

SAMPLES_PER_STEP = 8


def comparison_html(summary: Mapping[str, Any], evals: Mapping[str, Mapping[str, Any]]) -> str:
    """Return one table per suite with its paired tests below.

    `evals` are the evaluations that it compares, by name.
    """
    parts = []
    for name, suite in (summary.get("suites") or {}).items():
        heads, rows = suite_table(name, suite)
        head = "".join(f'<th class="num">{escape(metric)}</th>' for metric in heads[1:])
        body = "".join(
            f"<tr><th>{escape(row[0])}</th>"
            + "".join(f'<td class="num">{escape(cell)}</td>' for cell in row[1:])
            + "</tr>"
            for row in rows
        )
        lines = suite_lines(name, suite, evals=evals)
        tests = "".join(f"<p>{escape(line)}</p>" for line in lines)
        parts.append(
            f'<h3>{escape(name)}</h3><div class="wide"><table><tr><th></th>{head}</tr>'
            f"{body}</table></div>{tests}"
        )
    if not parts:
        return "<p>No evaluation yet.</p>"
    note = (
        '<p class="dim">Estimate [95% interval]: Wilson for rates, bootstrap for means, over '
        "families of tasks where there are any, else over items.</p>"
    )
    return "".join(parts) + note


def facts_html(summary: dict[str, Any]) -> str:
    """Return one line about the run as a whole."""
    spread = summary.get("groups_with_spread")
    facts = [
        f"status {summary.get('status', 'running')}",
        f"{summary.get('steps', 0)} steps",
        f"{summary.get('rollouts', 0)} rollouts",
        duration(summary.get("wall_seconds")),
        f"peak memory {size(summary.get('peak_memory_bytes'))}",
        f"groups with spread at the end {number(spread, 2)}",
    ]
    return f"<p>{escape(' · '.join(facts))}</p>"


def sampled_steps(steps: list[int]) -> list[int]:
    """Return an early, a middle and a late step."""
    if not steps:
        return []
    return sorted({steps[0], steps[len(steps) // 2], steps[-1]})


def rollouts_html(store: RolloutStore, domains: Domains) -> str:
    """Return a table of completions of an early, a middle and a late step."""
    rows = []
    for step in sampled_steps(list(store.files())):
        every = store.read(step)
        count = min(SAMPLES_PER_STEP, len(every))
        rows += [every[index * len(every) // count] for index in range(count)]
    if not rows:
        return "<p>No rollouts yet.</p>"
    head = "<th class='num'>step</th><th>task</th><th>answer</th><th>verdict</th>"
    head += "<th class='num'>reward</th><th class='num'>advantage</th>"
    body = "".join(_rollout_row(row, message_of(domains, row)) for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def manifest_html(manifest: dict[str, Any] | None) -> str:
    """Return the manifest, folded away."""
    if manifest is None:
        return "<p>No manifest yet.</p>"
    lines = json.dumps(manifest, indent=2, ensure_ascii=True).split("\n")
    text = "\n".join(escape(line) for line in lines)
    return f"<details><summary>manifest.json</summary><pre>{text}</pre></details>"


def legend_html(names: Iterable[str]) -> str:
    """Return the key of the stacked bars."""
    square = (
        '<svg class="key" viewBox="0 0 10 10"><rect class="p{0}" width="10" height="10"/></svg>'
    )
    return " ".join(
        f"<span>{square.format(index)} {escape(name)}</span>" for index, name in enumerate(names)
    )


def _rollout_row(row: dict[str, Any], task: str) -> str:
    return (
        f'<tr><td class="num">{int(row["step"])}</td><td class="model">{escape(task, 120)}</td>'
        f'<td class="model">{escape(row["text"], 200)}</td><td>{escape(row["verdict"])}</td>'
        f'<td class="num">{number(row["value"])}</td>'
        f'<td class="num">{number(row["advantage"])}</td></tr>'
    )
