"""Actors that answer at once, in the place of models and engines: see control_plane.py."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import chess
import numpy
import ray

from envs import Task
from rewards import RewardResult
from selfplay.cluster.actors import whereabouts
from selfplay.sampler.engines import Sample, SampleRequest


class Watched:
    """What a pool asks of every actor."""

    @ray.method(concurrency_group="watch")
    def doing(self) -> str:
        """Return what it works on."""
        return "nothing for long"

    @ray.method(concurrency_group="watch")
    def where(self) -> dict[str, Any]:
        """Return where it runs."""
        return whereabouts()


@ray.remote(concurrency_groups={"watch": 1})
class SimulatedSampler(Watched):
    """Answers at once with `max_tokens` ids and log-probs per completion."""

    def __init__(self, config: dict[str, Any], model: str, version: int) -> None:
        self._version = version

    def sample(self, version: int, requests: Sequence[SampleRequest]) -> list[list[Sample]]:
        """Return completions drawn from the seed alone."""
        assert version == self._version
        return [[self._sample(r, i) for i in range(r.n)] for r in requests]

    def update_weights(self, version: int, weights: dict[str, Any]) -> int:
        """Take the weights: mapped from the object store, not copied into a model."""
        assert weights["all"].nbytes > 0
        self._version = version
        return version

    def _sample(self, request: SampleRequest, index: int) -> Sample:
        rng = random.Random(request.seed + index)
        ids = tuple(rng.randrange(1000, 40_000) for _ in range(request.max_tokens))
        return Sample(ids, tuple(-rng.random() for _ in ids), "length")


@ray.remote(concurrency_groups={"watch": 1})
class SimulatedScorer(Watched):
    """Scores at once, with the parts and the evidence that the engine's scorer gives."""

    def __init__(self, config: dict[str, Any], domain: str, evaluating: bool) -> None:
        pass

    def score(self, task: Task, completions: Sequence[str]) -> list[RewardResult]:
        """Return made-up results: a move that the game can go on with, and its value."""
        moves = [move.uci() for move in chess.Board(task.payload["fen"]).legal_moves]
        return [self._result(moves, text, i) for i, text in enumerate(completions)]

    def _result(self, moves: list[str], text: str, index: int) -> RewardResult:
        value = (len(text) * 7 + index * 13) % 100 / 100
        parts = {"legal": 1.0, "regret": 1 - value, "best": 0.0}
        evidence = {
            "action": moves[index % len(moves)],
            "best": moves[:1],
            "depth": 12,
            "nodes": 5000,
            "cp": index,
            "mate": None,
        }
        return RewardResult(value, "fail", parts, evidence)


@ray.remote(num_cpus=0)
class SimulatedLearner:
    """Takes a batch, and puts weights of bfloat16's size into the object store."""

    def __init__(self, parameters: int) -> None:
        self._weights = {"all": numpy.zeros(parameters, dtype=numpy.int16)}

    def learn(self, batches: list[Any]) -> int:
        """Return how many micro-batches came."""
        return len(batches)

    def publish(self) -> list[Any]:
        """Return a reference to the new weights, as the learner's worker does."""
        return [ray.put(self._weights)]
