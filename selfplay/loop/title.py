"""Evaluations of a run, and who is its champion."""

from __future__ import annotations

import time
from typing import Any

from selfplay.config.run import RunConfig
from selfplay.display.numbers import unscored_line
from selfplay.gate.gate import Gate
from selfplay.league.training import TrainingLeague
from selfplay.learner.handle import Learner
from selfplay.loop.checkpoints import Checkpoints
from selfplay.loop.evaluate import Evaluator
from selfplay.loop.journal import Journal

BASE = "base"
"""Name of the first evaluation, of the model as it came."""


class Title:
    """Measures the samplers' policy when it is due and has it compared with the champion."""

    def __init__(
        self,
        config: RunConfig,
        *,
        journal: Journal,
        checkpoints: Checkpoints,
        learner: Learner,
        evaluator: Evaluator,
        gate: Gate,
        league: TrainingLeague | None,
    ) -> None:
        self._config = config
        self._run_dir, self._console = journal.run_dir, journal.console
        self._journal = journal
        self._checkpoints = checkpoints
        self._learner = learner
        self._evaluator = evaluator
        self._gate = gate
        self._league = league

    def due(self) -> str | None:
        """Return the name of the evaluation that this step asks for and has not had, if any."""
        every = self._config.eval.every
        if not every or not self._journal.step or self._journal.step % every:
            return None
        name = f"step_{self._journal.step:06d}"
        judged = {row["evaluation"] for row in self._run_dir.promotions.read()}
        return None if name in judged else name

    def evaluate(self, name: str, positions: int, *, training: bool = False) -> bool:
        """Evaluate the samplers' policy, keep the record and compare it with the champion.

        Args:
            name: of the record.
            positions: per suite.
            training: whether training goes on, so that a rollback makes sense.

        Returns:
            Whether the caller must roll back to the champion (config: promotion.on_worse).
        """
        result = self._evaluator.evaluate(
            name,
            step=self._journal.step,
            positions=positions,
            prompts=name == BASE,
            progress=lambda text: self._progress(f"{name} evaluation: {text}"),
        )
        self._run_dir.write_eval(name, result)
        for suite, numbers in result["suites"].items():
            if missing := unscored_line(numbers, f"{name} evaluation, {suite}: "):
                self._console.warn(missing)
        self._journal.board.add_eval(result)
        if self._run_dir.versions.champion() is None:
            self._run_dir.versions.set_champion(0)
        if name != BASE and not training:
            self._gate.measure_champion(
                result,
                self._evaluator,
                lambda text: self._progress(f"evaluation of the champion: {text}"),
            )
        return name != BASE and self._promote(name, result, training=training)

    def _promote(self, name: str, result: dict[str, Any], *, training: bool) -> bool:
        """Compare the evaluated version with the champion; a better one takes its place.

        The row's step is that after the decision: a resumed run that has not rolled back yet
        finds no row, and decides again.
        """
        champion = self._run_dir.versions.champion() or 0
        if self._config.promotion.match:
            self._checkpoints.save(wait=True)
        decision = self._gate.judge(
            result, lambda text: self._progress(f"{name} evaluation: {text}")
        )
        back = decision.worse and training and self._config.promotion.on_worse == "rollback"
        row = {
            "step": self._journal.step + int(back),
            "version": self._journal.step,
            "evaluation": name,
            "against": (self._run_dir.champion_eval() or {}).get("name"),
            "champion": champion,
            "action": "promoted" if decision.promoted else "rolled back" if back else "kept",
        }
        if decision.promoted:
            self._checkpoints.save(wait=True)
        self._run_dir.append_promotion(row | decision.as_dict(), time.time())
        if decision.promoted:
            self._run_dir.versions.set_champion(self._journal.step)
        word = {"promoted": "is champion now", "kept": "is not promoted"}.get(
            str(row["action"]), "is rolled back"
        )
        if self._league is not None:
            self._league.refresh()
        against = f"v{champion:06d}" if champion else "the base model"
        step = self._journal.step
        self._console.note(f"version {step} {word}, against {against}: {decision.reason}")
        return back

    def _progress(self, text: str) -> None:
        self._learner.check()
        self._console.phase(text)
