"""Checkpoints of a run: when one is due, what it holds, what of the older ones is kept."""

from __future__ import annotations

import time

from selfplay.config.run import RunConfig
from selfplay.league.training import TrainingLeague
from selfplay.learner.handle import Learner
from selfplay.loop.journal import Journal
from selfplay.rundir.writes import write_json


class Checkpoints:
    """Saves the learner and the state of the tasks after the last step that trained."""

    def __init__(
        self,
        config: RunConfig,
        *,
        journal: Journal,
        learner: Learner,
        league: TrainingLeague | None,
    ) -> None:
        self._config = config
        self._run_dir = journal.run_dir
        self._journal = journal
        self._learner = learner
        self._league = league
        self._saved = journal.step if self._run_dir.versions.folder(journal.step).exists() else -1

    def due(self) -> bool:
        """Whether training goes on and this step is one to save, or to freeze for the league."""
        step, every = self._journal.step, (self._config.checkpoint.every, self._config.league.every)
        return step < self._config.steps and any(n and step % n == 0 for n in every)

    def save(self, *, wait: bool) -> None:
        """Save a checkpoint of the last finished step, unless there is one.

        Args:
            wait: whether the learner may take its whole deadline, or checkpoint.stop_s (after
                Ctrl-C).
        """
        step = self._journal.step
        if step in (0, self._saved):
            return
        folder = self._run_dir.versions.folder(step)
        folder.mkdir(parents=True, exist_ok=True)
        self._learner.save(folder, timeout_s=None if wait else self._config.checkpoint.stop_s)
        write_json(folder / "source.json", self._journal.untrained(), overwrite=True)
        self._run_dir.versions.complete(step, {"step": step, "time": time.time()})
        self._saved = step
        self._prune()
        if self._league is not None:
            self._league.refresh()

    def _prune(self) -> None:
        """Remove the optimiser's state from older checkpoints, but not where a rollback leads."""
        back = self._config.promotion.on_worse == "rollback"
        needed = self._run_dir.versions.champion() if back else None
        for version, old in list(self._run_dir.versions.checkpoints().items())[
            : -self._config.checkpoint.keep
        ]:
            if version != needed:
                (old / "optimizer.pt").unlink(missing_ok=True)
