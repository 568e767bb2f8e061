"""`selfplay verify`: recompute what a run publishes, and name every difference."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from selfplay.verify import Findings

MOST_LINES = 50
"""Differences that are printed; the JSON has all."""
CODES = {"agrees": 0, "differs": 1, "incomplete": 2}


def verify(
    target: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's name or folder, or a match's PGN.")
    ],
    sample: Annotated[
        int, typer.Option(min=0, help="Rollouts, and evaluation answers, that are scored again.")
    ] = 200,
    every: Annotated[bool, typer.Option("--all", help="Score all of them again.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample.")] = 0,
    engine: Annotated[
        Path | None,
        typer.Option(help="The UCI engine; default: stockfish, never the run's own path."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all findings here; - prints them.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the JSON file.")] = False,
) -> None:
    """Recompute what a run publishes from what it stores, and name every difference.

    Rewards by the real engine and sandbox, texts and prompts by the tokenizer, metrics, figures
    and intervals of the evaluations, promotions, champion, summary, games, ratings, checkpoints and
    hashes. The exit code is 0 when all agrees, 1 when something differs, and 2 when something
    could not be checked, as in a run that has not ended.

    Examples:

      selfplay verify quickstart

      selfplay verify runs/quickstart --all --json verify.json

      selfplay verify matches/quickstart-random.pgn
    """
    from selfplay.rundir.folder import RunDir
    from selfplay.rundir.writes import plain, write_json
    from selfplay.scorer.file import refuse_existing
    from selfplay.verify import verify_match, verify_run

    to_stdout = str(json_file) == "-"
    if json_file is not None and not to_stdout:
        refuse_existing(json_file, force=force)
    name = target
    if _is_match(Path(target)):
        findings = verify_match(Path(target))
    else:
        folder = RunDir.open(target)
        name, some = folder.path.name, None if every else sample
        findings = verify_run(folder, sample=some, seed=seed, engine=engine, progress=_progress)
        _progress("")
    whole = {"target": name, **findings.as_dict()}
    whole |= {"sample": None if every else sample, "seed": seed}
    if to_stdout:
        print(json.dumps(plain(whole), indent=2, allow_nan=False))
    else:
        for line in lines(name, findings):
            typer.echo(line)
        if json_file is not None:
            write_json(json_file, whole, overwrite=force)
            typer.echo(f"written: {json_file}")
    raise typer.Exit(CODES[findings.verdict])


def _is_match(path: Path) -> bool:
    """Whether a path is a match's PGN file or a folder of such files, and no run."""
    if path.is_dir() and not (path / "config.yaml").exists():
        return any(path.glob("*.pgn"))
    return path.suffix == ".pgn" or path.is_file()


def lines(name: str, findings: Findings) -> list[str]:
    """Return the findings as lines of text, whatever a model wrote made harmless."""
    from selfplay.display.text import visible

    done = ", ".join(f"{count} {what}" for what, count in findings.checked.items())
    text = [f"checked: {done or 'nothing'}"]
    text += [f"differs: {one.line()}" for one in findings.differences[:MOST_LINES]]
    left = len(findings.differences) - MOST_LINES
    if left > 0:
        text.append(f"differs: {left} more; --json FILE has all")
    text += [f"not checked: {visible(note)}" for note in findings.unchecked]
    text += [f"note: {visible(note)}" for note in findings.notes]
    if findings.digest is not None:
        text.append(f"sha256 of SHA256SUMS: {findings.digest}")
    verdict = {
        "agrees": "everything agrees",
        "differs": f"{len(findings.differences)} differences",
        "incomplete": "what was checked agrees; not everything could be checked",
    }[findings.verdict]
    return [*text, f"{visible(name)}: {verdict}"]


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
