"""How numbers are written for people; shared by the console, the command line and the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from selfplay.display.absent import fault
from selfplay.registry import (
    Measure,
    cluster_word,
    domain_of_suite,
    measures_among,
    specs,
)

LABELS = {"base": "base", "final": "final"}
"""Who stands in the comparison, in order. Other prompts and the baselines follow the first."""


def number(value: Any, digits: int = 3, missing: str = "-") -> str:
    """Return a float with `digits` decimals, or `missing` for null."""
    return missing if value is None else f"{float(value):.{digits}f}"


def percent(value: Any, digits: int = 0, missing: str = "-") -> str:
    """Return a fraction of 1 as a percentage."""
    return missing if value is None else f"{100 * float(value):.{digits}f}%"


def shown_value(measure: Measure, value: Any) -> str:
    """Return a value without its interval, shares in whole percent."""
    if measure.unit == "%":
        return percent(value)
    return number(value) + (f" {measure.unit}" if measure.unit and value is not None else "")


def estimate(measure: Measure, interval: Mapping[str, Any] | None) -> str:
    """Return "99.2% [98.0, 99.7]" for a share, "0.131 [0.118, 0.145]" for another number."""
    if not interval or interval.get("value") is None:
        return "-"
    low, high = interval.get("low"), interval.get("high")
    if measure.unit != "%":
        unit = f" {measure.unit}" if measure.unit else ""
        return f"{number(interval['value'])}{unit} [{number(low)}, {number(high)}]"
    bounds = ", ".join("-" if end is None else f"{100 * float(end):.1f}" for end in (low, high))
    return f"{percent(interval['value'], 1)} [{bounds}]"


def suite_lines(
    name: str,
    suite: Mapping[str, Any],
    labels: Mapping[str, str] = LABELS,
    evals: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[str]:
    """Return what is said of a suite below its table.

    Answers that were never scored, units, then what its domain has to say. `evals` are the
    evaluations that are compared, by label; a suite of one evaluation holds it itself.
    """
    missing = [unscored_line(suite)]
    for label, title in labels.items():
        numbers = ((evals or {}).get(label) or {}).get("suites", {}).get(name, {})
        missing.append(unscored_line(numbers, f"{title}: "))
    unit = unit_line(name, suite, labels)
    return [*(line for line in (*missing, unit) if line), *sentences(name, suite)]


def unscored_line(numbers: Mapping[str, Any], who: str = "") -> str | None:
    """Return how many answers of a suite our own side failed to score; None where it was none."""
    count = numbers.get("infra_errors")
    if not count:
        return None
    return f"{who}{count} of {len(numbers['rows'])} could not be scored and are left out"


def sentences(name: str, suite: Mapping[str, Any]) -> list[str]:
    """Return what its domain says of a suite, or how it failed; by default the paired test."""
    spec = specs().get(domain_of_suite(name))
    if spec is None or spec.sentences is None:
        return paired_lines(suite.get("paired"))
    try:
        return list(spec.sentences(suite))
    except Exception as error:  # what another package does must not stop the page, or a run's end
        return [fault(spec.name, "sentences", error)]


def paired_lines(paired: Mapping[str, Any] | None) -> list[str]:
    """Return the paired test of what passed as sentences."""
    passes = (paired or {}).get("pass_rate") or {}
    gain = passes.get("difference") or {}
    if gain.get("value") is None:
        return []
    over = gain.get("clusters")
    test = f"over {over} clusters, their signs flipped:" if over else "McNemar"
    lines = [
        f"passed, final minus base, paired: {points(gain)}, {test} p = {passes['p']:.2g}",
    ]
    if wider := passes.get("by_family"):  # a summary by formula 1
        drawn = f"the same, as if the {wider['n']} families had been drawn anew"
        lines.append(f"{drawn}: {points(wider)}")
    return lines


def signed(interval: Mapping[str, Any]) -> str:
    """Return a difference as "-0.050 [-0.080, -0.020]"."""
    low, value, high = (_plus(interval[end], 1, 3) for end in ("low", "value", "high"))
    return f"{value} [{low}, {high}]"


def points(interval: Mapping[str, Any]) -> str:
    """Return a difference of shares as "+5.0 points [+2.0, +8.0]"."""
    low, value, high = (_plus(interval[end], 100, 1) for end in ("low", "value", "high"))
    return f"{value} points [{low}, {high}]"


def _plus(value: float | None, scale: float, digits: int) -> str:
    return "-" if value is None else f"{scale * value:+.{digits}f}"


def unit_line(
    name: str, suite: Mapping[str, Any], labels: Mapping[str, str] = LABELS
) -> str | None:
    """Return what the intervals of a suite count where it is not the items, as a sentence."""
    for _, estimates in _players(name, suite, labels):
        for key, found in estimates.items():
            if found.get("clusters"):
                unit = cluster_word(name, key)
                return (
                    f"{found['n']} items in {found['clusters']} {unit}: intervals are over {unit}, "
                    "whose items are solved or failed together"
                )
    return None


def prompt_name(form: dict[str, Any]) -> str:
    """Return a prompt in words: "fen_legal, 3 examples"."""
    shots = int(form.get("shots") or 0)
    return str(form["style"]) + (f", {shots} example{'s' * (shots != 1)}" if shots else "")


def baselines_of(suite: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return who was measured beside the policy: key -> estimates.

    They stand under "baselines"; under "random_mover" and "rules" where the format is older.
    """
    mover = suite.get("random_mover")
    alone = {"random_mover": mover} if mover else {}
    return {**alone, **(suite.get("rules") or {}), **(suite.get("baselines") or {})}


def suite_table(
    name: str, suite: Mapping[str, Any], labels: Mapping[str, str] = LABELS
) -> tuple[list[str], list[list[str]]]:
    """Return the heads (a measure each) and one row per player: its name, then its estimates.

    Players are the `labels`; the base model under other prompts and the baselines follow the first.
    """
    players = list(_players(name, suite, labels))
    measures = measures_among(name, [key for _, estimates in players for key in estimates])
    rows = [
        [player, *(estimate(measure, estimates.get(measure.key)) for measure in measures)]
        for player, estimates in players
    ]
    return ["", *(measure.title for measure in measures)], rows


def _players(
    name: str, suite: Mapping[str, Any], labels: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, Mapping[str, Any]]]]:
    """Yield who was measured on a suite, by title, with the intervals."""
    (first, model), *rest = labels.items()
    if suite.get(first):
        yield model, _intervals(suite[first])
    for form in suite.get("prompts", []):
        asked = f"{model}, asked by {prompt_name(form)} ({form['positions']} positions)"
        yield asked, _intervals(form.get("policy", form))
    spec = specs().get(domain_of_suite(name))
    titles = {} if spec is None else spec.baselines
    for key, estimates in baselines_of(suite).items():
        yield titles.get(key, key), _intervals(estimates)
    for label, title in rest:
        if suite.get(label):
            yield title, _intervals(suite[label])


def _intervals(estimates: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {key: found for key, found in estimates.items() if isinstance(found, Mapping)}


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
