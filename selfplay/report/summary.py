"""summary.json: base, final, random mover and rules side by side, with intervals and paired tests.

The format is stable; other tools read it. Rates and win probabilities are fractions of 1.
"""

from __future__ import annotations

from typing import Any

from selfplay.domains.code.by_distance import gains
from selfplay.gate.decide import utility
from selfplay.rundir.folder import RunDir
from selfplay.stats.clustered import (
    FORMULA,
    cluster_of,
    difference,
    difference_by_family,
    paired_p,
    stated,
)

LEGAL = ("pass", "fail")
"""The verdicts of a legal move."""

SPREAD_STEPS = 10
"""`groups_with_spread` is the mean over this many last steps."""


def build_summary(
    run_dir: RunDir,
    *,
    status: str,
    wall_seconds: float,
    peak_memory_bytes: int,
    formula: int = FORMULA,
) -> dict[str, Any]:
    """Return the content of summary.json from the run's evaluations and metrics.

    A run that ended before its final evaluation has no "final" and no "paired" below its suites;
    one that ended before its base evaluation has no suites.

    Args:
        run_dir: the run.
        status: how it ended ("finished", "stopped", "failed").
        wall_seconds: from the command's start to the end of the last evaluation.
        peak_memory_bytes: over all processes of the run, shared pages counted once (memory.py).
        formula: of the paired tests; see selfplay/stats/clustered.py.
    """
    metrics = run_dir.read_metrics()
    return {
        "run": run_dir.name,
        "status": status,
        "steps": max((int(row["step"]) for row in metrics), default=0),
        "rollouts": run_dir.rollouts.count(),
        "wall_seconds": round(wall_seconds, 1),
        "peak_memory_bytes": peak_memory_bytes,
        "groups_with_spread": spread_of(metrics),
        **stated(formula),
        "suites": compare_evals(run_dir.read_evals(), formula),
    }


def spread_of(metrics: list[dict[str, Any]]) -> float | None:
    """Return the mean share of groups with unequal rewards over the last ten steps that have it."""
    shares = [row["groups_with_spread"] for row in metrics if _has(row, "groups_with_spread")]
    last = shares[-SPREAD_STEPS:]
    return sum(last) / len(last) if last else None


def compare_evals(evals: dict[str, dict[str, Any]], formula: int = FORMULA) -> dict[str, Any]:
    """Return suite -> {"base", "random_mover", "final", "paired"}, as far as they were measured.

    Chess suites have "rules" too (rule -> figures) and, where the base model was measured under
    other prompts, "prompts": [{"style", "shots", "positions", and its figures}]. Held-out families
    have "by_distance" (selfplay/domains/code/by_distance.py).
    """
    base, final = evals.get("base"), evals.get("final")
    suites: dict[str, Any] = {}
    for evaluation, label in ((base, "base"), (final, "final")):
        for suite, numbers in (evaluation or {}).get("suites", {}).items():
            entry = suites.setdefault(suite, {})
            entry[label] = dict(numbers["policy"])
            if numbers.get("random_mover"):
                entry["random_mover"] = _always_legal(numbers["random_mover"])
            if numbers.get("rules"):
                rules = numbers["rules"].items()
                entry["rules"] = {rule: _always_legal(figures) for rule, figures in rules}
            if numbers.get("prompts"):
                entry["prompts"] = [
                    {key: form[key] for key in ("style", "shots", "positions")} | form["policy"]
                    for form in numbers["prompts"]
                ]
    for suite, entry in suites.items():
        if "base" in entry and "final" in entry and base and final:
            entry["paired"] = paired_tests(
                base["suites"][suite].get("rows", []),
                final["suites"][suite].get("rows", []),
                formula,
            )
            by_distance = gains(
                base["suites"][suite].get("rows", []),
                final["suites"][suite].get("rows", []),
                formula,
            )
            if formula > 1 and by_distance:
                entry["by_distance"] = by_distance
    return suites


def paired_tests(
    base: list[dict[str, Any]], final: list[dict[str, Any]], formula: int = FORMULA
) -> dict[str, Any]:
    """Return the paired tests over the items that both evaluations have, by their clusters.

    `pass_rate` (code, puzzles): p of "as much was gained as lost" (McNemar's, over families their
    sign flips), and the mean difference, final minus base, with its 95% bootstrap interval and the
    number of clusters that both are over. Chess positions have instead:

    `legal_rate`: p of base against final. `regret_vs_random`: mean, with its 95%
    bootstrap interval, of the final move's regret minus the random legal mover's expected regret
    on the same position, over the positions where the final move was legal; below 0 is better
    than random. Null without such positions. `vs_rules` (rule -> regret, best_move_rate): the same
    against the rules of envs.chess.rules; best moves over all positions, an illegal answer being
    none. `formula`: see selfplay/stats/clustered.py.
    """
    before = {row["task_id"]: row for row in base}
    both = [row for row in final if row["task_id"] in before]
    if any("random_regret" not in row for row in both):
        return _paired_passes([before[row["task_id"]] for row in both], both, formula)
    if formula > 1:  # what was never scored, through our own fault, is neither legal nor illegal
        both = [row for row in both if _scored(row) and _scored(before[row["task_id"]])]
    p = paired_p(
        [before[row["task_id"]]["verdict"] in LEGAL for row in both],
        [row["verdict"] in LEGAL for row in both],
        [cluster_of(row) for row in both],
        formula,
    )
    legal = [row for row in final if _has(row, "regret") and _has(row, "random_regret")]
    pairs = [(row["regret"], row["random_regret"], row) for row in legal]
    found: dict[str, Any] = {"legal_rate": {"p": p if both else None}}
    found["regret_vs_random"] = _gain(pairs, formula)
    if final and all("rules" in row for row in final):
        rules = final[0]["rules"]
        found["vs_rules"] = {rule: _against_rule(final, rule, formula) for rule in rules}
    return found


def _gain(pairs: list[tuple[float, float, dict[str, Any]]], formula: int) -> dict[str, Any]:
    """Return the mean difference of both numbers of each row, without `n` as the format has it."""
    of = [cluster_of(row) for _, _, row in pairs]
    gain = difference([a for a, _, _ in pairs], [b for _, b, _ in pairs], of, formula).as_dict()
    del gain["n"]
    return gain


def _against_rule(rows: list[dict[str, Any]], rule: str, formula: int) -> dict[str, Any]:
    """Return the mean differences, policy minus rule, on the same positions."""
    sound = [row for row in rows if _has(row["rules"][rule], "regret")]
    sound = [row for row in sound if row["verdict"] != "infra_error"]
    legal = [row for row in sound if _has(row, "regret")]
    pairs = {
        "regret": [(row["regret"], row["rules"][rule]["regret"], row) for row in legal],
        "best_move_rate": [
            (row.get("best") or 0.0, row["rules"][rule]["best"], row) for row in sound
        ],
    }
    return {metric: _gain(both, formula) for metric, both in pairs.items()}


def _paired_passes(
    base: list[dict[str, Any]], final: list[dict[str, Any]], formula: int
) -> dict[str, Any]:
    pairs = [(utility(new), utility(old), new) for old, new in zip(base, final, strict=True)]
    sound = [(new, old, row) for new, old, row in pairs if old is not None and new is not None]
    new, old = [pair[0] for pair in sound], [pair[1] for pair in sound]
    of = [cluster_of(row) for _, _, row in sound]
    p = paired_p([bool(x) for x in old], [bool(x) for x in new], of, formula) if sound else None
    found: dict[str, Any] = {"p": p, "difference": _gain(sound, formula)}
    if formula == 1 and sound and all(name.startswith("families/") for name in of):
        found["by_family"] = difference_by_family(new, old, of).as_dict()
    return {"pass_rate": found}


def _always_legal(numbers: dict[str, Any]) -> dict[str, Any]:
    """Add the legal rate of a mover, which is 1 by construction and needs no measurement."""
    n = max((int(value.get("n") or 0) for value in numbers.values()), default=0)
    certain = {"value": 1.0, "low": 1.0, "high": 1.0, "n": n}
    return {"legal_rate": certain} | numbers


def _scored(row: dict[str, Any]) -> bool:
    return bool(row["verdict"] != "infra_error")


def _has(row: dict[str, Any], key: str) -> bool:
    return row.get(key) is not None
