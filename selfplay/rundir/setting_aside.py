"""What a resumed or rolled-back run will do again is set aside: nothing written is lost."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from selfplay.rundir.checksums import unseal
from selfplay.rundir.writes import free_name

if TYPE_CHECKING:
    from selfplay.rundir.folder import RunDir

MATCH = re.compile(r"v(\d+)-\w+\.pgn")
"""Name of a match between two versions, the candidate first."""
_STEP = re.compile(r"(?:step|whole)_(\d+)")


def discard_after(run: RunDir, step: int) -> list[str]:
    """Set aside what belongs to later steps; see RunDir.discard_after."""
    moved = unseal(run.path)
    for log, what in ((run.metrics, "metric rows"), (run.promotions, "promotions")):
        rows = log.discard_after(step)
        if rows:
            moved.append(f"{rows} {what}")
    # The decisions are the truth: a crash may lie between a row and the file that follows it.
    decided = [int(row["version"]) for row in run.promotions.read() if row["promoted"]]
    if run.champion() is not None or decided:
        run.set_champion(decided[-1] if decided else 0)
    _keep_final(run, step)
    for folder in ("rollouts", "games", "evals", "matches"):
        for path in sorted((run.path / folder).glob("*.*")):
            if _is_later(path, step):
                set_aside(path)
                moved.append(f"{folder}/{path.name}")
    complete = run.checkpoints().values()
    for path in sorted((run.path / "checkpoints").glob("v*")):
        if path not in complete:
            shutil.rmtree(path)
            moved.append(f"checkpoints/{path.name} (incomplete)")
    return moved


def set_aside(path: Path) -> None:
    """Move a file to `discarded` in its folder, beside those that are there already."""
    target = free_name(path.parent / "discarded" / path.name)
    target.parent.mkdir(exist_ok=True)
    path.rename(target)


def _keep_final(run: RunDir, step: int) -> None:
    """Keep the final evaluation of a version that stays as that step's own."""
    path = run.path / "evals" / "final.json"
    if not path.exists():
        return
    version = json.loads(path.read_text(encoding="utf-8")).get("version")
    target = path.with_name(f"step_{version or 0:06d}.json")
    if version is not None and version <= step and not target.exists():
        path.rename(target)


def _is_later(path: Path, step: int) -> bool:
    match = _STEP.match(path.name) or MATCH.fullmatch(path.name)
    if match:
        return int(match[1]) > step
    return path.parent.name == "evals" and path.name.startswith("final")
