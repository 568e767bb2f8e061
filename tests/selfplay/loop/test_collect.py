"""A step's rounds where scorers fail: what could not be scored is asked no more, others are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from envs import Task
from rewards import RewardResult
from selfplay.config.run import RunConfig
from selfplay.domains.made import make_domain
from selfplay.domains.mixed import open_sources
from selfplay.loop.collect import SPARE_ROUNDS, Collector
from selfplay.models.load import load_tokenizer
from selfplay.sampler.engines import Sample, SampleRequest


class Samplers:
    """Answers every request with one token."""

    version = 0

    def sample(self, requests: Sequence[SampleRequest]) -> list[list[Sample]]:
        """Return the samples of each request."""
        return [[Sample((5,), (-0.5,), "stop")] * request.n for request in requests]


class Scorers:
    """Sets aside every task of the first `broken` rounds."""

    def __init__(self, broken: int) -> None:
        self.broken, self.rounds = broken, 0

    def score(self, answers: Sequence[tuple[Task, Sequence[str]]]) -> list[list[RewardResult]]:
        """Return the results of each task's answers."""
        self.rounds += 1
        if self.rounds <= self.broken:
            return [[RewardResult(0.0, "infra_error")] * len(texts) for _, texts in answers]
        return [
            [RewardResult(i / len(texts), "illegal") for i in range(len(texts))]
            for _, texts in answers
        ]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.mark.parametrize(
    ("broken", "rounds", "groups"),
    [(0, 1, 3), (1, 2, 3), (SPARE_ROUNDS, SPARE_ROUNDS + 1, 3), (9, SPARE_ROUNDS + 1, 0)],
)
def test_a_step_none_of_whose_groups_was_scored_asks_others(
    stack: ExitStack, stockfish: Path, tmp_path: Path, broken: int, rounds: int, groups: int
) -> None:
    settings: dict[str, Any] = {"groups_per_step": 3, "group_size": 2, "model": "tiny-random"}
    engine = {"path": stockfish, "nodes": 500, "cache": tmp_path / "cache.sqlite"}
    config = RunConfig.model_validate({**settings, "engine": engine})
    domains = {"chess": make_domain("chess", config)}
    scorers = Scorers(broken)
    collector = Collector(
        config,
        domains=domains,
        source=open_sources(config, domains, stack),
        samplers=Samplers(),  # type: ignore[arg-type]
        scorers=scorers,  # type: ignore[arg-type]
        tokenizer=load_tokenizer("tiny-random"),
        context=4096,
    )
    batch, seen = collector.collect(1)
    assert (scorers.rounds, len(batch.groups)) == (rounds, groups)
    assert len(seen) == 3 * rounds and batch.infra_errors == len(seen) - groups
    assert [group.trained for group in seen] == [False] * batch.infra_errors + [True] * groups
    assert len({group.task.id for group in seen[:3]}) == 3
