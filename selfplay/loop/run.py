"""The loop: sample, score, learn, publish, again and again. Read it from top to bottom."""

from __future__ import annotations

import time
from contextlib import ExitStack

import psutil

from selfplay.config.run import RunConfig
from selfplay.display.console import RunConsole
from selfplay.loop.buffer import Batch, RolloutBuffer
from selfplay.loop.interrupt import Interrupt, interruptible
from selfplay.loop.parts import Parts, assemble, refuse_apart, start_actors, step_of
from selfplay.loop.readiness import prepare
from selfplay.models.memory import PeakMemory
from selfplay.report import build_report
from selfplay.report.summary import build_summary
from selfplay.rundir.checksums import seal
from selfplay.rundir.folder import RunDir


def run(config: RunConfig, run_dir: RunDir, console: RunConsole, resume: bool) -> int:
    """Run or resume a self-improvement run; returns the exit code (130 after Ctrl-C).

    Whatever happens, the state up to the last finished step is saved or was saved, and no process
    of ours remains.
    """
    with ExitStack() as stack:
        memory = stack.enter_context(PeakMemory())
        interrupt = stack.enter_context(interruptible())
        checkpoint = run_dir.versions.latest() if resume else None
        step = step_of(checkpoint)
        console.phase("checking what the run needs")
        ready = prepare(config, run_dir, checkpoint, stack)
        console.start(config, step if checkpoint else None)
        actors = start_actors(ready, run_dir, console, checkpoint, stack)
        if resume:
            actors.wait_ready(console)
            go_back(config, run_dir, console, step)
        parts = assemble(ready, actors, run_dir, console, checkpoint, stack)
        status = "failed"
        try:
            if "base" not in run_dir.read_evals():
                parts.title.evaluate("base", config.eval.positions)
            if not resume:
                console.phase("waiting for the learner")
                parts.learner.wait_ready()
            parts.note_placement()
            refuse_apart(ready, parts)
            status = train(config, parts, interrupt)
            if status == "finished":
                parts.checkpoints.save(wait=True)
                # The weights published last die with the learner, whose memory is free while the
                # final evaluation runs; a sampler that is replaced loads what was saved.
                parts.samplers.start_from(str(run_dir.versions.folder(parts.journal.step)))
                parts.learner.stop()
                parts.title.evaluate("final", config.eval.positions)
        except KeyboardInterrupt:
            status = "stopped"
        finally:
            if status == "stopped":
                console.phase("saving")
                parts.checkpoints.save(wait=False)
            parts.note_placement()
            seconds = time.time() - psutil.Process().create_time()
            summary = build_summary(
                run_dir, status=status, wall_seconds=seconds, peak_memory_bytes=memory.peak_bytes
            )
            run_dir.write_summary(summary)
            build_report(run_dir)
            seal(run_dir.path)
        console.finish(summary, run_dir.read_evals())
    return 0 if status == "finished" else 130


def go_back(config: RunConfig, run_dir: RunDir, console: RunConsole, step: int) -> None:
    """Bring a run's folder back to `step`: the first that a resume writes, when all else has held.

    What has started by then has loaded the checkpoint, so nothing remains that can be refused.
    """
    if config != run_dir.config():
        run_dir.replace_config(config)
    for moved in run_dir.set_aside_after(step):
        console.warn(f"set aside, will be done again: {moved}")


def train(config: RunConfig, parts: Parts, interrupt: Interrupt) -> str:
    """Go through the remaining steps; return `finished` or `stopped`."""
    journal, samplers = parts.journal, parts.samplers
    buffer = RolloutBuffer(config.max_staleness)
    collected = journal.step
    began = time.monotonic() - journal.trained_seconds()
    limit_s = 60 * (config.max_minutes or 0)
    while journal.step < config.steps:
        if limit_s and time.monotonic() - began >= limit_s:
            journal.console.out_of_time(journal.step)
            break
        due = parts.title.due()
        if due and parts.title.evaluate(due, config.eval.every_positions, training=True):
            with interrupt.held_back():
                roll_back(parts, buffer.clear(), wall_s=time.monotonic() - began)
            collected = journal.step
            if interrupt.asked:
                return "stopped"
            continue
        step_start = time.monotonic()
        journal.console.phase(f"step {journal.step + 1}/{config.steps}")
        if not len(buffer):
            collected += 1
            buffer.put(journal.collect(parts.collector, collected))
        batch = buffer.take(journal.step)
        with interrupt.held_back():
            time_gone = (time.monotonic() - began) / limit_s if limit_s else 0.0
            parts.learner.submit(batch.groups, parts.pad_id, time_gone)
            # With staleness allowed, the samplers work on while the learner does.
            while collected < config.steps and buffer.may_sample(
                samplers.version, journal.step, training=True
            ):
                collected += 1
                buffer.put(journal.collect(parts.collector, collected))
            learn_start = time.monotonic()
            update = parts.learner.wait(batch.step)
            publish_start = time.monotonic()
            samplers.update_weights(update.version, update.weights)
            done = time.monotonic()
            batch.seconds["learn"] = publish_start - learn_start
            batch.seconds["publish"] = done - publish_start
            batch.seconds["wait"] = max(0.0, done - step_start - sum(batch.seconds.values()))
            batch.seconds["total"] = done - step_start
            journal.finish_step(batch, update, wall_s=done - began)
            parts.note_placement()
        if interrupt.asked:
            return "stopped"
        if parts.checkpoints.due():
            parts.checkpoints.save(wait=True)
    return "finished"


def roll_back(parts: Parts, dropped: list[Batch], *, wall_s: float) -> None:
    """Go on from the champion: learner, optimiser and samplers, as a step of its own.

    `dropped` are batches sampled ahead from the policy that is given up.
    """
    run_dir, journal = parts.journal.run_dir, parts.journal
    champion = run_dir.versions.champion() or 0
    journal.console.phase(f"going back to version {champion}")
    update = parts.learner.restore(
        run_dir.versions.model_of(champion, parts.base),
        run_dir.versions.folder(champion) if champion else None,
    )
    parts.samplers.update_weights(update.version, update.weights)
    journal.finish_rollback(update, dropped, wall_s=wall_s)
    # At once: a resumed run must not find the policy that was given up.
    parts.checkpoints.save(wait=True)
