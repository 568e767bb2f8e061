"""What a resumed or rolled-back run will do again is set aside: nothing written is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from pathlib import Path

from selfplay.rundir.names import (
    CHECKPOINTS,
    DISCARDED,
    EVALS,
    FINAL,
    GAMES,
    MATCHES,
    ROLLOUTS,
    step_in,
    step_name,
)
from selfplay.rundir.writes import free_name


def set_aside(path: Path) -> None:
    """Move a file to `discarded` in its folder, beside those that are there already."""
    target = free_name(path.parent / DISCARDED / path.name)
    target.parent.mkdir(exist_ok=True)
    path.rename(target)


def set_later_aside(run: Path, step: int) -> list[str]:
    """Set aside rollouts, games, evaluations and matches of steps after `step`; say which."""
    moved = []
    for folder in (ROLLOUTS, GAMES, EVALS, MATCHES):
        for path in sorted((run / folder).glob("*.*")):
            if _is_later(path, step):
                set_aside(path)
                moved.append(f"{folder}/{path.name}")
    return moved


def remove_incomplete(run: Path, complete: Collection[Path]) -> list[str]:
    """Remove the checkpoints that are not `complete`; return which they were."""
    moved = []
    for path in sorted((run / CHECKPOINTS).glob("v*")):
        if path not in complete:
            shutil.rmtree(path)
            moved.append(f"{CHECKPOINTS}/{path.name} (incomplete)")
    return moved


def keep_final(run: Path, step: int) -> None:
    """Keep the final evaluation of a version up to `step` as that step's own."""
    path = run / EVALS / f"{FINAL}.json"
    if not path.exists():
        return
    version = json.loads(path.read_text(encoding="utf-8")).get("version")
    target = path.with_name(f"{step_name(version or 0)}.json")
    if version is not None and version <= step and not target.exists():
        path.rename(target)


def _is_later(path: Path, step: int) -> bool:
    of = step_in(path.name)
    if of is not None:
        return of > step
    return path.parent.name == EVALS and path.name.startswith(FINAL)
