"""summary.json: base, final, random mover and rules side by side, with intervals and paired tests.

The format is stable; other tools read it. Rates and win probabilities are fractions of 1.
"""

from __future__ import annotations

from typing import Any

from selfplay.promotion import utility
from selfplay.rundir import RunDir
from selfplay.stats import clustered_bootstrap, mcnemar, paired_bootstrap

LEGAL = ("pass", "fail")
"""The verdicts of a legal move."""

SPREAD_STEPS = 10
"""`groups_with_spread` is the mean over this many last steps."""


def build_summary(
    run_dir: RunDir, *, status: str, wall_seconds: float, peak_memory_bytes: int
) -> dict[str, Any]:
    """Return the content of summary.json from the run's evaluations and metrics.

    A run that ended before its final evaluation has no "final" and no "paired" below its suites;
    one that ended before its base evaluation has no suites.

    Args:
        run_dir: the run.
        status: how it ended ("finished", "stopped", "failed").
        wall_seconds: from the command's start to the end of the last evaluation.
        peak_memory_bytes: over all processes of the run, shared pages counted once (memory.py).
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
        "suites": compare_evals(run_dir.read_evals()),
    }


def spread_of(metrics: list[dict[str, Any]]) -> float | None:
    """Return the mean share of groups with unequal rewards over the last ten steps that have it."""
    shares = [row["groups_with_spread"] for row in metrics if _has(row, "groups_with_spread")]
    last = shares[-SPREAD_STEPS:]
    return sum(last) / len(last) if last else None


def compare_evals(evals: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return suite -> {"base", "random_mover", "final", "paired"}, as far as they were measured.

    Chess suites have "rules" too (rule -> figures) and, where the base model was asked in other
    ways, "prompts": [{"style", "shots", "positions", and its figures}].
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
                base["suites"][suite].get("rows", []), final["suites"][suite].get("rows", [])
            )
    return suites


def paired_tests(base: list[dict[str, Any]], final: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the paired tests over the items that both evaluations have.

    `pass_rate` (code, puzzles): exact McNemar p of base against final, and the mean difference,
    final minus base, with its 95% bootstrap interval. Chess positions have instead:

    `legal_rate`: exact McNemar p of base against final. `regret_vs_random`: mean, with its 95%
    bootstrap interval, of the final move's regret minus the random legal mover's expected regret
    on the same position, over the positions where the final move was legal; below 0 is better
    than random. Null without such positions. `vs_rules` (rule -> regret, best_move_rate): the same
    against the rules of envs.chess.rules; best moves over all positions, an illegal answer being
    none.
    """
    before = {row["task_id"]: row for row in base}
    both = [row for row in final if row["task_id"] in before]
    if any("random_regret" not in row for row in both):
        return _paired_passes([before[row["task_id"]] for row in both], both)
    p = mcnemar(
        [before[row["task_id"]]["verdict"] in LEGAL for row in both],
        [row["verdict"] in LEGAL for row in both],
    )
    legal = [row for row in final if _has(row, "regret") and _has(row, "random_regret")]
    difference = paired_bootstrap(
        [float(row["regret"]) for row in legal], [float(row["random_regret"]) for row in legal]
    ).as_dict()
    del difference["n"]  # the format has value, low and high here
    found: dict[str, Any] = {"legal_rate": {"p": p if both else None}}
    found["regret_vs_random"] = difference
    if final and all("rules" in row for row in final):
        found["vs_rules"] = {rule: _against_rule(final, rule) for rule in final[0]["rules"]}
    return found


def _against_rule(rows: list[dict[str, Any]], rule: str) -> dict[str, Any]:
    """Return the mean differences, policy minus rule, on the same positions."""
    sound = [row for row in rows if _has(row["rules"][rule], "regret")]
    sound = [row for row in sound if row["verdict"] != "infra_error"]
    legal = [row for row in sound if _has(row, "regret")]
    pairs = {
        "regret": [(row["regret"], row["rules"][rule]["regret"]) for row in legal],
        "best_move_rate": [(row.get("best") or 0.0, row["rules"][rule]["best"]) for row in sound],
    }
    found = {}
    for metric, both in pairs.items():
        found[metric] = paired_bootstrap([a for a, _ in both], [b for _, b in both]).as_dict()
        del found[metric]["n"]
    return found


def _paired_passes(base: list[dict[str, Any]], final: list[dict[str, Any]]) -> dict[str, Any]:
    pairs = [
        (utility(old), utility(new), _family(new)) for old, new in zip(base, final, strict=True)
    ]
    sound = [(old, new, of) for old, new, of in pairs if old is not None and new is not None]
    old, new = [pair[0] for pair in sound], [pair[1] for pair in sound]
    difference = paired_bootstrap(new, old).as_dict()
    del difference["n"]
    p = mcnemar([bool(x) for x in old], [bool(x) for x in new]) if sound else None
    found: dict[str, Any] = {"p": p, "difference": difference}
    families = [of for _, _, of in sound if of is not None]
    if sound and len(families) == len(sound):
        found["by_family"] = clustered_bootstrap(new, old, families).as_dict()
    return {"pass_rate": found}


def _family(row: dict[str, Any]) -> str | None:
    """Return the built-in family of a task, by its key (families/NAME/LEVEL/SEED)."""
    dataset, _, rest = str(row.get("key", "")).partition("/")
    return rest.split("/")[0] if dataset == "families" and rest else None


def _always_legal(numbers: dict[str, Any]) -> dict[str, Any]:
    """Add the legal rate of a mover, which is 1 by construction and needs no measurement."""
    n = max((int(value.get("n") or 0) for value in numbers.values()), default=0)
    certain = {"value": 1.0, "low": 1.0, "high": 1.0, "n": n}
    return {"legal_rate": certain} | numbers


def _has(row: dict[str, Any], key: str) -> bool:
    return row.get(key) is not None
