"""What pages and the console show of code: programs, and gains by distance as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selfplay.display.numbers import estimate, paired_lines, points
from selfplay.registry import PASS_RATE, Answer


def answer(row: Mapping[str, Any]) -> Answer | None:
    """Return the program of a row with the first test that it failed; None for no code."""
    if "program" not in row:
        return None
    failed = row.get("failed") or {}
    fields = [f"{key}: {failed[key]}" for key in ("input", "expected", "got") if failed.get(key)]
    hidden = " (a hidden test)" if failed.get("hidden") else ""
    return Answer(
        task=str(row["key"]),
        text=str(row.get("program") or row.get("completion") or ""),
        verdict=str(row.get("verdict")),
        note=f"first failed{hidden}: {'; '.join(fields)}" if fields else "",
    )


def sentences(suite: Mapping[str, Any]) -> list[str]:
    """Return the paired test, and pass@1 by distance for held-out families."""
    return [*paired_lines(suite.get("paired")), *distance_lines(suite.get("by_distance"))]


def distance_lines(by_distance: Mapping[str, Any] | None) -> list[str]:
    """Return pass@1 of held-out families by their distance to what trains, a sentence for each."""
    lines = []
    for name, found in (by_distance or {}).items():
        count = f"{found['families']} famil{'y' if found['families'] == 1 else 'ies'}"
        line = f"{name} from the nearest training family ({count}): "
        if name == "more":
            line = f"three tokens and more from every training family ({count}): "
        if "difference" in found:
            before, after = (estimate(PASS_RATE, found[end]) for end in ("base", "final"))
            line += f"{before} to {after}, {points(found['difference'])}, p = {found['p']:.2g}"
        else:
            line += estimate(PASS_RATE, found["pass_rate"])
        lines.append(line)
    return lines
