"""`selfplay score`: completions in a JSONL file to verdicts and rewards in another."""

from __future__ import annotations

import json
from pathlib import Path

from envs.errors import InputError
from selfplay.config.run import RunConfig
from selfplay.domains.made import Domains
from selfplay.rundir.writes import plain, write_atomic


def score_file(
    source: Path, target: Path, config: RunConfig, *, force: bool, domain: str
) -> dict[str, int]:
    """Score every row of `source` and write the rows with their scores to `target`.

    What a row holds is the domain's business (Domain.scored); other keys are kept. All rows are
    checked before the first is scored, and `target` appears only when all are done.

    Returns:
        How many rows got each verdict.

    Raises:
        InputError: `source` cannot be read, a row is broken (file:line), or `target` exists and
            `force` is false.
    """
    refuse_existing(target, force=force)
    scored = Domains(config)[domain].scored(source)
    counts: dict[str, int] = {}

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8") as file:
            for row in scored:
                counts[row["verdict"]] = counts.get(row["verdict"], 0) + 1
                file.write(json.dumps(plain(row), allow_nan=False) + "\n")

    try:
        write_atomic(target, write, overwrite=force)
    except FileExistsError as error:
        raise InputError(f"{target}: appeared while scoring; pass --force to replace it") from error
    except PermissionError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from error
    return counts


def refuse_existing(target: Path, *, force: bool) -> None:
    """Raise InputError if `target` exists (unless `force`) or cannot be a file."""
    if target.is_dir():
        raise InputError(f"{target}: is a folder; name a file")
    if target.exists() and not force:
        raise InputError(f"{target}: exists; choose another file or pass --force")
    if not target.parent.is_dir():
        raise InputError(f"{target}: the folder {target.parent} does not exist; make it first")
