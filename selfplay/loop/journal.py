"""What a step leaves in the run folder and on the console: metrics, rollouts, games, warnings."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from selfplay.config.run import RunConfig
from selfplay.display.console import RunConsole
from selfplay.display.tensorboard import TensorBoardLog
from selfplay.domains.made import Domains
from selfplay.domains.mixed import RunSource
from selfplay.league.training import opponent_metrics
from selfplay.learner.handle import Update
from selfplay.loop.buffer import Batch
from selfplay.loop.collect import Collector, rollout_metrics
from selfplay.records import FinishedGame, Group
from selfplay.rundir.folder import RunDir

SPREAD_ALARM = 0.05
"""Below this share of groups with spread, over ten steps, the run has stopped learning."""

MISMATCH_ALARM = 0.2
"""Nats per token between sampler and learner on one version; a few hundredths are rounding."""
_TRL_FIGURES = {
    "entropy": "entropy",
    "entropy_coef": "entropy_coef",
    "clip_low": "clip_ratio/low_mean",
    "clip_high": "clip_ratio/high_mean",
    "loss": "loss",
    "grad_norm": "grad_norm",
    "lr": "lr",
    "mismatch_mean": "mismatch_mean",
    "mismatch_max": "mismatch_max",
    "importance_mean": "importance_mean",
}
"""Our names of what the learner reports."""


def apart_warning(row: Mapping[str, Any]) -> str | None:
    """Return what to say where sampler and learner disagree though they hold the same version."""
    apart = row["mismatch_mean"]
    if row["staleness"] or apart is None or apart <= MISMATCH_ALARM:
        return None
    return (
        f"step {row['step']}: sampler and learner hold the same version and their log-probs "
        f"differ by {apart:.2f} nats per token (mismatch_mean); set learner.dtype=float32 and "
        "sampler.dtype=float32"
    )


class Journal:
    """The steps of a run: which is the last that trained, and what is written of each."""

    def __init__(
        self,
        config: RunConfig,
        *,
        run_dir: RunDir,
        console: RunConsole,
        board: TensorBoardLog,
        domains: Domains,
        source: RunSource,
        step: int,
    ) -> None:
        self._config = config
        self.run_dir = run_dir
        self.console = console
        self.step = step
        """The last step that trained, which is the policy's version too."""
        self.board = board
        self._domains = domains
        self._source = source
        self._figures: dict[int, dict[str, Any]] = {}
        self._games: dict[int, list[FinishedGame]] = {}
        self._before: dict[int, str] = {}
        """Per step that has not trained yet: the state of the tasks before it was sampled."""

    def trained_seconds(self) -> float:
        """Return the training time that a resumed run has had already."""
        rows = self.run_dir.read_metrics()
        return float(rows[-1].get("wall_s") or 0.0) if rows else 0.0

    def collect(self, collector: Collector, step: int) -> Batch:
        """Collect the batch of `step` and write its rollouts before anything trains on them.

        What the tasks were before is kept until the step has trained: a checkpoint that is saved
        earlier holds that state, so that a resume asks them again, and each once.
        """
        self._before[step] = json.dumps(self._source.state())
        batch, groups = collector.collect(step)
        if not batch.groups:
            raise RuntimeError(
                f"step {step}: all {len(groups)} groups had infrastructure errors in the scorers"
            )
        self.run_dir.write_rollouts(step, groups)
        self._figures[step] = rollout_metrics(groups, self._domains, self._source)
        self._games[step] = self._source.finished()
        self.console.sample(self._samples(groups))
        return batch

    def finish_step(self, batch: Batch, update: Update, *, wall_s: float) -> None:
        """Record a finished step."""
        trl = update.metrics
        sampling = batch.seconds["sample"]
        row: dict[str, Any] = {
            "step": batch.step,
            "version": update.version,
            "time": time.time(),
            "wall_s": wall_s,
            **self._figures.pop(batch.step),
            "staleness": update.version - 1 - batch.version,
            "champion": self.run_dir.versions.champion(),
            "completion_tokens": batch.completion_tokens,
            "tokens_per_s": batch.completion_tokens / sampling if sampling else None,
            "refills": batch.refills,
            "infra_errors": batch.infra_errors,
            **{ours: trl.get(theirs) for ours, theirs in _TRL_FIGURES.items()},
            "seconds": {key: round(value, 3) for key, value in batch.seconds.items()},
        }
        games = self._games.pop(batch.step)
        del self._before[batch.step]
        if self._config.league.opponents != "none":
            row |= opponent_metrics(games)
        self.step = batch.step
        self.run_dir.append_metrics(row)
        self.run_dir.append_games(games, batch.step)
        self.board.add(row)
        self.console.step(row)
        self._warn_when_dead()
        apart = apart_warning(row)
        if apart:
            self.console.warn(apart)

    def finish_rollback(self, update: Update, dropped: list[Batch], *, wall_s: float) -> None:
        """Record that the learner went back to the champion, which was a step without a batch.

        Args:
            update: what the learner holds now, under a version of its own.
            dropped: batches of the policy given up, sampled ahead; they never train, and their
                tasks are asked again.
            wall_s: as for `finish_step`.
        """
        self.run_dir.set_aside_rollouts(batch.step for batch in dropped)
        if self._before:
            self._source.restore(self.untrained())
        for kept in (self._figures, self._games, self._before):
            kept.clear()
        champion = self.run_dir.versions.champion()
        row = {
            "step": update.version,
            "version": update.version,
            "time": time.time(),
            "wall_s": wall_s,
            "champion": champion,
            "rolled_back_to": champion,
            "lr": update.metrics["lr"],
        }
        self.step = update.version
        self.run_dir.append_metrics(row)
        self.board.add(row)
        self.console.note(f"version {self.step} has the weights of version {champion} again")

    def untrained(self) -> dict[str, Any]:
        """Return the state of the tasks before the first that has not trained was asked."""
        if not self._before:
            return self._source.state()
        state: dict[str, Any] = json.loads(self._before[min(self._before)])
        return state

    def _warn_when_dead(self) -> None:
        if self.step % 10:
            return
        rows = self.run_dir.read_metrics()[-10:]
        shares = [r["groups_with_spread"] for r in rows if r.get("groups_with_spread") is not None]
        if len(shares) == 10 and sum(shares) / 10 < SPREAD_ALARM:
            self.console.warn(
                f"the run has stopped learning: {sum(shares) / 10:.0%} of the groups had spread in "
                "the last ten steps; raise learner.entropy_target or lower learner.lr"
            )

    def _samples(self, groups: list[Group]) -> list[str]:
        """Return two lines for the console: what was asked and what was answered."""
        lines = []
        for group in groups[:2]:
            rollout = group.rollouts[0]
            result = rollout.result
            verdict = f"{result.verdict} {result.value:.2f}" if result else "unscored"
            asked = self._domains.of(group.task).message(group.task)
            lines.append(f"{asked} -> {rollout.text.strip()!r} ({verdict})")
        return lines
