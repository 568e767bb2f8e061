"""Programs before and after training, with the first test that each one failed."""

from __future__ import annotations

from typing import Any

from selfplay.text import escape

SHOWN = 6
MOST_CHARS = 1200


def programs_html(evals: dict[str, dict[str, Any]]) -> str:
    """Return evenly spaced tasks of the code suites, base and final side by side; "" without any.

    Every text in it is a model's or follows from one, and is escaped.
    """
    base, final = evals.get("base"), evals.get("final")
    if not base or not final:
        return ""
    parts = []
    for suite, numbers in final.get("suites", {}).items():
        before = {r["task_id"]: r for r in base["suites"].get(suite, {}).get("rows", [])}
        rows = [r for r in numbers["rows"] if "program" in r and r["task_id"] in before]
        count = min(SHOWN, len(rows))
        for row in (rows[i * len(rows) // count] for i in range(count)):
            parts.append(
                f'<h3>{escape(row["key"], 120)}</h3><div class="grid">'
                f"{_answer('base', before[row['task_id']])}{_answer('final', row)}</div>"
            )
    return "".join(parts)


def _answer(name: str, row: dict[str, Any]) -> str:
    program = row.get("program") or row.get("completion") or ""
    lines = "\n".join(escape(line) for line in str(program)[:MOST_CHARS].split("\n"))
    failed = row.get("failed") or {}
    told = [f"{key}: {failed[key]}" for key in ("input", "expected", "got") if failed.get(key)]
    hidden = " (a hidden test)" if failed.get("hidden") else ""
    text = escape("; ".join(told), 400)
    why = f'<p class="dim">first failed{hidden}: {text}</p>' if told else ""
    return (
        f'<figure><pre class="model">{lines}</pre><figcaption>{escape(name)}: '
        f"{escape(str(row['verdict']))}</figcaption>{why}</figure>"
    )
