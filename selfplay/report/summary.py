"""summary.json: base, final, random mover and rules side by side, with intervals and paired tests.

The format is stable; other tools read it. Rates and win probabilities are fractions of 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selfplay.domains.made import Domains
from selfplay.rundir.folder import RunDir
from selfplay.stats.clustered import FORMULA, stated

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
        "suites": compare_evals(run_dir.read_evals(), Domains(run_dir.config()), formula),
    }


def spread_of(metrics: list[dict[str, Any]]) -> float | None:
    """Return the mean share of groups with unequal rewards over the last ten steps that have it."""
    shares = [row["groups_with_spread"] for row in metrics if _has(row, "groups_with_spread")]
    last = shares[-SPREAD_STEPS:]
    return sum(last) / len(last) if last else None


def compare_evals(
    evals: Mapping[str, Mapping[str, Any]], domains: Domains, formula: int = FORMULA
) -> dict[str, Any]:
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
            before, after = (found["suites"][suite].get("rows", []) for found in (base, final))
            entry |= domains.of_suite(suite).compared(suite, before, after, formula)
    return suites


def _always_legal(numbers: dict[str, Any]) -> dict[str, Any]:
    """Add the legal rate of a mover, which is 1 by construction and needs no measurement."""
    n = max((int(value.get("n") or 0) for value in numbers.values()), default=0)
    certain = {"value": 1.0, "low": 1.0, "high": 1.0, "n": n}
    return {"legal_rate": certain} | numbers


def _has(row: dict[str, Any], key: str) -> bool:
    return row.get(key) is not None
