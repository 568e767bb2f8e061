"""How numbers are written for people; shared by the console, the command line and the report."""

from __future__ import annotations

from typing import Any

METRIC_NAMES = {
    "legal_rate": "legal moves",
    "best_move_rate": "best move",
    "regret": "regret (win prob.)",
    "puzzle_accuracy": "puzzles solved",
    "pass_rate": "pass@1 (greedy)",
    "visible_rate": "visible tests passed",
    "hack_gap": "hack gap",
}
"""Metric -> what people read; regret is the mean loss in win probability of legal moves, the hack
gap the share of visible tests passed minus that of hidden ones."""

LABELS = {"base": "base", "random_mover": "random mover", "final": "final"}
"""Who stands in the comparison, in order; other prompts follow the base model, the rules the random
mover."""

RULE_NAMES = {
    "first_capture": "rule: first undefended capture",
    "best_exchange": "rule: best exchange",
    "mate_or_material": "rule: mate, else material",
}
"""Rule of envs.chess.rules -> what people read."""


def number(value: Any, digits: int = 3, missing: str = "-") -> str:
    """Return a float with `digits` decimals, or `missing` for null."""
    return missing if value is None else f"{float(value):.{digits}f}"


def percent(value: Any, digits: int = 0, missing: str = "-") -> str:
    """Return a fraction of 1 as a percentage."""
    return missing if value is None else f"{100 * float(value):.{digits}f}%"


def estimate(metric: str, interval: dict[str, Any] | None) -> str:
    """Return "99.2% [98.0, 99.7]" for a rate, "0.131 [0.118, 0.145]" for a regret."""
    if not interval or interval.get("value") is None:
        return "-"
    low, high = interval.get("low"), interval.get("high")
    if metric == "regret":
        return f"{number(interval['value'])} [{number(low)}, {number(high)}]"
    bounds = ", ".join("-" if end is None else f"{100 * float(end):.1f}" for end in (low, high))
    return f"{percent(interval['value'], 1)} [{bounds}]"


def paired_lines(paired: dict[str, Any] | None) -> list[str]:
    """Return the paired tests of one suite as sentences."""
    if not paired:
        return []
    lines = []
    p = (paired.get("legal_rate") or {}).get("p")
    if p is not None:
        size = f"p = {p:.2g}" if p >= 1e-12 else "p < 1e-12"
        lines.append(f"legal moves, base against final (McNemar, paired): {size}")
    passes = paired.get("pass_rate") or {}
    gain = passes.get("difference") or {}
    if gain.get("value") is not None:
        test = "McNemar"
        if over := gain.get("clusters"):
            test = f"over {over} clusters, their signs flipped:"
        lines.append(
            f"passed, final minus base, paired: {_points(gain)}, {test} p = {passes['p']:.2g}"
        )
        if wider := passes.get("by_family"):  # a summary by formula 1
            drawn = f"the same, as if the {wider['n']} families had been drawn anew"
            lines.append(f"{drawn}: {_points(wider)}")
    difference = paired.get("regret_vs_random") or {}
    if difference.get("value") is not None:
        lines.append(
            "regret of the final policy minus a random legal mover's, same positions: "
            + _signed(difference)
        )
    for rule, found in (paired.get("vs_rules") or {}).items():
        name = RULE_NAMES.get(rule, rule)
        if found["regret"]["value"] is not None:
            lines.append(f"the same, minus that of {name}: {_signed(found['regret'])}")
            lines.append(
                f"best moves of the final policy minus those of {name}: "
                f"{_points(found['best_move_rate'])}"
            )
    return lines


def distance_lines(by_distance: dict[str, Any] | None) -> list[str]:
    """Return pass@1 of held-out families by their distance to what trains, a sentence for each."""
    lines = []
    for name, found in (by_distance or {}).items():
        count = f"{found['families']} famil{'y' if found['families'] == 1 else 'ies'}"
        line = f"{name} from the nearest training family ({count}): "
        if name == "more":
            line = f"three tokens and more from every training family ({count}): "
        if "difference" in found:
            before, after = (estimate("pass_rate", found[end]) for end in ("base", "final"))
            line += f"{before} to {after}, {_points(found['difference'])}, p = {found['p']:.2g}"
        else:
            line += estimate("pass_rate", found["pass_rate"])
        lines.append(line)
    return lines


def _signed(interval: dict[str, Any]) -> str:
    low, value, high = (_plus(interval[end], 1, 3) for end in ("low", "value", "high"))
    return f"{value} [{low}, {high}]"


def _points(interval: dict[str, Any]) -> str:
    low, value, high = (_plus(interval[end], 100, 1) for end in ("low", "value", "high"))
    return f"{value} points [{low}, {high}]"


def _plus(value: float | None, scale: float, digits: int) -> str:
    return "-" if value is None else f"{scale * value:+.{digits}f}"


def unit_line(suite: dict[str, Any], labels: dict[str, str] = LABELS) -> str | None:
    """Return what the intervals of a suite count where it is not the items, as a sentence."""
    for label in labels:
        for metric, found in (suite.get(label) or {}).items():
            if found.get("clusters"):
                unit = "games" if metric == "puzzle_accuracy" else "families"
                return (
                    f"{found['n']} items in {found['clusters']} {unit}: intervals are over {unit}, "
                    "whose items are solved or failed together"
                )
    return None


def suite_lines(suite: dict[str, Any]) -> list[str]:
    """Return what is said of a suite below its table: units, paired tests, gains by distance."""
    unit = unit_line(suite)
    paired = paired_lines(suite.get("paired"))
    return [*([unit] if unit else []), *paired, *distance_lines(suite.get("by_distance"))]


def prompt_name(form: dict[str, Any]) -> str:
    """Return a prompt in words: "fen_legal, 3 examples"."""
    shots = int(form.get("shots") or 0)
    return str(form["style"]) + (f", {shots} example{'s' * (shots != 1)}" if shots else "")


def suite_table(
    suite: dict[str, Any], labels: dict[str, str] = LABELS
) -> tuple[list[str], list[list[str]]]:
    """Return the heads (a metric each) and one row per player: its name, then its estimates.

    Players are the `labels`, the base model under other prompts after itself, and the rules after
    the random mover.
    """
    players = []
    for label, name in labels.items():
        if suite.get(label):
            players.append((name, suite[label]))
        if label in ("base", "policy"):
            for form in suite.get("prompts", []):
                measured = form.get("policy", form)
                asked = f"{name}, asked by {prompt_name(form)}"
                players.append((f"{asked} ({form['positions']} positions)", measured))
        if label == "random_mover":
            for rule, numbers in (suite.get("rules") or {}).items():
                players.append((RULE_NAMES.get(rule, rule), numbers))
    present = {metric for _, numbers in players for metric in numbers}
    metrics = [m for m in METRIC_NAMES if m in present]
    metrics += sorted(m for m in present - set(METRIC_NAMES) if m.startswith("pass@"))
    rows = [
        [name, *(estimate(metric, numbers.get(metric)) for metric in metrics)]
        for name, numbers in players
    ]
    return ["", *(METRIC_NAMES.get(metric, metric) for metric in metrics)], rows


def duration(seconds: float | None) -> str:
    """Return "42 s", "3 min 05 s" or "1 h 02 min"."""
    if seconds is None:
        return "-"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(count: float | None) -> str:
    """Return bytes as "512 MiB" or "3.2 GiB"."""
    if count is None:
        return "-"
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
