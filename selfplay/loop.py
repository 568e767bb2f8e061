"""The loop: sample, score, learn, publish, again and again. Read `run` from top to bottom."""

from __future__ import annotations

import json
import logging
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Any

import psutil

from envs.chess.games import GamePool
from envs.chess.openings import balanced_opening
from envs.chess.sources import TaskSource
from envs.chess.suites import heldout_keys
from selfplay.atomic import write_json
from selfplay.buffer import Batch, RolloutBuffer
from selfplay.cluster import PeakMemory, ray_session
from selfplay.collect import Collector, rollout_metrics
from selfplay.config import RunConfig
from selfplay.console import RunConsole
from selfplay.evaluate import Evaluator, model_context
from selfplay.learner import Learner, Update
from selfplay.models import load_tokenizer
from selfplay.records import Group
from selfplay.report import build_report
from selfplay.rundir import RunDir
from selfplay.sampling import SamplerPool
from selfplay.scoring import ScorerPool, make_scorer
from selfplay.summary import build_summary
from selfplay.tb import TensorBoardLog

log = logging.getLogger(__name__)
SPREAD_ALARM = 0.05
"""Below this share of groups with spread, over ten steps, the run has stopped learning."""


def run(config: RunConfig, run_dir: RunDir, console: RunConsole, resume: bool) -> int:
    """Run or resume a self-improvement run; returns the exit code (130 behind Ctrl-C).

    Whatever happens, the state up to the last finished step is saved or was saved, and no process
    of ours is left.
    """
    with ExitStack() as stack:
        memory = stack.enter_context(PeakMemory())
        interrupt = stack.enter_context(_interruptible())
        checkpoint = run_dir.latest_checkpoint() if resume else None
        step = int(checkpoint.name[1:]) if checkpoint else 0
        if resume:
            for moved in run_dir.discard_after(step):
                console.warn(f"set aside, will be done again: {moved}")
        console.start(config, step if checkpoint else None)
        console.phase("starting Ray")
        placement = stack.enter_context(ray_session(config))
        console.phase("loading models, starting engines")
        model = str(checkpoint) if checkpoint else config.model
        learner = Learner(
            config,
            model=model,
            resume=checkpoint,
            work_dir=run_dir.path / "logs" / "learner",
            gpus=placement.learner_gpus,
        )
        stack.callback(learner.stop)
        samplers = SamplerPool(config, model, step, placement.sampler_gpus)
        stack.callback(samplers.close)
        scorers = ScorerPool(config)
        stack.callback(scorers.close)
        board = TensorBoardLog(run_dir.path / "tb", step if checkpoint else None)
        stack.callback(board.close)
        screener = stack.enter_context(make_scorer(config))
        run_dir.write_manifest(
            asdict(screener.identity), {"run": config.seed}, step if checkpoint else None
        )
        tokenizer = load_tokenizer(model)
        context = model_context(model)
        source = task_source(config, screener)
        if checkpoint:
            source.restore(json.loads((checkpoint / "source.json").read_text()))
        collector = Collector(
            config,
            source=source,
            samplers=samplers,
            scorers=scorers,
            tokenizer=tokenizer,
            context=context,
        )
        evaluator = Evaluator(config, samplers=samplers, tokenizer=tokenizer, context=context)
        state = _State(config, run_dir, console, board, source, learner, evaluator, step)
        status = "failed"
        try:
            if "base" not in run_dir.read_evals():
                state.evaluate("base", config.eval.positions)
            console.phase("waiting for the learner")
            learner.wait_ready()
            status = train(config, state, collector, samplers, learner, interrupt)
            if status == "finished":
                state.save(wait=True)
                learner.stop()  # its memory is free while the final evaluation runs
                state.evaluate("final", config.eval.positions)
        except KeyboardInterrupt:
            status = "stopped"
        finally:
            if status != "failed":
                console.phase("saving")
                state.save(wait=status == "finished")
            seconds = time.time() - psutil.Process().create_time()
            summary = build_summary(
                run_dir, status=status, wall_seconds=seconds, peak_rss_bytes=memory.peak_bytes
            )
            run_dir.write_summary(summary)
            build_report(run_dir)
        console.finish(summary)
    return 0 if status == "finished" else 130


def train(
    config: RunConfig,
    state: _State,
    collector: Collector,
    samplers: SamplerPool,
    learner: Learner,
    interrupt: _Interrupt,
) -> str:
    """Go through the steps that are left; return `finished` or `stopped`."""
    buffer = RolloutBuffer(config.max_staleness)
    collected = state.step
    began = time.monotonic() - state.trained_seconds()
    while state.step < config.steps:
        step_start = time.monotonic()
        state.console.phase(f"step {state.step + 1}/{config.steps}")
        if not len(buffer):
            collected += 1
            buffer.put(state.collect(collector, collected))
        batch = buffer.take(state.step)
        with interrupt.held_back():
            learn_start = time.monotonic()
            learner.submit(batch.groups, state.pad_id)
            # With staleness allowed, the samplers work on while the learner does.
            while collected < config.steps and buffer.may_sample(
                samplers.version, state.step, training=True
            ):
                collected += 1
                buffer.put(state.collect(collector, collected))
            wait_start = time.monotonic()
            update = learner.wait(batch.step)
            batch.seconds["learn"] = time.monotonic() - learn_start
            batch.seconds["wait"] = time.monotonic() - wait_start
            publish_start = time.monotonic()
            samplers.update_weights(update.version, update.weights)
            batch.seconds["publish"] = time.monotonic() - publish_start
            batch.seconds["total"] = time.monotonic() - step_start
            state.finish_step(batch, update, wall_s=time.monotonic() - began)
        if interrupt.asked:
            return "stopped"
        if config.max_minutes and time.monotonic() - began >= 60 * config.max_minutes:
            break
        if state.step < config.steps:
            if config.eval.every and state.step % config.eval.every == 0:
                state.evaluate(f"step_{state.step:06d}", config.eval.every_positions)
            if state.step % config.checkpoint.every == 0:
                state.save(wait=True)
    return "finished"


class _State:
    """What a step leaves behind: metrics, rollouts, games, evaluations and checkpoints."""

    def __init__(
        self,
        config: RunConfig,
        run_dir: RunDir,
        console: RunConsole,
        board: TensorBoardLog,
        source: TaskSource,
        learner: Learner,
        evaluator: Evaluator,
        step: int,
    ) -> None:
        self.config = config
        self.run_dir = run_dir
        self.console = console
        self.step = step
        self.pad_id = int(load_tokenizer(config.model).pad_token_id or 0)
        self._board = board
        self._source = source
        self._learner = learner
        self._evaluator = evaluator
        self._figures: dict[int, dict[str, Any]] = {}
        self._saved = step if run_dir.checkpoint_dir(step).exists() else -1

    def trained_seconds(self) -> float:
        """Return the training time that a resumed run has had already."""
        rows = self.run_dir.read_metrics()
        return float(rows[-1].get("wall_s") or 0.0) if rows else 0.0

    def collect(self, collector: Collector, step: int) -> Batch:
        """Collect the batch of `step` and write its rollouts before anything trains on them."""
        batch, groups = collector.collect(step)
        if not batch.groups:
            raise RuntimeError(
                f"step {step}: all {len(groups)} groups met infrastructure errors in the scorers"
            )
        self.run_dir.write_rollouts(step, groups)
        self._figures[step] = rollout_metrics(groups)
        self.console.sample(_samples(groups))
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
            "completion_tokens": batch.completion_tokens,
            "tokens_per_s": batch.completion_tokens / sampling if sampling else None,
            "refills": batch.refills,
            "infra_errors": batch.infra_errors,
            "entropy": trl.get("entropy"),
            "entropy_coef": trl.get("entropy_coef"),
            "clip_low": trl.get("clip_ratio/low_mean"),
            "clip_high": trl.get("clip_ratio/high_mean"),
            **{
                key: trl.get(key)
                for key in (
                    "loss",
                    "grad_norm",
                    "lr",
                    "mismatch_mean",
                    "mismatch_max",
                    "importance_mean",
                )
            },
            "seconds": {key: round(value, 3) for key, value in batch.seconds.items()},
        }
        self.step = batch.step
        self.run_dir.append_metrics(row)
        self.run_dir.append_games(self._source.finished(), batch.step)
        self._board.add(row)
        self.console.step(row)
        self._warn_when_dead()

    def evaluate(self, name: str, positions: int) -> None:
        """Evaluate the samplers' policy and keep the record."""
        result = self._evaluator.evaluate(
            name,
            step=self.step,
            positions=positions,
            progress=lambda text: self.console.phase(f"{name} evaluation: {text}"),
        )
        self.run_dir.write_eval(name, result)
        self._board.add_eval(result)

    def save(self, *, wait: bool) -> None:
        """Save a checkpoint of the last finished step, unless there is one.

        Args:
            wait: whether the learner may take its whole deadline, or a few seconds (behind Ctrl-C).
        """
        if self._saved == self.step or self.step == 0:
            return
        folder = self.run_dir.checkpoint_dir(self.step)
        folder.mkdir(parents=True, exist_ok=True)
        self._learner.save(folder, timeout_s=None if wait else 12.0)
        write_json(folder / "source.json", self._source.state(), overwrite=True)
        self.run_dir.complete_checkpoint(self.step, {"step": self.step, "time": time.time()})
        self.run_dir.set_champion(self.step)
        self._saved = self.step
        for old in list(self.run_dir.checkpoints().values())[: -self.config.checkpoint.keep]:
            (old / "optimizer.pt").unlink(missing_ok=True)

    def _warn_when_dead(self) -> None:
        rows = self.run_dir.read_metrics()[-10:]
        shares = [r["groups_with_spread"] for r in rows if r.get("groups_with_spread") is not None]
        if self.step % 10 == 0 and len(shares) == 10 and sum(shares) / 10 < SPREAD_ALARM:
            self.console.warn(
                f"the run has stopped learning: {sum(shares) / 10:.0%} of the groups had spread in "
                "the last ten steps; raise learner.entropy_target or lower learner.lr"
            )


def task_source(config: RunConfig, screener: Any) -> TaskSource:
    """Return the tasks of the run: self-play games from balanced openings, and files."""
    chess = config.chess
    exclude = heldout_keys()
    pool = GamePool(
        chess.boards,
        config.seed,
        lambda rng: balanced_opening(
            rng, chess.random_opening_plies, screener.win_probability, chess.opening_max_win_gap
        ),
        chess.max_plies,
        chess.random_move_prob,
        chess.random_when_illegal,
        (config.name, config.name),
        exclude=exclude,
    )
    return TaskSource.open(
        {str(name): share for name, share in chess.sources.items()},
        seed=config.seed,
        pool=pool,
        puzzles=chess.puzzles,
        epd=chess.epd,
        pgn=chess.pgn,
        exclude=exclude,
    )


class _Interrupt:
    """Ctrl-C: at once where nothing is lost, behind the running update otherwise."""

    def __init__(self) -> None:
        self.asked = False
        self._held = False

    def signal(self, *_: object) -> None:
        again, self.asked = self.asked, True
        if again or not self._held:
            raise KeyboardInterrupt

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Let the block finish when Ctrl-C comes; a second one ends it all the same."""
        self._held = True
        try:
            yield
        finally:
            self._held = False


@contextmanager
def _interruptible() -> Iterator[_Interrupt]:
    """Take over SIGINT and SIGTERM while the run lasts."""
    interrupt = _Interrupt()
    before = {s: signal.signal(s, interrupt.signal) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _samples(groups: list[Group]) -> list[str]:
    """Return two lines for the console: what was asked and what was answered."""
    lines = []
    for group in groups[:2]:
        rollout = group.rollouts[0]
        result = rollout.result
        verdict = f"{result.verdict} {result.value:.2f}" if result else "unscored"
        lines.append(f"{group.task.payload['fen']} -> {rollout.text.strip()!r} ({verdict})")
    return lines


__all__ = ["run", "task_source", "train"]
