"""Programs before and after training, with the first test that each one failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from selfplay.display.text import escape

SHOWN = 6
MOST_CHARS = 1200
FAILED_CHARS = 400


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to a task, cut to what is shown of it; every text is a model's or follows from it.

    `failed` describes the first failed test ("" where none is known), `hidden` that it is one.
    """

    program: str
    verdict: str
    failed: str
    hidden: bool


def chosen_programs(
    base: dict[str, Any], final: dict[str, Any], shown: int = SHOWN
) -> list[tuple[str, str, Answer, Answer]]:
    """Return (suite, task, before, after) of evenly spaced tasks of the code suites.

    The choice depends on the order of each suite alone, so that it cannot flatter.
    """
    chosen = []
    for suite, numbers in final.get("suites", {}).items():
        before = {r["task_id"]: r for r in base["suites"].get(suite, {}).get("rows", [])}
        rows = [r for r in numbers.get("rows", []) if "program" in r and r["task_id"] in before]
        count = min(shown, len(rows))
        for row in (rows[i * len(rows) // count] for i in range(count)):
            old = before[row["task_id"]]
            chosen.append((suite, str(row["key"]), _answer(old), _answer(row)))
    return chosen


def programs_html(evals: dict[str, dict[str, Any]]) -> str:
    """Return evenly spaced tasks of the code suites, base and final side by side; "" for none."""
    base, final = evals.get("base"), evals.get("final")
    if not base or not final:
        return ""
    return "".join(
        f'<h3>{escape(key, 120)}</h3><div class="grid">'
        f"{_answer_html('base', before)}{_answer_html('final', after)}</div>"
        for _, key, before, after in chosen_programs(base, final)
    )


def _answer(row: dict[str, Any]) -> Answer:
    failed = row.get("failed") or {}
    fields = [f"{key}: {failed[key]}" for key in ("input", "expected", "got") if failed.get(key)]
    return Answer(
        program=str(row.get("program") or row.get("completion") or "")[:MOST_CHARS],
        verdict=str(row.get("verdict")),
        failed="; ".join(fields),
        hidden=bool(failed.get("hidden")),
    )


def _answer_html(name: str, answer: Answer) -> str:
    lines = "\n".join(escape(line) for line in answer.program.split("\n"))
    hidden = " (a hidden test)" if answer.hidden else ""
    text = escape(answer.failed, FAILED_CHARS)
    why = f'<p class="dim">first failed{hidden}: {text}</p>' if answer.failed else ""
    return (
        f'<figure><pre class="model">{lines}</pre><figcaption>{escape(name)}: '
        f"{escape(answer.verdict)}</figcaption>{why}</figure>"
    )
