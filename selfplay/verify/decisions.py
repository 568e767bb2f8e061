"""Promotions, the champion, the summary and the report, recomputed from the evaluations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from selfplay.domains.differences import ABSENT, Difference, named_differences
from selfplay.gate.decide import GAMES, MARGIN, GamesChange, Utility, decide
from selfplay.report.page import render
from selfplay.report.summary import build_summary
from selfplay.rundir.folder import RunDir
from selfplay.rundir.writes import plain
from selfplay.stats.clustered import formula_of
from selfplay.verify.matches import as_in_tags

PROMOTIONS = "promotions.jsonl"
BASE = "base"
WHOLE = "whole_"
"""A champion's answers to all that the final evaluation asks (gate/gate.py); not judged."""
_GIVEN = ("run", "status", "wall_seconds", "peak_memory_bytes")
"""Keys of the summary that nothing stored decides."""

Evals = Mapping[str, Mapping[str, Any]]


def check_promotions(
    rows: Sequence[Mapping[str, Any]],
    evals: Evals,
    set_aside: Collection[str] = (),
    matches: Mapping[str, GamesChange] | None = None,
    *,
    utility: Utility,
) -> list[Difference]:
    """Make every decision of the gate again, from the two evaluations that it compared.

    An evaluation that was made again after a resume has several rows, of which the last counts.

    Args:
        rows: those of promotions.jsonl.
        evals: name -> evaluation.
        set_aside: names of evaluations that a resume has moved away.
        matches: what the games say that are in the run folder, by file; None: as the rows say.
        utility: of a suite's row (Domain.utility).
    """
    found: list[Difference] = []
    kept = {_judged(record): name for name, record in evals.items()}
    last = {_judged(row, "evaluation"): number for number, row in enumerate(rows)}
    for number, row in enumerate(rows):
        place, judged = f"line {number + 1}", _judged(row, "evaluation")
        name, against = kept.get(judged), _champion_then(rows, number, evals)
        if name is not None and last[judged] == number and against in evals:
            due = {"against": against}
            decision = decide(
                evals[against],
                evals[name],
                _games(row, matches),
                utility=utility,
                margin=float(row.get("margin") or MARGIN),
                formula=formula_of(row),
            )
            due |= _action(rows, number, decision.worse) | plain(decision.as_dict())
            stored = {key: row.get(key, ABSENT) for key in due}
            if isinstance(games := row.get(GAMES), Mapping):
                stored[GAMES] = as_in_tags(games)
            found += named_differences(PROMOTIONS, stored, due, place)
        elif judged[0] not in evals and judged[0] not in set_aside:
            sides = "no file", f"what {place} of {PROMOTIONS} judged"
            found.append(Difference.words(f"evals/{judged[0]}.json", "", *sides))
    for judged, name in kept.items():
        if name != BASE and not name.startswith(WHOLE) and judged not in last:
            sides = "no line", "a decision"
            found.append(Difference.words(PROMOTIONS, f"evaluation {name}", *sides))
    return found


def _judged(row: Mapping[str, Any], key: str = "name") -> tuple[str, int]:
    """Return an evaluation's own name, under which a resume may not have kept it, and version."""
    return str(row[key]), int(row["version"] or 0)


def _games(row: Mapping[str, Any], matches: Mapping[str, GamesChange] | None) -> GamesChange | None:
    """Return what the games of a decision said, from the games themselves where that can be."""
    stored = row.get(GAMES)
    if not isinstance(stored, Mapping):
        return None
    file = str(stored.get("file"))
    if matches is None:
        evidence = {key: value for key, value in stored.items() if key != "change"}
        return GamesChange(stored.get("change", "even"), evidence)
    games = matches.get(file)
    return None if games is None else GamesChange(games.change, {**games.evidence, "file": file})


def _action(rows: Sequence[Mapping[str, Any]], number: int, worse: bool) -> dict[str, Any]:
    """Return step, champion and action of a decision; a worse version was kept or left for it."""
    row, step = rows[number], int(rows[number]["version"])
    if "champion" not in row:  # of a run before rollbacks were there
        return {"step": step}
    action = "promoted" if row.get("promoted") else "kept"
    if worse and row.get("action") == "rolled back":
        action = "rolled back"
    return {
        "step": step + int(action == "rolled back"),
        "champion": _promoted(rows[:number]) or 0,
        "action": action,
    }


def _promoted(rows: Sequence[Mapping[str, Any]]) -> int | None:
    versions = [int(row["version"]) for row in rows if row.get("promoted")]
    return versions[-1] if versions else None


def _champion_then(rows: Sequence[Mapping[str, Any]], number: int, evals: Evals) -> str:
    """Return which evaluation was the champion's when row `number` was decided.

    It is one of the version that was promoted last (RunDir.champion_eval). One that has been
    made again since was not there until then: the resume had set it aside.
    """
    if "champion" in rows[number]:
        version = _promoted(rows[:number]) or 0
        mine = [key for key, e in evals.items() if int(e.get("version") or 0) == version]
        stated = str(rows[number].get("against"))
        kept = f"step_{version:06d}"  # what a resume made of a final evaluation
        return next((key for key in (stated, kept, *mine) if key in mine), BASE)
    names = [str(row["evaluation"]) for row in rows]
    for i in reversed(range(number)):
        again = names[i] in names[i + 1 :]
        there = not again or names[i] in names[i + 1 : number + 1]
        if rows[i].get("promoted") and there and names[i] in evals:
            return names[i]
    return BASE


def set_aside(run: Path) -> set[str]:
    """Return the names of the evaluations that a resume or another run of it has moved away."""
    folder = run / "evals"
    moved = [*(folder / "discarded").glob("*.json"), *folder.glob("*.*.json")]
    return {path.name.partition(".")[0] for path in moved}


def check_champion(
    champion: str | None, rows: Sequence[Mapping[str, Any]], complete: Sequence[int]
) -> list[Difference]:
    """Check that the file `champion` names what was promoted last, and that its weights are there.

    Args:
        champion: the file's text; None where there is no file.
        rows: those of promotions.jsonl.
        complete: versions with a whole checkpoint.
    """
    version = _promoted(rows)
    if version is None and champion is None and not any("champion" in row for row in rows):
        return []  # nothing evaluated yet, or a run before the base model was champion
    due = f"v{version or 0:06d}"
    if champion is None or champion.strip() != due:
        return [Difference("champion", "", ABSENT if champion is None else champion.strip(), due)]
    if version and version not in complete:
        return [Difference.words(f"checkpoints/{due}", "", "no checkpoint", "the champion")]
    return []


def check_summary(folder: RunDir, summary: Mapping[str, Any]) -> list[Difference]:
    """Build the summary again from evaluations, metrics and rollouts."""
    due = build_summary(
        folder,
        status=summary.get("status", ABSENT),
        wall_seconds=float(summary.get("wall_seconds", 0)),
        peak_memory_bytes=int(summary.get("peak_memory_bytes", 0)),
        formula=formula_of(summary),
    )
    due |= {key: summary.get(key, ABSENT) for key in _GIVEN}
    return named_differences("summary.json", summary, plain(due))


def check_report(folder: RunDir, *, same_code: bool) -> tuple[list[Difference], list[str]]:
    """Render report.html again; another version of the package may well write another page.

    Returns:
        Differences, and notes where the page differs and so does the code.
    """
    path = folder.path / "report.html"
    if not path.exists():
        return [], ["report.html is missing; `selfplay report` writes it"]
    if path.read_text(encoding="utf-8") == render(folder):
        return [], []
    fresh = "what `selfplay report` writes from this folder"
    if same_code:
        return [Difference.words("report.html", "", "another page", fresh)], []
    return [], [f"report.html is not {fresh} with the package that is installed here"]


def champion_text(folder: Path) -> str | None:
    """Return the file `champion`, None where there is none."""
    path = folder / "champion"
    return path.read_text(encoding="utf-8") if path.exists() else None
