"""What the loop works with: Ray and its actors started, the rest put together around them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs.errors import InputError
from selfplay.cluster.session import ray_session
from selfplay.display.console import RunConsole
from selfplay.display.tensorboard import TensorBoardLog
from selfplay.domains.checks import identity_of
from selfplay.domains.made import longest_completion
from selfplay.gate.gate import Gate
from selfplay.learner.handle import Learner
from selfplay.loop.checkpoints import Checkpoints
from selfplay.loop.collect import Collector
from selfplay.loop.evaluate import Evaluator
from selfplay.loop.journal import Journal
from selfplay.loop.readiness import Ready
from selfplay.loop.title import Title
from selfplay.rundir.folder import RunDir
from selfplay.sampler.engines import SampleRequest
from selfplay.sampler.pool import SamplerPool
from selfplay.scorer.pool import ScorerPool

MOST_APART = 0.1
"""Nats per token between sampler and learner at the start; rounding to bfloat16 is a few
hundredths."""


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


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loop works with."""

    learner: Learner
    samplers: SamplerPool
    scorers: ScorerPool
    collector: Collector
    journal: Journal
    checkpoints: Checkpoints
    title: Title
    base: str
    """The model that the run began with: version 0."""
    pad_id: int

    def note_placement(self) -> None:
        """Write to the manifest who runs where, and who was lost."""
        events = [*self.learner.events, *self.samplers.events, *self.scorers.events]
        self.journal.run_dir.write_placement(sorted(events, key=lambda row: row["time"]))


def step_of(checkpoint: Path | None) -> int:
    """Return the step after which a checkpoint was saved; 0 for none, the model begun with."""
    return int(checkpoint.name[1:]) if checkpoint else 0


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
    for line in placement.messages:
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
    run_dir.write_manifest(
        identity_of(ready.domains), {"run": config.seed}, step if checkpoint else None
    )
    tokenizer, context = ready.tokenizer, ready.context
    asks: dict[str, Any] = {"samplers": samplers, "tokenizer": tokenizer, "context": context}
    collector = Collector(
        config, domains=ready.domains, source=ready.source, scorers=scorers, **asks
    )
    if league is not None:
        league.attach(samplers, tokenizer, context)
        league.refresh()
    journal = Journal(
        config,
        run_dir=run_dir,
        console=console,
        board=board,
        domains=ready.domains,
        source=ready.source,
        step=step,
    )
    checkpoints = Checkpoints(config, journal=journal, learner=learner, league=league)
    title = Title(
        config,
        journal=journal,
        checkpoints=checkpoints,
        learner=learner,
        evaluator=Evaluator(config, **asks),
        gate=Gate(config, run_dir=run_dir, base=ready.base, **asks),
        league=league,
    )
    return Parts(
        learner=learner,
        samplers=samplers,
        scorers=scorers,
        collector=collector,
        journal=journal,
        checkpoints=checkpoints,
        title=title,
        base=ready.base,
        pad_id=int(tokenizer.pad_token_id),
    )


def refuse_apart(ready: Ready, parts: Parts) -> None:
    """Raise InputError where the learner computes other probabilities than the sampler drew from.

    Asked of the run's own weights, on its first prompt; readiness.py has asked the family.
    """
    config = ready.config
    request = SampleRequest(
        prompt_ids=ready.first_prompt,
        n=min(config.group_size, 4),
        max_tokens=min(longest_completion(config), 16),
        stop="eos",
        temperature=config.sampler.temperature,
        seed=config.seed,
    )
    [samples] = parts.samplers.sample([request])
    gaps = parts.learner.compare(request, samples, parts.pad_id)
    if max(gaps.values()) > MOST_APART:
        apart = ", ".join(f"the {who} by {gap:.2g}" for who, gap in gaps.items())
        raise InputError(
            f"model: {config.model}: log-probs of one version differ from the sampler's, {apart} "
            f"nats per token ({MOST_APART} at most); set learner.dtype=float32 and "
            "sampler.dtype=float32"
        )
