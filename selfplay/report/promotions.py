"""The gate's decisions as a table, each with the evidence that decided it."""

from __future__ import annotations

from typing import Any

from selfplay.display.numbers import number
from selfplay.display.text import escape


def promotions_html(rows: list[dict[str, Any]]) -> str:
    """Return one row per decision of promotions.jsonl; "" without any. Every text is escaped."""
    if not rows:
        return ""
    names = ("version", "champion then", "decision", "why", "evidence")
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(_row(row) for row in rows)
    return (
        '<p class="dim">Differences are the version minus the champion, on the same items, with '
        "95% intervals and the p of a sign-flip test, both over families of tasks where there are "
        "any; games are colour-swapped pairs, judged by a "
        "sequential test.</p>"
        f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'
    )


def _row(row: dict[str, Any]) -> str:
    champion = row.get("champion")
    against = _version(champion) if champion is not None else str(row.get("against") or "-")
    action = row.get("action") or ("promoted" if row.get("promoted") else "kept")
    evidence = [_suite(name, found) for name, found in (row.get("suites") or {}).items()]
    if row.get("games"):
        evidence.append(_games(row["games"]))
    shown = "".join(f"<p>{escape(line, 300)}</p>" for line in evidence)
    return (
        f"<tr><th>{escape(_version(row.get('version')))}</th><td>{escape(against)}</td>"
        f"<td>{escape(str(action))}</td><td>{escape(str(row.get('reason') or ''), 200)}</td>"
        f"<td>{shown}</td></tr>"
    )


def _version(version: Any) -> str:
    return f"v{version:06d}" if isinstance(version, int) and version else "base"


def _suite(name: str, found: dict[str, Any]) -> str:
    gain, p = found.get("difference") or {}, found.get("p")
    chance = "" if p is None else f", p = {p:.2g}"
    return (
        f"{name}: {found.get('change')}, {_signed(gain.get('value'))} "
        f"[{_signed(gain.get('low'))}, {_signed(gain.get('high'))}]{chance}"
    )


def _games(games: dict[str, Any]) -> str:
    elo, tests = games.get("elo") or {}, [games.get(name) or {} for name in ("better", "worse")]
    llrs = ", ".join(number(test.get("llr_judged"), 2) for test in tests)
    bounds = ", ".join(number(bound, 2) for bound in games.get("bounds") or [])
    return (
        f"games: {games.get('change')} after {games.get('pairs')} pairs "
        f"(+{games.get('wins')} ={games.get('draws')} -{games.get('losses')}), "
        f"Elo {number(elo.get('value'), 0)} "
        f"[{number(elo.get('low'), 0, '-inf')}, {number(elo.get('high'), 0, 'inf')}], "
        f"LLR better, worse: {llrs} (bounds {bounds})"
    )


def _signed(value: Any) -> str:
    return "-" if value is None else f"{float(value):+.3f}"
