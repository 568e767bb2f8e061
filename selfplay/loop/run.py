"""The loop: sample, score, learn, publish, again and again. Read `run` from top to bottom."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from envs.errors import InputError
from selfplay.cluster.session import ray_session
from selfplay.config.run import RunConfig
from selfplay.display.console import RunConsole
from selfplay.display.tensorboard import TensorBoardLog
from selfplay.gate.gate import Gate
from selfplay.learner.handle import Learner
from selfplay.loop.buffer import Batch, RolloutBuffer
from selfplay.loop.collect import Collector
from selfplay.loop.evaluate import Evaluator
from selfplay.loop.interrupt import Interrupt, interruptible
from selfplay.loop.journal import State
from selfplay.loop.readiness import Ready, prepare
from selfplay.models.memory import PeakMemory
from selfplay.report import build_report
from selfplay.report.summary import build_summary
from selfplay.rundir.checksums import seal
from selfplay.rundir.folder import RunDir
from selfplay.sampler.engines import SampleRequest
from selfplay.sampler.pool import SamplerPool
from selfplay.scorer.pool import ScorerPool

MOST_APART = 0.1
"""Nats per token between sampler and learner at the start; rounding to bfloat16 is a few
hundredths."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loop works with."""

    learner: Learner
    samplers: SamplerPool
    scorers: ScorerPool
    collector: Collector
    state: State
    base: str
    """The model that the run began with: version 0."""

    def note_placement(self) -> None:
        """Write to the manifest who runs where, and who was lost."""
        events = [*self.learner.events, *self.samplers.events, *self.scorers.events]
        self.state.run_dir.write_placement(sorted(events, key=lambda row: row["time"]))


@dataclass(frozen=True, slots=True)
class Actors:
    """Who learns, samples and scores."""

    learner: Learner
    samplers: SamplerPool
    scorers: ScorerPool

    def wait_ready(self, console: RunConsole) -> None:
        """Wait until all have loaded; what cannot, says so here."""
        console.phase("waiting for models and engines")
        self.learner.wait_ready()
        self.samplers.wait_started()
        self.scorers.wait_started()


def run(config: RunConfig, run_dir: RunDir, console: RunConsole, resume: bool) -> int:
    """Run or resume a self-improvement run; returns the exit code (130 behind Ctrl-C).

    Whatever happens, the state up to the last finished step is saved or was saved, and no process
    of ours is left.
    """
    with ExitStack() as stack:
        memory = stack.enter_context(PeakMemory())
        interrupt = stack.enter_context(interruptible())
        checkpoint = run_dir.latest_checkpoint() if resume else None
        step = step_of(checkpoint)
        console.phase("checking what the run needs")
        ready = prepare(config, run_dir, checkpoint, stack)
        console.start(config, step if checkpoint else None)
        actors = start_actors(ready, run_dir, console, checkpoint, stack)
        if resume:
            actors.wait_ready(console)
            go_back(config, run_dir, console, step)
        parts = assemble(ready, actors, run_dir, console, checkpoint, stack)
        state, status = parts.state, "failed"
        try:
            if "base" not in run_dir.read_evals():
                state.evaluate("base", config.eval.positions)
            if not resume:
                console.phase("waiting for the learner")
                parts.learner.wait_ready()
            parts.note_placement()
            refuse_apart(ready, parts)
            status = train(config, parts, interrupt)
            if status == "finished":
                state.save(wait=True)
                # The weights published last die with the learner, whose memory is free while the
                # final evaluation runs; a sampler that is replaced loads what was saved.
                parts.samplers.start_from(str(run_dir.checkpoint_dir(state.step)))
                parts.learner.stop()
                state.evaluate("final", config.eval.positions)
        except KeyboardInterrupt:
            status = "stopped"
        finally:
            if status == "stopped":
                console.phase("saving")
                state.save(wait=False)
            parts.note_placement()
            seconds = time.time() - psutil.Process().create_time()
            summary = build_summary(
                run_dir, status=status, wall_seconds=seconds, peak_memory_bytes=memory.peak_bytes
            )
            run_dir.write_summary(summary)
            build_report(run_dir)
            seal(run_dir.path)
        console.finish(summary)
    return 0 if status == "finished" else 130


def refuse_apart(ready: Ready, parts: Parts) -> None:
    """Raise InputError where the learner computes other probabilities than the sampler drew from.

    Asked of the run's own weights, on its first prompt; readiness.py has asked the family.
    """
    config = ready.config
    request = SampleRequest(
        prompt_ids=ready.first_prompt,
        n=min(config.group_size, 4),
        max_tokens=min(config.max_tokens, 16),
        stop="eos",
        temperature=config.sampler.temperature,
        seed=config.seed,
    )
    [samples] = parts.samplers.sample([request])
    gaps = parts.learner.compare(request, samples, parts.state.pad_id)
    if max(gaps.values()) > MOST_APART:
        told = ", ".join(f"the {who} by {gap:.2g}" for who, gap in gaps.items())
        raise InputError(
            f"model: {config.model}: log-probs of one version differ from the sampler's, {told} "
            f"nats per token ({MOST_APART} at most); set learner.dtype=float32 and "
            "sampler.dtype=float32"
        )


def step_of(checkpoint: Path | None) -> int:
    """Return the step behind which a checkpoint was saved; 0 for none, the model begun with."""
    return int(checkpoint.name[1:]) if checkpoint else 0


def go_back(config: RunConfig, run_dir: RunDir, console: RunConsole, step: int) -> None:
    """Bring a run's folder back to `step`: the first that a resume writes, when all else has held.

    What has started by then has loaded the checkpoint, so nothing that can be refused is left.
    """
    if config != run_dir.config():
        run_dir.replace_config(config)
    for moved in run_dir.discard_after(step):
        console.warn(f"set aside, will be done again: {moved}")


def start_actors(
    ready: Ready,
    run_dir: RunDir,
    console: RunConsole,
    checkpoint: Path | None,
    stack: ExitStack,
) -> Actors:
    """Start Ray, or join it, and on it who learns, samples and scores; `stack` ends them."""
    config = ready.config
    console.phase("starting Ray")
    placement = stack.enter_context(ray_session(config))
    for line in placement.told:
        console.note(line)
    console.phase("loading models, starting engines")
    learner = Learner(
        config,
        model=ready.model,
        base=ready.base,
        resume=checkpoint,
        work_dir=run_dir.path / "logs" / "learner",
        gpus=placement.learner_gpus,
    )
    stack.callback(learner.stop)
    samplers = SamplerPool(config, ready.model, step_of(checkpoint), placement.sampler_gpus)
    stack.callback(samplers.close)
    scorers = ScorerPool(config, ready.domains)
    stack.callback(scorers.close)
    return Actors(learner, samplers, scorers)


def assemble(
    ready: Ready,
    actors: Actors,
    run_dir: RunDir,
    console: RunConsole,
    checkpoint: Path | None,
    stack: ExitStack,
) -> Parts:
    """Put together what the loop works with; `stack` closes it."""
    step, config, league = step_of(checkpoint), ready.config, ready.league
    learner, samplers, scorers = actors.learner, actors.samplers, actors.scorers
    board = TensorBoardLog(run_dir.path / "tb", step if checkpoint else None)
    stack.callback(board.close)
    scoring = {key: value for d in ready.domains.values() for key, value in d.identity().items()}
    run_dir.write_manifest(scoring, {"run": config.seed}, step if checkpoint else None)
    asks: dict[str, Any] = {
        "samplers": samplers,
        "tokenizer": ready.tokenizer,
        "context": ready.context,
    }
    collector = Collector(
        config, domains=ready.domains, source=ready.source, scorers=scorers, **asks
    )
    if league is not None:
        league.attach(samplers, ready.tokenizer, ready.context)
        league.refresh()
    state = State(
        config,
        run_dir=run_dir,
        console=console,
        board=board,
        domains=ready.domains,
        source=ready.source,
        learner=learner,
        evaluator=Evaluator(config, **asks),
        gate=Gate(config, run_dir=run_dir, base=ready.base, **asks),
        league=league,
        step=step,
        pad_id=int(ready.tokenizer.pad_token_id),
    )
    return Parts(learner, samplers, scorers, collector, state, ready.base)


def train(config: RunConfig, parts: Parts, interrupt: Interrupt) -> str:
    """Go through the steps that are left; return `finished` or `stopped`."""
    learner, samplers, collector, state = (
        parts.learner,
        parts.samplers,
        parts.collector,
        parts.state,
    )
    buffer = RolloutBuffer(config.max_staleness)
    collected = state.step
    began = time.monotonic() - state.trained_seconds()
    while state.step < config.steps:
        if config.max_minutes and time.monotonic() - began >= 60 * config.max_minutes:
            state.console.out_of_time(state.step)
            break
        due = state.evaluation_due()
        if due and state.evaluate(due, config.eval.every_positions, training=True):
            with interrupt.held_back():
                roll_back(parts, buffer.clear(), wall_s=time.monotonic() - began)
            collected = state.step
            if interrupt.asked:
                return "stopped"
            continue
        step_start = time.monotonic()
        state.console.phase(f"step {state.step + 1}/{config.steps}")
        if not len(buffer):
            collected += 1
            buffer.put(state.collect(collector, collected))
        batch = buffer.take(state.step)
        with interrupt.held_back():
            limit_s = 60 * (config.max_minutes or 0)
            time_gone = (time.monotonic() - began) / limit_s if limit_s else 0.0
            learner.submit(batch.groups, state.pad_id, time_gone)
            # With staleness allowed, the samplers work on while the learner does.
            while collected < config.steps and buffer.may_sample(
                samplers.version, state.step, training=True
            ):
                collected += 1
                buffer.put(state.collect(collector, collected))
            learn_start = time.monotonic()
            update = learner.wait(batch.step)
            publish_start = time.monotonic()
            samplers.update_weights(update.version, update.weights)
            done = time.monotonic()
            batch.seconds["learn"] = publish_start - learn_start
            batch.seconds["publish"] = done - publish_start
            batch.seconds["wait"] = max(0.0, done - step_start - sum(batch.seconds.values()))
            batch.seconds["total"] = done - step_start
            state.finish_step(batch, update, wall_s=done - began)
            parts.note_placement()
        if interrupt.asked:
            return "stopped"
        if state.save_due():
            state.save(wait=True)
    return "finished"


def roll_back(parts: Parts, dropped: list[Batch], *, wall_s: float) -> None:
    """Go on from the champion: learner, optimiser and samplers, as a step of its own.

    `dropped` are batches that the policy which is left had sampled ahead.
    """
    run_dir, state = parts.state.run_dir, parts.state
    champion = run_dir.champion() or 0
    state.console.phase(f"going back to version {champion}")
    update = parts.learner.restore(
        run_dir.model_of(champion, parts.base),
        run_dir.checkpoint_dir(champion) if champion else None,
    )
    parts.samplers.update_weights(update.version, update.weights)
    state.finish_rollback(update, dropped, wall_s=wall_s)


__all__ = ["Actors", "Parts", "assemble", "roll_back", "run", "start_actors", "train"]
