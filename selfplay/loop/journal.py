"""What a step leaves behind: metrics, rollouts, games, evaluations and checkpoints."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import chess.pgn

from selfplay.config.run import RunConfig
from selfplay.display.console import RunConsole
from selfplay.display.tensorboard import TensorBoardLog
from selfplay.domains.base import Domain, domain_of
from selfplay.domains.mixed import RunSource
from selfplay.gate.gate import Gate
from selfplay.league.training import TrainingLeague, opponent_figures
from selfplay.learner.handle import Learner, Update
from selfplay.loop.buffer import Batch
from selfplay.loop.collect import Collector, rollout_metrics
from selfplay.loop.evaluate import Evaluator
from selfplay.records import Group
from selfplay.rundir.folder import RunDir
from selfplay.rundir.writes import write_json

BASE = "base"
"""Name of the first evaluation, of the model as it came."""

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


class State:
    """The run between two steps: what is done, what is saved, and where it is written."""

    def __init__(
        self,
        config: RunConfig,
        *,
        run_dir: RunDir,
        console: RunConsole,
        board: TensorBoardLog,
        domains: Mapping[str, Domain],
        source: RunSource,
        learner: Learner,
        evaluator: Evaluator,
        gate: Gate,
        league: TrainingLeague | None,
        step: int,
        pad_id: int,
    ) -> None:
        self.config = config
        self.run_dir = run_dir
        self.console = console
        self.step = step
        self.pad_id = pad_id
        self._board = board
        self._domains = domains
        self._source = source
        self._learner = learner
        self._evaluator = evaluator
        self._gate = gate
        self._league = league
        self._figures: dict[int, dict[str, Any]] = {}
        self._games: dict[int, list[chess.pgn.Game]] = {}
        self._before: dict[int, str] = {}
        """Per step that has not trained yet: the state of the tasks before it was sampled."""
        self._saved = step if run_dir.checkpoint_dir(step).exists() else -1

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
                f"step {step}: all {len(groups)} groups met infrastructure errors in the scorers"
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
            "champion": self.run_dir.champion(),
            "completion_tokens": batch.completion_tokens,
            "tokens_per_s": batch.completion_tokens / sampling if sampling else None,
            "refills": batch.refills,
            "infra_errors": batch.infra_errors,
            **{ours: trl.get(theirs) for ours, theirs in _TRL_FIGURES.items()},
            "seconds": {key: round(value, 3) for key, value in batch.seconds.items()},
        }
        games = self._games.pop(batch.step)
        del self._before[batch.step]
        if self._league is not None:
            row |= opponent_figures(games)
        self.step = batch.step
        self.run_dir.append_metrics(row)
        self.run_dir.append_games(games, batch.step)
        self._board.add(row)
        self.console.step(row)
        self._warn_when_dead()
        apart = apart_warning(row)
        if apart:
            self.console.warn(apart)

    def finish_rollback(self, update: Update, dropped: list[Batch], *, wall_s: float) -> None:
        """Record that the learner went back to the champion, which was a step without a batch.

        Args:
            update: what the learner holds now, under a version of its own.
            dropped: batches of the policy that was left, sampled ahead; they never train, and their
                tasks are asked again.
            wall_s: as for `finish_step`.
        """
        self.run_dir.discard_rollouts(batch.step for batch in dropped)
        if self._before:
            self._source.restore(self._untrained())
        for kept in (self._figures, self._games, self._before):
            kept.clear()
        champion = self.run_dir.champion()
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
        self._board.add(row)
        self.console.note(f"version {self.step} has the weights of version {champion} again")
        # At once: a resumed run must not find the policy that was left.
        self.save(wait=True)

    def evaluation_due(self) -> str | None:
        """Return the name of the evaluation that this step asks for and has not had, if any."""
        every = self.config.eval.every
        if not every or not self.step or self.step % every:
            return None
        name = f"step_{self.step:06d}"
        judged = {row["evaluation"] for row in self.run_dir.promotions.read()}
        return None if name in judged else name

    def evaluate(self, name: str, positions: int, *, training: bool = False) -> bool:
        """Evaluate the samplers' policy, keep the record and let it meet the champion.

        Args:
            name: of the record.
            positions: per suite.
            training: whether training goes on, so that a rollback makes sense.

        Returns:
            Whether the caller must roll back to the champion (config: promotion.on_worse).
        """
        result = self._evaluator.evaluate(
            name,
            step=self.step,
            positions=positions,
            prompts=self.config.eval.base_prompts if name == BASE else (),
            progress=lambda text: self._progress(f"{name} evaluation: {text}"),
        )
        self.run_dir.write_eval(name, result)
        self._board.add_eval(result)
        if self.run_dir.champion() is None:
            self.run_dir.set_champion(0)
        if name != BASE and not training:
            self._gate.measure_champion(
                result,
                self._evaluator,
                lambda text: self._progress(f"evaluation of the champion: {text}"),
            )
        return name != BASE and self._promote(name, result, training=training)

    def _promote(self, name: str, result: dict[str, Any], *, training: bool) -> bool:
        """Let the evaluated version meet the champion; a better one takes its place.

        The row's step is that behind the decision: a resumed run that has not rolled back yet
        finds no row, and decides again.
        """
        champion = self.run_dir.champion() or 0
        if self.config.promotion.match:
            self.save(wait=True)
        decision = self._gate.judge(
            result, lambda text: self._progress(f"{name} evaluation: {text}")
        )
        back = decision.worse and training and self.config.promotion.on_worse == "rollback"
        row = {
            "step": self.step + int(back),
            "version": self.step,
            "evaluation": name,
            "against": (self.run_dir.champion_eval() or {}).get("name"),
            "champion": champion,
            "action": "promoted" if decision.promoted else "rolled back" if back else "kept",
        }
        if decision.promoted:
            self.save(wait=True)
        self.run_dir.append_promotion(row | decision.as_dict(), time.time())
        if decision.promoted:
            self.run_dir.set_champion(self.step)
        word = {"promoted": "is champion now", "kept": "is not promoted"}.get(
            str(row["action"]), "is left"
        )
        self._refresh_league()
        against = f"v{champion:06d}" if champion else "the base model"
        self.console.note(f"version {self.step} {word}, against {against}: {decision.reason}")
        return back

    def _progress(self, text: str) -> None:
        self._learner.check()
        self.console.phase(text)

    def save_due(self) -> bool:
        """Whether training goes on and this step is one to save, or to freeze for the league."""
        every = (self.config.checkpoint.every, self.config.league.every)
        return self.step < self.config.steps and any(n and self.step % n == 0 for n in every)

    def save(self, *, wait: bool) -> None:
        """Save a checkpoint of the last finished step, unless there is one.

        Args:
            wait: whether the learner may take its whole deadline, or checkpoint.stop_s (behind
                Ctrl-C).
        """
        if self._saved == self.step or self.step == 0:
            return
        folder = self.run_dir.checkpoint_dir(self.step)
        folder.mkdir(parents=True, exist_ok=True)
        self._learner.save(folder, timeout_s=None if wait else self.config.checkpoint.stop_s)
        write_json(folder / "source.json", self._untrained(), overwrite=True)
        self.run_dir.complete_checkpoint(self.step, {"step": self.step, "time": time.time()})
        self._saved = self.step
        self._prune()
        self._refresh_league()

    def _untrained(self) -> dict[str, Any]:
        """Return the state of the tasks before the first that has not trained was asked."""
        if not self._before:
            return self._source.state()
        state: dict[str, Any] = json.loads(self._before[min(self._before)])
        return state

    def _refresh_league(self) -> None:
        if self._league is not None:
            self._league.refresh()

    def _prune(self) -> None:
        """Remove the optimiser's state from older checkpoints, but not where a rollback leads."""
        back = self.config.promotion.on_worse == "rollback"
        needed = self.run_dir.champion() if back else None
        for version, old in list(self.run_dir.checkpoints().items())[
            : -self.config.checkpoint.keep
        ]:
            if version != needed:
                (old / "optimizer.pt").unlink(missing_ok=True)

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
            told = self._domains[domain_of(group.task)].told(group.task)
            lines.append(f"{told} -> {rollout.text.strip()!r} ({verdict})")
        return lines
