"""Results of held-out families by their distance from what trains (envs.code.families.distance).

A family one token from a training family says how a policy transfers a word; a far one says how it
transfers a way of writing programs. One rate over both hides which it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from envs.code.families.distance import BANDS, band
from envs.code.families.registry import FAMILIES
from selfplay.domains.rows import Row, scored
from selfplay.stats.clustered import FORMULA, cluster_of, difference, paired_p, share


def band_of(row: Row) -> str | None:
    """Return the band of an evaluation's row, None for what is no held-out family's task."""
    dataset, _, rest = str(row.get("key", "")).partition("/")
    family = rest.partition("/")[0]
    if dataset != "families" or family not in FAMILIES or not FAMILIES[family].heldout:
        return None
    return band(family)


def rates(rows: Sequence[Row], formula: int = FORMULA) -> dict[str, dict[str, Any]]:
    """Return band -> {"families", "pass_rate"} of a suite's rows, nothing for other suites.

    Rows with an infrastructure error are left out; the interval is over families.
    """
    found = {}
    for name, mine in _banded(scored(rows)).items():
        passed = share([row["verdict"] == "pass" for row in mine], _families(mine), formula)
        found[name] = {"families": len(set(_families(mine))), "pass_rate": passed.as_dict()}
    return found


def gains(
    base: Sequence[Row], final: Sequence[Row], formula: int = FORMULA
) -> dict[str, dict[str, Any]]:
    """Return band -> {"families", "base", "final", "p", "difference"} over the tasks of both.

    Rates, the mean paired difference, final minus base, and the p of "as much was gained as lost";
    all over families.
    """
    before = {row["task_id"]: row for row in scored(base)}
    both = [row for row in scored(final) if row["task_id"] in before]
    found = {}
    for name, mine in _banded(both).items():
        new = [row["verdict"] == "pass" for row in mine]
        old = [before[row["task_id"]]["verdict"] == "pass" for row in mine]
        of = _families(mine)
        change = difference([float(x) for x in new], [float(x) for x in old], of, formula)
        found[name] = {
            "families": len(set(of)),
            "base": share(old, of, formula).as_dict(),
            "final": share(new, of, formula).as_dict(),
            "p": paired_p(old, new, of, formula),
            "difference": change.as_dict(),
        }
    return found


def _banded(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of each band that has any, in the order of BANDS."""
    mine: dict[str, list[Row]] = {name: [] for name in BANDS}
    for row in rows:
        name = band_of(row)
        if name is not None:
            mine[name].append(row)
    return {name: found for name, found in mine.items() if found}


def _families(rows: Sequence[Row]) -> list[str]:
    return [cluster_of(row) for row in rows]
