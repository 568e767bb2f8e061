"""The leaderboard as Markdown and as CSV, from the JSON of build.py."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from selfplay.display.numbers import duration, estimate, number, percent
from selfplay.display.text import visible
from selfplay.registry import Measure, measure_of, measures_among, rated_domain

Data = Mapping[str, Any]

_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#~&!])")
_NO_ELO = {"below": "below the floor", "above": "above the ceiling", "unconnected": "unconnected"}
_COST = ("Training samples", "Wall time", "Device time", "Hardware", "Parameters", "Commit", "Date")
_FIRST_TRY = Measure("first_try", "legal at first try")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def markdown(data: Data) -> str:
    """Return leaderboard.md: a table for each domain, one for each ranked suite, the notes."""
    entries = data["entries"]
    parts = [f"# {_cell(data['title'])}", _facts(data)]
    for board in data["boards"]:
        mine = [entries[place] for place in board["entries"]]
        if mine:
            table = _by_measure(board, mine) if board["ranked_by"] else _by_domain(board, mine)
            parts += [f"## {_cell(board['title'])}", _table(*table)]
    parts.append(
        "Value [95% interval]. Who is certainly above another has the smaller rank; those of one "
        "rank are not distinguished. What is unknown is empty."
    )
    parts += ["\n".join(f"- {_cell(note)}" for note in data["notes"])] if data["notes"] else []
    return "\n\n".join(parts) + "\n"


def comma_separated(data: Data) -> str:
    """Return leaderboard.csv: one row per entry, plain numbers, unknown fields empty."""
    entries = data["entries"]
    metrics = sorted({(s, m) for e in entries for s, found in e["suites"].items() for m in found})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    plain = ("name", "kind", "run", "version", "roles")
    rating = ("rank", "status", "elo", "low", "high", "games", "pairs", "score")
    cost = ("samples", "wall_s", "device_s", "device", "hardware", "model", "parameters")
    rest = ("commit", "date", "played_as", "settings", "repeatable")
    bounds = ("value", "low", "high", "n")
    heads = [*plain, *(f"{rated_domain()} {key}" for key in rating)]
    heads += [f"{what} {key}" for what in ("first try legal", "puzzle rating") for key in bounds]
    heads += ["acpl", "acpl n", "acpl by"]
    for suite, metric in metrics:
        heads += [f"{suite} {metric} {key}" for key in bounds]
    ranked = sorted(board["id"] for board in data["boards"] if board["ranked_by"])
    heads += [f"{suite} rank" for suite in ranked]
    writer.writerow([*map(_field, heads), *cost, *rest])
    for e in entries:
        row = [e[key] for key in plain[:-1]] + [" ".join(e["roles"])]
        row += [(e["rating"] or {}).get(key) for key in rating]
        row += [(e[key] or {}).get(end) for key in ("first_try", "puzzle") for end in bounds]
        row += [(e["acpl"] or {}).get(key) for key in ("value", "n", "by")]
        for suite, metric in metrics:
            found = e["suites"].get(suite, {}).get(metric) or {}
            row += [found.get(end) for end in bounds]
        row += [e["ranks"].get(suite) for suite in ranked]
        row += [e[key] for key in (*cost, *rest)]
        writer.writerow([_field(value) for value in row])
    return out.getvalue()


def rating_text(rating: Data | None) -> str:
    """Return "+123 [+98, +151]"; without a finite rating where the player stands and its bound."""
    if rating is None:
        return ""
    low, high = _signed(rating["low"], "-∞"), _signed(rating["high"], "∞")
    if rating["status"] == "unconnected":
        return _NO_ELO["unconnected"]
    if rating["elo"] is None:
        side = f"at most {high}" if rating["status"] == "below" else f"at least {low}"
        return f"{_NO_ELO[rating['status']]}, {side}"
    return f"{_signed(rating['elo'], '')} [{low}, {high}]"


def _signed(elo: float | None, missing: str) -> str:
    return missing if elo is None else f"{round(elo):+d}" if round(elo) else "0"


def _by_domain(board: Data, entries: Sequence[Data]) -> tuple[list[str], list[list[str]]]:
    """Return a domain's table: ratings, if it has games, and its suites without a ranking."""
    metrics = [(suite, m) for suite in board["suites"] for m in _measures(entries, suite)]
    games = ["Elo", "Games", "Score", "Legal at first try, in games"] if board["rated"] else []
    heads = ["Rank", "Player", *games] if games else ["Player"]
    heads += [f"{measure.title}, {suite}" for suite, measure in metrics]
    rows = []
    for e in entries:
        rating, acpl, puzzle = (e[key] or {} for key in ("rating", "acpl", "puzzle"))
        row = [_name(e)]
        if games:
            row = [str(rating.get("rank") or ""), *row, rating_text(e["rating"])]
            row += [str(rating.get("games") or ""), percent(rating.get("score"), 1, "")]
            row += [_estimate(_FIRST_TRY, e["first_try"])]
        row += [_estimate(m, e["suites"].get(suite, {}).get(m.key)) for suite, m in metrics]
        if games:
            row += [number(acpl.get("value"), 0, ""), number(puzzle.get("value"), 0, "")]
        rows.append([*row, *_cost(e)])
    return [*heads, *(["ACPL", "Puzzle rating"] if games else []), *_COST], rows


def _by_measure(board: Data, entries: Sequence[Data]) -> tuple[list[str], list[list[str]]]:
    """Return the table of a suite, ordered by the measure that ranks it."""
    [suite] = board["suites"]
    by = measure_of(suite, board["ranked_by"])
    measures = _measures(entries, suite)

    def place(e: Data) -> tuple[bool, float]:
        found = e["suites"][suite].get(by.key)
        value = found["value"] if found else 0.0
        return not found, -value if by.higher_is_better else value

    rows = []
    for e in sorted(entries, key=place):
        found = e["suites"][suite]
        tasks = (found.get(by.key) or {}).get("n")
        row = [str(e["ranks"].get(suite) or ""), _name(e), str(tasks or "")]
        rows.append([*row, *(_estimate(m, found.get(m.key)) for m in measures), *_cost(e)])
    return ["Rank", "Player", "Tasks", *(measure.title for measure in measures), *_COST], rows


def _measures(entries: Sequence[Data], suite: str) -> list[Measure]:
    return measures_among(suite, {key for e in entries for key in e["suites"].get(suite, {})})


def _cost(e: Data) -> list[str]:
    device = duration(e["device_s"]) if e["device_s"] is not None else ""
    return [
        "" if e["samples"] is None else f"{e['samples']:,}",
        "" if e["wall_s"] is None else duration(e["wall_s"]),
        f"{device} ({e['device']}s)" if device and e["device_s"] else device,
        e["hardware"] or "",
        "" if e["parameters"] is None else f"{e['parameters'] / 1e6:,.1f} M",
        e["commit"] or "",
        (e["date"] or "")[:10],
    ]


def _name(e: Data) -> str:
    return f"{e['name']} ({', '.join(e['roles'])})" if e["roles"] else str(e["name"])


def _facts(data: Data) -> str:
    facts = [f"{len(data['entries'])} entries, {data['generated']}, {data['software']}."]
    ratings = data["ratings"]
    if ratings is not None:
        held = ratings["anchor"] or "the mean of the comparable players"
        facts.append(
            f"Ratings: one Bradley-Terry fit over {ratings['games']} games in {ratings['pairs']} "
            f"observations (pairs with colours swapped, and games without partner), {_cell(held)} "
            f"held at {ratings['anchor_elo']:g}, {ratings['bootstraps']} resamples of whole pairs."
        )
    return " ".join(facts)


def _estimate(measure: Measure, found: Mapping[str, Any] | None) -> str:
    return estimate(measure, found) if found else ""


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table without the columns that are empty in every row, and their names below it."""
    kept = [i for i in range(len(heads)) if any(row[i] for row in rows)]
    absent = [head for i, head in enumerate(heads) if i not in kept]
    lines = [[_cell(line[i]) for i in kept] for line in (heads, *rows)]
    lines.insert(1, ["---"] * len(kept))
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{table}\n\nNot known of any entry: {_cell(', '.join(absent))}." if absent else table


def _cell(text: str) -> str:
    """Return text that Markdown shows as it is: no markup, no link, one line."""
    return _MARKUP.sub(r"\\\1", visible(str(text), 200)).replace("://", "\\://")


def _field(value: Any) -> Any:
    """Return a field of the CSV; text that a spreadsheet would run gets an apostrophe in front."""
    if not isinstance(value, str):
        return value
    shown = visible(value, 400)
    return f"'{shown}" if value.startswith(_FORMULA) else shown
