"""Rollouts per second that one controller carries, and which part is the limit, as JSON.

    python benchmarks/control_plane.py [--samplers 4,16,64] [--seconds 5] [--parameters 135e6]

Real: Ray, the pools, the collector with chess positions, prompts and tokenizer, the advantages, the
buffer, the Parquet store, the micro-batches, weights through the object store. Simulated: samplers,
scorers and learner, actors of no CPU that answer at once with completions, scores and weights of
realistic size. So the figure is what the loop could carry if models and engines took no time; each
part's share of the wall time says where it goes. `sampling` and `scoring` are waits for the
simulated actors: Ray's calls, the transfer of requests and answers, and the actors' own Python.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import ray
from common import machine
from simulated import SimulatedLearner, SimulatedSampler, SimulatedScorer

from envs.chess.games import GamePool
from envs.chess.openings import balanced_opening
from selfplay.config.run import RunConfig
from selfplay.domains.chess.config import ChessConfig
from selfplay.domains.chess.domain import ChessDomain, ChessSource
from selfplay.domains.mixed import open_sources
from selfplay.learner.batches import micro_batches
from selfplay.loop import collect
from selfplay.loop.buffer import RolloutBuffer
from selfplay.loop.collect import Collector
from selfplay.models.load import load_tokenizer, model_context
from selfplay.rundir.rollouts import RolloutStore
from selfplay.sampler.pool import SamplerPool
from selfplay.scorer.pool import ScorerPool

REST = "tasks, prompts, records"
START_SECONDS = 1800.0


class Unscreened(ChessDomain):
    """Chess without an engine: openings are not screened."""

    def open_source(self, stack: ExitStack) -> ChessSource:
        """Return self-play games from random openings."""
        chess_config, seed = self.config.section(ChessConfig), self.config.seed
        plies = chess_config.random_opening_plies
        pool = GamePool(
            chess_config.boards,
            seed,
            lambda rng: balanced_opening(rng, plies, lambda _: 0.5, 0.5),
            chess_config.max_plies,
            chess_config.random_move_prob,
            chess_config.random_when_illegal,
            ("a", "b"),
        )
        return ChessSource.open({"selfplay": 1.0}, seed=seed, pool=pool)


class Clock:
    """Seconds per part; a part within another counts for itself alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner: list[float] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the block's time for `name`."""
        start = time.perf_counter()
        self._inner.append(0.0)
        try:
            yield
        finally:
            whole = time.perf_counter() - start
            self.seconds[name] += whole - self._inner.pop()
            if self._inner:
                self._inner[-1] += whole

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return `call`, its time counted."""

        def run(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return call(*args, **kwargs)

        return run


def setting(given: argparse.Namespace, samplers: int) -> RunConfig:
    """Return the run's configuration: what a sampler gets per step is the same for every count."""
    return RunConfig.model_validate(
        {
            "groups_per_step": samplers * given.groups,
            "group_size": given.group_size,
            "steps": 10**6,
            "chess": {
                "boards": 4 * samplers * given.groups,
                "max_tokens": given.tokens,
                "opening_max_win_gap": 0.5,
            },
            "sampler": {"count": samplers, "cpus": 0},
            "scorer": {"count": given.scorers, "cpus": 0},
            "ray": {"start_s": START_SECONDS},
        }
    )


def measure(given: argparse.Namespace, samplers: int, learner: Any, folder: Path) -> dict[str, Any]:
    """Run the loop with so many samplers for `seconds`, after one step unmeasured."""
    config = setting(given, samplers)
    clock = Clock()
    with ExitStack() as stack:
        domains = {"chess": Unscreened(config)}
        source = open_sources(config, domains, stack)
        pool = SamplerPool(config, given.model, 0, 0.0, actor=SimulatedSampler)
        stack.callback(pool.close)
        scorers = ScorerPool(config, domains, actor=SimulatedScorer)
        stack.callback(scorers.close)
        pool.wait_started()
        scorers.wait_started()
        pool.sample = clock.timed("sampling", pool.sample)  # type: ignore[method-assign]
        scorers.score = clock.timed("scoring", scorers.score)  # type: ignore[method-assign]
        stack.callback(setattr, collect, "assign_advantages", collect.assign_advantages)
        collect.assign_advantages = clock.timed("advantages", collect.assign_advantages)
        collector = Collector(
            config,
            domains=domains,
            source=source,
            samplers=pool,
            scorers=scorers,
            tokenizer=load_tokenizer(given.model),
            context=model_context(given.model),
        )
        store = RolloutStore(folder / str(samplers), "benchmark")
        buffer = RolloutBuffer(0)
        rollouts = step = 0
        start = time.perf_counter()
        while step < 2 or time.perf_counter() - start < given.seconds:
            step += 1
            rollouts += one_step(config, clock, collector, store, buffer, learner, pool, step)
            source.finished()
            if step == 1:  # the first one warms up: pages, caches, connections
                rollouts, clock.seconds = 0, defaultdict(float)
                start = time.perf_counter()
        wall = time.perf_counter() - start
    shares = {name: round(seconds / wall, 3) for name, seconds in clock.seconds.items()}
    return {
        "samplers": samplers,
        "rollouts_per_s": round(rollouts / wall, 1),
        "rollouts_per_step": config.groups_per_step * config.group_size,
        "steps": step - 1,
        "shares": dict(sorted(shares.items(), key=lambda item: -item[1])),
        "limit": max(shares, key=lambda name: shares[name]),
    }


def one_step(
    config: RunConfig,
    clock: Clock,
    collector: Collector,
    store: RolloutStore,
    buffer: RolloutBuffer,
    learner: Any,
    pool: SamplerPool,
    step: int,
) -> int:
    """Do what the loop does in one step; return its rollouts."""
    with clock.part(REST):
        batch, groups = collector.collect(step)
    with clock.part("Parquet"):
        store.write(step, groups)
    with clock.part("buffer"):
        buffer.put(batch)
        batch = buffer.take(pool.version)
    with clock.part("micro-batches to the learner"):
        made = micro_batches(
            batch.groups,
            workers=1,
            steps=config.accumulation_steps,
            group_size=config.group_size,
            pad_id=0,
        )
        ray.get(learner.learn.remote(made), timeout=START_SECONDS)
    with clock.part("publishing weights"):
        [weights] = ray.get(learner.publish.remote(), timeout=START_SECONDS)
        pool.update_weights(step, weights)
    return sum(len(group.rollouts) for group in groups)


def arguments() -> argparse.Namespace:
    """Parse the flags; bad ones end with exit code 2."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--samplers", default="4,16,64", help="numbers of samplers, with commas")
    parser.add_argument("--seconds", type=float, default=5.0, help="measured time of each number")
    parser.add_argument("--parameters", type=float, default=135e6, help="bfloat16 weights")
    parser.add_argument("--groups", type=int, default=2, help="groups per sampler and step")
    parser.add_argument("--group-size", type=int, default=8, help="completions per group")
    parser.add_argument("--tokens", type=int, default=8, help="tokens per completion")
    parser.add_argument("--scorers", type=int, default=4)
    parser.add_argument("--model", default="smollm2-135m-instruct", help="whose tokenizer")
    given = parser.parse_args()
    try:
        given.counts = [int(text) for text in given.samplers.split(",")]
    except ValueError:
        parser.error("--samplers takes whole numbers with commas: 4,16,64")
    numbers = (*given.counts, given.parameters, given.groups, given.tokens, given.scorers)
    if min(numbers) < 1 or given.seconds <= 0 or given.group_size < 2:
        parser.error("numbers must be at least 1, --group-size at least 2, --seconds above 0")
    return given


def measured(given: argparse.Namespace, size: int) -> list[dict[str, Any]]:
    """Return a row per number of samplers, from a Ray of its own."""
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=2**28 + 3 * 2 * size,  # two versions of the weights, and one that goes
    )
    try:
        learner = SimulatedLearner.remote(size)  # type: ignore[attr-defined]
        with tempfile.TemporaryDirectory() as folder:
            return [measure(given, count, learner, Path(folder)) for count in given.counts]
    finally:
        ray.shutdown()


def main() -> int:
    """Print the measurements."""
    given = arguments()
    size = int(given.parameters)
    # Ray's warnings go to standard output, which is for the report.
    with contextlib.redirect_stdout(sys.stderr):
        rows = measured(given, size)
    report = {
        "benchmark": "control_plane",
        "unit": "rollouts per second",
        "parameters": size,
        "tokens": given.tokens,
        "group_size": given.group_size,
        "groups_per_sampler": given.groups,
        "scorers": given.scorers,
        "rows": rows,
        **machine(0),
    }
    print(json.dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
