"""evals/*.json: estimates recomputed from the rows, rows from the suites and the real scorers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from envs import Task
from envs.chess.parse import parse_move
from envs.chess.position import board_of
from envs.chess.suites import load_suite
from selfplay.config.reading import parse_config
from selfplay.config.run import PromptForm, RunConfig
from selfplay.domains.chess import evaluation as chess_eval
from selfplay.domains.chess.config import PUZZLES
from selfplay.domains.code import evaluation as code_eval
from selfplay.domains.code.tasks import suite_tasks
from selfplay.domains.made import Domains
from selfplay.registry import domain_of_suite
from selfplay.report.summary import compare_evals
from selfplay.rundir.folder import RunDir
from selfplay.stats.clustered import cluster_of, cluster_of_key, formula_of
from selfplay.verify.finding import Difference, named_differences
from selfplay.verify.scoring import Results, legality

FINAL = "final"
_PROMPTS = ".prompts["
ASKING = ("eval.samples=", "eval.k=")
"""Changes to the configuration that decide what the numbers of an opening are."""
VARYING = ("failed",)
"""Keys of a code row whose text may hold what differs from run to run (addresses, times)."""


def file_of(name: str) -> str:
    """Return the file of an evaluation by its name; an opening of test sets is named by its own."""
    return name if name.startswith("test/") else f"evals/{name}.json"


def openings_of(folder: RunDir) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and content of each opening of the test sets, and of its base model's part."""
    for path, result in zip(folder.test_files(), folder.test_results(), strict=True):
        yield f"test/{path.name}", result
        if "base" in result:
            yield f"test/{path.name}: base", result["base"]


def config_of(record: Mapping[str, Any], config: RunConfig) -> RunConfig:
    """Return the configuration under which an opening asked: the run's with its changes."""
    given = record.get("opening", {}).get("overrides", [])
    asked = [text for text in given if text.startswith(ASKING)]
    return parse_config(config.model_dump(mode="json"), "opening", asked) if asked else config


def check_comparison(name: str, result: Mapping[str, Any], domains: Domains) -> list[Difference]:
    """Recompute what an opening says of the newest version beside the base model."""
    if "compared" not in result:
        return []
    due = compare_evals({"base": result["base"], "final": dict(result)}, domains)
    return named_differences(file_of(name), result["compared"], due, "compared")


def check_record(name: str, record: Mapping[str, Any], config: RunConfig) -> list[Difference]:
    """Check what an evaluation says of itself: name, version, suites, number of positions."""
    # A resume keeps the final evaluation of the version that it goes on from as that step's.
    final = record.get("name") == FINAL
    between = name.startswith("step_") and not final
    suites = list(config.suites)
    if config.eval.puzzles is not None:
        suites.append(PUZZLES)
    due = {
        "name": FINAL if final and name.startswith("step_") else name,
        "version": 0 if name == "base" else record.get("step"),
        "positions": config.eval.every_positions if between else config.eval.positions,
        "suites": suites,
    }
    if name.startswith(("step_", "whole_")):
        due["step"] = int(name.partition("_")[2])
    stored = {key: record.get(key) for key in due} | {"suites": list(record["suites"])}
    others = [form.model_dump() for form in config.eval.base_prompts] if name == "base" else []
    for suite, numbers in record["suites"].items():
        asked = others if domain_of_suite(suite) == "chess" and suite != PUZZLES else []
        given = numbers.get("prompts", [])
        stored[f"suites.{suite}.prompts"] = [
            {key: part[key] for key in PromptForm.model_fields} for part in given
        ]
        due[f"suites.{suite}.prompts"] = asked
    return named_differences(file_of(name), stored, due)


def check_estimates(
    name: str, suite: str, numbers: Mapping[str, Any], config: RunConfig
) -> list[Difference]:
    """Recompute a suite's rates, means and intervals from its rows, by the formula they state."""
    rows, formula = numbers["rows"], formula_of(numbers)
    if suite == PUZZLES:
        due = chess_eval.puzzle_numbers(rows, formula)
    elif domain_of_suite(suite) == "chess":
        due = chess_eval.suite_numbers(rows, formula)
    else:
        due = code_eval.suite_numbers(rows, config.eval.samples, config.eval.k, formula)
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


def suite_of(suite: str, positions: int, config: RunConfig) -> list[Task]:
    """Return the tasks that a suite asks. Raises InputError where its data set is not here."""
    suite = suite.partition(_PROMPTS)[0]
    if domain_of_suite(suite) == "chess":
        return load_suite(suite)[:positions]
    return suite_tasks(suite, config, positions)


def check_tasks(
    name: str, suite: str, rows: Sequence[Mapping[str, Any]], tasks: Sequence[Task]
) -> Iterator[Difference]:
    """Check that the rows are the suite's first tasks, each once and in order."""
    file, place = file_of(name), f"suites.{suite}.rows"
    if len(rows) != len(tasks):
        yield Difference.words(file, place, f"{len(rows)} items", f"{len(tasks)} items")
    chess = domain_of_suite(suite) == "chess"
    kind = "fen" if chess else "key"
    for number, (row, task) in enumerate(zip(rows, tasks, strict=False)):
        cluster = task.id if chess else cluster_of_key(task.payload["key"])
        due = {"task_id": task.id, kind: task.payload[kind], "cluster": cluster}
        stored = {k: row[k] for k in ("task_id", kind)} | {"cluster": cluster_of(row)}
        found = named_differences(file, stored, due, f"{place}[{number}]")
        yield from found
        if found:
            return


def check_moves(
    name: str, suite: str, rows: Sequence[Mapping[str, Any]], tasks: Sequence[Task]
) -> Iterator[Difference]:
    """Read every chess answer again: which move it is, and whether that is legal."""
    for number, (row, task) in enumerate(zip(rows, tasks, strict=False)):
        if row["verdict"] == "infra_error":
            continue
        parsed = parse_move(row["completion"], board_of(task))
        due = {"action": parsed.action, "legality": "legal" if parsed.action else parsed.status}
        stored = {"action": row["action"], "legality": legality(row["verdict"])}
        place = f"suites.{suite}.rows[{number}]"
        yield from named_differences(file_of(name), stored, due, place)


def answers_of(row: Mapping[str, Any], task: Task) -> list[str]:
    """Return the answers of a row: the greedy one, then the drawn ones or, in chess, the rules'."""
    rules = chess_eval.rule_answers(task) if chess_eval.RULE_ROWS in row else []
    return [row["completion"], *(text for text, _ in row.get("samples", [])), *rules]


def row_made(
    suite: str, row: Mapping[str, Any], task: Task, texts: Sequence[str], results: Results
) -> dict[str, Any]:
    """Return what results would have made of `row`, in the form of `row_stored`."""
    if domain_of_suite(suite) == "chess":
        made = chess_eval.evaluation_row(task, texts, results).as_json()
        if chess_eval.RULE_ROWS not in row:  # a row of an older run
            made.pop(chess_eval.RULE_ROWS, None)
        return row_stored(made)
    return row_stored(code_eval.evaluation_row(task, texts, results).as_json())


def row_stored(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a row can be compared; older rows do not name their cluster."""
    kept = {key: value for key, value in row.items() if key not in VARYING}
    kept["cluster"] = cluster_of(row)
    return kept | ({"legality": legality(row["verdict"])} if "fen" in row else {})
