"""`selfplay eval --test`: suites that nothing was chosen on, opened on purpose and on record.

A number on a test set says something new only as long as nobody chose by it. So each opening is
written to `test_openings.jsonl` in the runs' folder before a single answer is asked for, and its
result to `test/opening_NNNNNN.json` in the run's own folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from envs.errors import InputError
from selfplay.domains.made import Domains
from selfplay.loop.evaluate import Evaluator, check_evaluation
from selfplay.loop.measure import Measured, evaluator_of, find_measured
from selfplay.registry import test_suites
from selfplay.report import build_report
from selfplay.report.summary import compare_evals
from selfplay.rundir.folder import RunDir
from selfplay.rundir.log import MetricsLog
from selfplay.rundir.manifest import commit

OPENINGS = "test_openings.jsonl"


def openings(runs_dir: Path) -> list[dict[str, Any]]:
    """Return every opening below a runs' folder, in order: time, target, version, suites, ..."""
    return MetricsLog(runs_dir / OPENINGS).read()


def open_tests(target: str, suites: list[str] | None, overrides: list[str]) -> dict[str, Any]:
    """Measure a run, or a model, on test sets; of a run its newest version and its base model.

    Args:
        target: as for evaluate_model.
        suites: None takes the test sets of the configuration's domains.
        overrides: of the configuration.

    Returns:
        An evaluation record of the newest version (of the model), with "opening" (its row of the
        record), "earlier" (openings of these suites before) and, for a run, "base" (the base
        model's record) and "compared" (as in summary.json).

    Raises:
        InputError: no such run, model or suite.
    """
    found = find_measured(target, overrides)
    wanted = list(suites) if suites is not None else list(test_suites(found.config.domains))
    config = found.asking(wanted)
    check_evaluation(config, test=True)
    runs_dir = config.runs_dir if found.run_dir is None else found.run_dir.path.parent
    before = [row for row in openings(runs_dir) if set(row["suites"]) & set(wanted)]
    row = _record(runs_dir, target, found, wanted, overrides)
    with evaluator_of(config, found.model, found.version) as evaluator:
        measured = _measure(evaluator, found, wanted)
        if found.run_dir is None:
            return {**measured, "opening": row, "earlier": len(before)}
        base = _measure(evaluator, found.of_base(), wanted, base=True)
    compared = compare_evals({"base": base, "final": measured}, Domains(config))
    result = {**measured, "opening": row, "earlier": len(before), "base": base}
    result["compared"] = compared
    _keep(found.run_dir, result)
    return result


def _record(
    runs_dir: Path, target: str, found: Measured, suites: Sequence[str], overrides: Sequence[str]
) -> dict[str, Any]:
    row = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "target": target if found.run_dir is None else found.run_dir.name,
        "version": found.version,
        "suites": list(suites),
        "positions": found.config.eval.positions,
        "overrides": list(overrides),
        "git": commit(),
    }
    runs_dir.mkdir(parents=True, exist_ok=True)
    MetricsLog(runs_dir / OPENINGS).append(row)
    return row


def _measure(
    evaluator: Evaluator, found: Measured, suites: Sequence[str], *, base: bool = False
) -> dict[str, Any]:
    """Measure what the samplers hold or, beside it, the base model."""
    return evaluator.evaluate(
        "base" if base else "eval",
        step=found.version,
        positions=found.config.eval.positions,
        suites=suites,
        test=True,
        prompts=base or found.run_dir is None,
        guest=found.model if base else None,
    )


def _keep(run_dir: RunDir, result: dict[str, Any]) -> None:
    try:
        run_dir.write_test(result)
        build_report(run_dir)
    except OSError as error:
        raise InputError(f"{run_dir.path}: the result cannot be kept there: {error}") from error
