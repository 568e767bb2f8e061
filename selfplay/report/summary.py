"""summary.json: base, baselines and final side by side, with intervals and paired tests.

The format is stable; other tools read it. Rates and win probabilities are fractions of 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selfplay.domains import rows
from selfplay.domains.made import Domains
from selfplay.registry import domain_of_suite, specs
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
    """Return suite -> {"base", "final", "paired"}, as far as they were measured.

    Whom its domain sets beside the policy is there too (Domain.beside; chess: "random_mover" and
    "rules"), "prompts" where the base model was measured under others ([{"style", "shots",
    "positions", and its estimates}]), and what the domain's comparison has besides "paired".
    """
    base, final = evals.get("base"), evals.get("final")
    suites: dict[str, Any] = {}
    for evaluation, label in ((base, "base"), (final, "final")):
        for suite, numbers in (evaluation or {}).get("suites", {}).items():
            entry = suites.setdefault(suite, {})
            entry[label] = dict(numbers["policy"])
            if _installed(suite):
                entry |= domains.of_suite(suite).beside(numbers)
            if numbers.get("prompts"):
                entry["prompts"] = [
                    {key: form[key] for key in ("style", "shots", "positions")} | form["policy"]
                    for form in numbers["prompts"]
                ]
    for suite, entry in suites.items():
        if "base" in entry and "final" in entry and base and final:
            before, after = (found["suites"][suite].get("rows", []) for found in (base, final))
            if _installed(suite):
                entry |= domains.of_suite(suite).compared(suite, before, after, formula)
            else:  # its domain's own tests cannot be had here
                entry |= {"paired": rows.paired_of(before, after, rows.passed, formula)}
    return suites


def _installed(suite: str) -> bool:
    return domain_of_suite(suite) in specs()


def _has(row: dict[str, Any], key: str) -> bool:
    return row.get(key) is not None
