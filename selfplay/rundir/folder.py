"""The run folder: everything that a run leaves, read and written through one class."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import yaml

from envs.errors import InputError
from selfplay.config.reading import dump_config, stored_config
from selfplay.config.run import RunConfig
from selfplay.records import FinishedGame, Group
from selfplay.rundir.checksums import unseal
from selfplay.rundir.lock import take
from selfplay.rundir.log import MetricsLog
from selfplay.rundir.manifest import describe_machine, describe_start
from selfplay.rundir.names import (
    CHECKPOINTS,
    CONFIG,
    EVALS,
    GAMES,
    LOCK,
    LOGS,
    MANIFEST,
    METRICS,
    ROLLOUTS,
    SUMMARY,
    TESTS,
    name_in,
    step_name,
)
from selfplay.rundir.place import free_place, taken, unwritable
from selfplay.rundir.rollouts import RolloutStore
from selfplay.rundir.setting_aside import (
    keep_final,
    remove_incomplete,
    set_aside,
    set_later_aside,
)
from selfplay.rundir.versions import Versions
from selfplay.rundir.writes import free_name, write_json, write_text


class RunDir:
    """One run's folder. Writes are atomic; nothing is overwritten but what is derived anew.

    Checkpoints, matches and the champion are in its `versions`.

    `RunDir.create` and `lock` take the folder for this process; reading needs no lock.
    """

    def __init__(self, path: Path) -> None:
        # Absolute: the learner's workers run in folders of their own.
        self.path = path.absolute()
        self.name = name_in(self.path)
        """What the run calls itself: it stands in its files, whatever its folder is called now."""
        self.rollouts = RolloutStore(self.path / ROLLOUTS, self.name)
        self.metrics = MetricsLog(self.path / METRICS)
        self.versions = Versions(self.path)
        self.promotions = self.versions.promotions
        self._lock: IO[str] | None = None

    @classmethod
    def create(cls, config: RunConfig) -> RunDir:
        """Make runs_dir/name with its config.yaml and lock it.

        Raises:
            InputError: the name is no plain name or is taken, or the folder cannot be written.
        """
        path = free_place(config)
        try:
            path.mkdir(parents=True)
        except FileExistsError as error:
            raise taken(path) from error
        except OSError as error:
            raise unwritable(path, error.strerror) from error
        run = cls(path)
        run.lock()
        write_text(path / CONFIG, dump_config(config), overwrite=False)
        return run

    @classmethod
    def open(cls, target: str | Path, runs_dir: Path = Path("runs")) -> RunDir:
        """Return the existing run at the path `target`, else at runs_dir/target.

        Raises:
            InputError: neither is a run folder.
        """
        for path in (Path(target), runs_dir / target):
            if (path / CONFIG).is_file():
                return cls(path.resolve() if path.name in ("", "..") else path)
        have = sorted(path.parent.name for path in runs_dir.glob(f"*/{CONFIG}"))
        known = f"{runs_dir} has: {', '.join(have[-8:])}" if have else f"{runs_dir} has no runs"
        raise InputError(f"{target}: no such run; {known}")

    def lock(self) -> None:
        """Take the folder for this process until `close` or its end.

        Raises:
            InputError: another process has it; the message gives its pid.
        """
        self._lock = take(self.path / LOCK)

    def close(self) -> None:
        """Give the folder back. The lock file stays: removing it would race with another taker."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def config(self) -> RunConfig:
        """Return the run's resolved configuration."""
        path = self.path / CONFIG
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise InputError(f"{path}: cannot be read: {error}") from error
        return stored_config(data, str(path))

    def replace_config(self, config: RunConfig) -> None:
        """Write a changed configuration at a resume; the old one is kept as config.N.yaml."""
        path = self.path / CONFIG
        kept = free_name(path)
        write_text(kept, path.read_text(encoding="utf-8"), overwrite=False)
        write_text(path, dump_config(config), overwrite=True)

    def write_manifest(
        self, engine: dict[str, Any], seeds: dict[str, int], resumed_from: int | None = None
    ) -> None:
        """Write manifest.json at the first start; a later start is appended to its `starts`.

        Args:
            engine: identity of the scoring engine (name, sha256, options).
            seeds: name -> seed of everything that draws at random.
            resumed_from: the policy version that a resumed run goes on from.
        """
        path = self.path / MANIFEST
        start = describe_start(resumed_from) | describe_machine() | {"engine": engine}
        manifest = self.manifest() or start | {"run": self.name, "seeds": seeds, "starts": []}
        manifest["starts"].append(start)
        write_json(path, manifest, overwrite=True)

    def write_placement(self, events: list[dict[str, Any]]) -> None:
        """Keep who ran where (rows of placement.event) with the newest start in manifest.json."""
        manifest = self.manifest()
        if manifest is not None and manifest["starts"][-1].get("placement") != events:
            manifest["starts"][-1]["placement"] = events
            write_json(self.path / MANIFEST, manifest, overwrite=True)

    def manifest(self) -> dict[str, Any] | None:
        """Return manifest.json, or None before the first start."""
        return self._read_json(self.path / MANIFEST)

    def write_rollouts(self, step: int, groups: list[Group]) -> Path:
        """Write the rollouts of one step (before they train); a step is written once."""
        return self.rollouts.write(step, groups)

    def append_metrics(self, row: dict[str, Any]) -> None:
        """Add one step's row to metrics.jsonl."""
        self.metrics.append(row)

    def read_metrics(self) -> list[dict[str, Any]]:
        """Return the whole rows of metrics.jsonl."""
        return self.metrics.read()

    def append_games(self, games: Sequence[FinishedGame], step: int) -> Path | None:
        """Write the games that ended by `step` to a PGN file of their own; None without games."""
        if not games:
            return None
        path = free_name(self.path / GAMES / f"{step_name(step)}.pgn")
        write_text(path, "\n\n".join(game.pgn for game in games) + "\n", overwrite=False)
        return path

    def write_eval(self, name: str, result: dict[str, Any]) -> Path:
        """Write evals/`name`.json; an older one of that name is kept beside it as `name`.N.json."""
        path = self.path / EVALS / f"{name}.json"
        if path.exists():
            path.rename(free_name(path))
        write_json(path, result, overwrite=False)
        return path

    def read_evals(self) -> dict[str, dict[str, Any]]:
        """Return name -> evaluation, the base first, then by policy version."""
        paths = [p for p in (self.path / EVALS).glob("*.json") if "." not in p.stem]
        evals = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
        order = sorted(evals, key=lambda name: (evals[name].get("version") or 0, name))
        return {name: evals[name] for name in order}

    def write_test(self, result: dict[str, Any]) -> Path:
        """Write what an opening of the test sets gave as test/opening_NNNNNN.json, the next one."""
        folder = self.path / TESTS
        taken = [int(path.stem[-6:]) for path in folder.glob("opening_[0-9]*.json")]
        path = folder / f"opening_{1 + max(taken, default=0):06d}.json"
        write_json(path, result, overwrite=False)
        return path

    def test_results(self) -> list[dict[str, Any]]:
        """Return what each opening of the test sets gave, in order."""
        return [json.loads(path.read_text(encoding="utf-8")) for path in self.test_files()]

    def test_files(self) -> list[Path]:
        """Return the files of `test_results`, in order."""
        return sorted((self.path / TESTS).glob("opening_*.json"))

    def write_summary(self, summary: dict[str, Any]) -> Path:
        """Write summary.json, which is derived and so replaced."""
        write_json(self.path / SUMMARY, summary, overwrite=True)
        return self.path / SUMMARY

    def summary(self) -> dict[str, Any] | None:
        """Return summary.json, or None while there is none."""
        return self._read_json(self.path / SUMMARY)

    def append_promotion(self, decision: dict[str, Any], when: float) -> None:
        """Add one decision of the gate, with its evidence, to promotions.jsonl."""
        self.promotions.append({"time": when} | decision)

    def champion_eval(self) -> dict[str, Any] | None:
        """Return the evaluation of the champion, that on most positions where there are several."""
        version = self.versions.champion() or 0
        mine = [e for e in self.read_evals().values() if (e.get("version") or 0) == version]
        return max(mine, key=lambda e: int(e.get("positions") or 0), default=None)

    def set_aside_after(self, step: int) -> list[str]:
        """Set aside what a resumed run will do again; return one line per thing moved.

        Rows of metrics.jsonl, rollouts, games, matches and evaluations of later steps move to
        *discarded* places, SHA256SUMS to another name; checkpoints that were never completed are
        removed. A final evaluation of a version that stays is kept as that step's: a champion's
        evidence is not lost.
        """
        moved = unseal(self.path)
        for log, what in ((self.metrics, "metric rows"), (self.promotions, "promotions")):
            rows = log.set_aside_after(step)
            if rows:
                moved.append(f"{rows} {what}")
        self.versions.crown_again()
        keep_final(self.path, step)
        moved += set_later_aside(self.path, step)
        return moved + remove_incomplete(self.path, self.versions.checkpoints().values())

    def set_aside_rollouts(self, steps: Iterable[int]) -> None:
        """Set rollouts aside that will never train, since a rollback dropped their policy."""
        files = self.rollouts.files()
        for step in steps:
            if step in files:
                set_aside(files[step])

    def remove_unused(self) -> bool:
        """Remove the folder if nothing was learnt or measured in it; return whether so."""
        used = (ROLLOUTS, EVALS, CHECKPOINTS, METRICS, GAMES)
        if any((self.path / name).exists() for name in used):
            return False
        shutil.rmtree(self.path)
        self.close()
        return True

    def log_file(self, name: str = "driver") -> Path:
        """Return logs/`name`.log, its folder made."""
        (self.path / LOGS).mkdir(exist_ok=True)
        return self.path / LOGS / f"{name}.log"

    @staticmethod
    def _read_json(path: Path) -> dict[str, Any] | None:
        if not path.exists():
            return None
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return value
