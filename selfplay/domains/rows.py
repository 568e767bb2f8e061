"""Metrics of evaluation rows that any domain can have: shares, means and paired tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from selfplay.registry import PASS_RATE, Measure
from selfplay.stats.clustered import (
    FORMULA,
    change_p,
    cluster_of,
    difference,
    difference_by_family,
    mean,
    paired_p,
    share,
    stated,
)

Row = Mapping[str, Any]
"""An evaluation's row as it lies on disk: EvalRow.as_json."""
Utility = Callable[[Row], float | None]


def scored(rows: Sequence[Row]) -> list[Row]:
    """Return the rows without an infrastructure error."""
    return [row for row in rows if row["verdict"] != "infra_error"]


def passed(row: Row) -> float | None:
    """Return 1 for a pass, 0 for any other verdict, None where nothing was scored."""
    verdict = row.get("verdict")
    return None if verdict is None or verdict == "infra_error" else float(verdict == "pass")


def value_of(row: Row, measure: Measure) -> float | None:
    """Return what a row adds to a measure, None where it does not count."""
    if measure.key == PASS_RATE.key:
        return passed(row)
    value = row.get(measure.key)
    return None if value is None or row.get("verdict") == "infra_error" else float(value)


def numbers_of(
    rows: Sequence[Row], measures: Sequence[Measure], formula: int = FORMULA
) -> dict[str, Any]:
    """Return the metrics of a suite, with 95% intervals over clusters.

    `pass_rate` is the share of verdicts that pass; any other measure the mean of the rows' column
    of that name, over the rows that have it. Rows with an infrastructure error are left out and
    counted. `formula`: see selfplay/stats/clustered.py.
    """
    sound = scored(rows)
    flags = [row["verdict"] == "pass" for row in sound]
    policy = {"pass_rate": share(flags, [cluster_of(row) for row in sound], formula).as_dict()}
    for measure in measures:
        known = [(value, row) for row in sound if (value := value_of(row, measure)) is not None]
        if measure.key != PASS_RATE.key and known:
            of = [cluster_of(row) for _, row in known]
            policy[measure.key] = mean([value for value, _ in known], of, formula).as_dict()
    return {"policy": policy, "infra_errors": len(rows) - len(sound), **stated(formula)}


def paired_of(
    base: Sequence[Row], final: Sequence[Row], utility: Utility, formula: int = FORMULA
) -> dict[str, Any]:
    """Return the paired test of what two policies earned on the tasks that both were asked.

    `pass_rate`: p of "as much was gained as lost" (McNemar's; over clusters, and of utilities
    between 0 and 1, signs are flipped), and the mean difference, final minus base, with its 95%
    interval and the number of clusters.
    """
    before = {row["task_id"]: row for row in base}
    pairs = [
        (utility(row), utility(before[row["task_id"]]), row)
        for row in final
        if row["task_id"] in before
    ]
    sound = [(new, old, row) for new, old, row in pairs if old is not None and new is not None]
    new, old = [pair[0] for pair in sound], [pair[1] for pair in sound]
    of = [cluster_of(row) for _, _, row in sound]
    p = None
    if sound and {*new, *old} <= {0.0, 1.0}:
        p = paired_p([bool(x) for x in old], [bool(x) for x in new], of, formula)
    elif sound:  # utilities between: signs of whole gains are flipped
        p = change_p([a - b for a, b in zip(new, old, strict=True)], of, formula)
    found: dict[str, Any] = {"p": p, "difference": gain(sound, formula)}
    if formula == 1 and sound and all(name.startswith("families/") for name in of):
        found["by_family"] = difference_by_family(new, old, of).as_dict()
    return {"pass_rate": found}


def gain(pairs: Sequence[tuple[float, float, Row]], formula: int = FORMULA) -> dict[str, Any]:
    """Return the mean difference of both numbers of each row, without `n` as the format has it."""
    of = [cluster_of(row) for _, _, row in pairs]
    found = difference([a for a, _, _ in pairs], [b for _, b, _ in pairs], of, formula).as_dict()
    del found["n"]
    return found
