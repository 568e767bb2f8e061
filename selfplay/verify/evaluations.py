"""evals/*.json: estimates recomputed from the rows, rows from the suites and the real scorers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from envs import Task
from selfplay.config.reading import parse_config
from selfplay.config.run import PromptForm
from selfplay.domains.base import Domain
from selfplay.domains.checks import Checks
from selfplay.domains.differences import Difference, named_differences
from selfplay.domains.made import Domains
from selfplay.registry import suite_names
from selfplay.report.summary import compare_evals
from selfplay.rundir.folder import RunDir
from selfplay.rundir.writes import plain
from selfplay.stats.clustered import cluster_of, formula_of

FINAL = "final"
_PROMPTS = ".prompts["
ASKING = ("eval.samples=", "eval.k=")
"""Changes to the configuration that decide what the numbers of an opening are."""


def file_of(name: str) -> str:
    """Return the file of an evaluation by its name; an opening of test sets is named by its own."""
    return name if name.startswith("test/") else f"evals/{name}.json"


def openings_of(folder: RunDir) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and content of each opening of the test sets, and of its base model's part."""
    for path, result in zip(folder.test_files(), folder.test_results(), strict=True):
        yield f"test/{path.name}", result
        if "base" in result:
            yield f"test/{path.name}: base", result["base"]


def asked_of(record: Mapping[str, Any], domains: Domains) -> Domains:
    """Return the domains under which an opening asked: the run's with its changes."""
    given = record.get("opening", {}).get("overrides", [])
    asked = [text for text in given if text.startswith(ASKING)]
    if not asked:
        return domains
    return Domains(parse_config(domains.config.model_dump(mode="json"), "opening", asked))


def check_comparison(name: str, result: Mapping[str, Any], domains: Domains) -> list[Difference]:
    """Recompute what an opening says of the newest version beside the base model."""
    if "compared" not in result:
        return []
    due = compare_evals({"base": result["base"], "final": dict(result)}, domains)
    return named_differences(file_of(name), result["compared"], due, "compared")


def check_record(name: str, record: Mapping[str, Any], domains: Domains) -> list[Difference]:
    """Check what an evaluation says of itself: name, version, suites, number of positions."""
    # A resume keeps the final evaluation of the version that it goes on from as that step's.
    config, final = domains.config, record.get("name") == FINAL
    between = name.startswith("step_") and not final
    due = {
        "name": FINAL if final and name.startswith("step_") else name,
        "version": 0 if name == "base" else record.get("step"),
        "positions": config.eval.every_positions if between else config.eval.positions,
        "suites": [*config.suites, *domains.own_suites()],
    }
    if name.startswith(("step_", "whole_")):
        due["step"] = int(name.partition("_")[2])
    stored = {key: record.get(key) for key in due} | {"suites": list(record["suites"])}
    for suite, numbers in record["suites"].items():
        varied = name == "base" and suite in suite_names(test=True)
        others = domains.of_suite(suite).variants() if varied else []
        given = numbers.get("prompts", [])
        stored[f"suites.{suite}.prompts"] = [
            {key: part[key] for key in PromptForm.model_fields} for part in given
        ]
        due[f"suites.{suite}.prompts"] = [form.model_dump() for form, _ in others]
    return named_differences(file_of(name), stored, due)


def check_estimates(
    name: str, suite: str, numbers: Mapping[str, Any], domain: Domain
) -> list[Difference]:
    """Recompute a suite's rates, means and intervals from its rows, by the formula they state."""
    rows, formula = numbers["rows"], formula_of(numbers)
    due = plain(domain.numbers(suite_of(suite), rows, formula))
    described = ("rows", "prompts", *PromptForm.model_fields, "positions")
    stored = {key: value for key, value in numbers.items() if key not in described}
    due.pop("rows", None)
    return named_differences(file_of(name), stored, due, f"suites.{suite}")


def parts_of(record: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every suite, and each other prompt of it as `SUITE.prompts[N]`, with its numbers."""
    for suite, numbers in record["suites"].items():
        yield suite, numbers
        for number, other in enumerate(numbers.get("prompts", [])):
            yield f"{suite}{_PROMPTS}{number}]", other


def part_in(record: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    """Return the numbers of a part, by its name."""
    return dict(parts_of(record))[part]


def suite_of(part: str) -> str:
    """Return the suite of a part."""
    return part.partition(_PROMPTS)[0]


def check_tasks(
    name: str,
    suite: str,
    rows: Sequence[Mapping[str, Any]],
    tasks: Sequence[Task],
    checks: Checks,
) -> Iterator[Difference]:
    """Check that the rows are the suite's first tasks, each once and in order."""
    file, place = file_of(name), f"suites.{suite}.rows"
    if len(rows) != len(tasks):
        yield Difference.words(file, place, f"{len(rows)} items", f"{len(tasks)} items")
    for number, (row, task) in enumerate(zip(rows, tasks, strict=False)):
        own = plain(checks.columns(task))
        due = {"task_id": task.id, **own, "cluster": checks.domain.cluster(task)}
        stored = {key: row[key] for key in ("task_id", *own)} | {"cluster": cluster_of(row)}
        found = named_differences(file, stored, due, f"{place}[{number}]")
        yield from found
        if found:
            return


def check_reading(
    name: str,
    suite: str,
    rows: Sequence[Mapping[str, Any]],
    tasks: Sequence[Task],
    checks: Checks,
) -> Iterator[Difference]:
    """Check what follows from every stored answer without a scorer, where its domain can say so."""
    for number, (row, task) in enumerate(zip(rows, tasks, strict=False)):
        if row["verdict"] != "infra_error":
            due = plain(checks.read_again(row, task))
            kept = checks.score_of_row(row) if due else {}
            stored = {key: kept[key] for key in due}
            place = f"suites.{suite}.rows[{number}]"
            yield from named_differences(file_of(name), stored, due, place)
