"""The policy versions of a run: their checkpoints, matches and promotions, and the champion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from selfplay.rundir.checksums import COMPLETE, seal_checkpoint
from selfplay.rundir.log import MetricsLog
from selfplay.rundir.names import (
    CHAMPION,
    CHECKPOINTS,
    MATCHES,
    PROMOTIONS,
    match_name,
    version_in,
    version_name,
)
from selfplay.rundir.writes import write_json, write_text


class Versions:
    """What a run's folder `path` holds of each policy version; version 0 is its base model."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.promotions = MetricsLog(path / PROMOTIONS)

    def folder(self, version: int) -> Path:
        """Return checkpoints/vNNNNNN (not made here) of a version."""
        return self._path / CHECKPOINTS / version_name(version)

    def model_of(self, version: int, base: str) -> str:
        """Return the model folder of a frozen version; version 0 is `base`, as the run began."""
        return str(self.folder(version)) if version else base

    def complete(self, version: int, info: dict[str, Any]) -> None:
        """Write the hashes of a checkpoint's files and mark it whole; the last write into it."""
        folder = self.folder(version)
        write_json(folder / COMPLETE, {**info, **seal_checkpoint(folder)}, overwrite=True)

    def checkpoints(self) -> dict[int, Path]:
        """Return version -> folder of the complete checkpoints, ascending."""
        found = {}
        for path in sorted((self._path / CHECKPOINTS).glob("v*")):
            version = version_in(path.name)
            if version is not None and (path / COMPLETE).is_file():
                found[version] = path
        return found

    def latest(self) -> Path | None:
        """Return the complete checkpoint of the highest version, or None."""
        return next(reversed(self.checkpoints().values()), None)

    def match_file(self, candidate: int, champion: int) -> Path:
        """Return matches/vNNNNNN-vNNNNNN.pgn (not made here): candidate first, then champion."""
        return self._path / MATCHES / match_name(candidate, champion)

    def match_files(self) -> list[Path]:
        """Return the PGN files of all matches between versions."""
        return sorted((self._path / MATCHES).glob("v*-v*.pgn"))

    def champion(self) -> int | None:
        """Return the champion's version, or None before the first."""
        path = self._path / CHAMPION
        return version_in(path.read_text(encoding="utf-8").strip()) if path.exists() else None

    def set_champion(self, version: int) -> None:
        """Write the version into the file `champion`, in place of the one before."""
        write_text(self._path / CHAMPION, f"{version_name(version)}\n", overwrite=True)

    def crown_again(self) -> None:
        """Name the champion that the decisions of promotions.jsonl say.

        They are the truth: a crash may lie between a decision and the file that follows it.
        """
        decided = [int(row["version"]) for row in self.promotions.read() if row["promoted"]]
        if self.champion() is not None or decided:
            self.set_champion(decided[-1] if decided else 0)

    def frozen(self, every: int) -> list[int]:
        """Return the versions that the league keeps, ascending: every `every`-th and all champions.

        0, the model that the run began with, is always among them. Nothing is copied: a frozen
        version is a checkpoint, which is never written again.
        """
        champions = {int(row["version"]) for row in self.promotions.read() if row["promoted"]}
        have = self.checkpoints()
        kept = {v for v in have if v in champions or (every and v % every == 0)}
        return sorted({0, *kept})
