"""Configurations with few nodes and few boards: real parts, small."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from selfplay.config.reading import parse_config
from selfplay.config.run import RunConfig

MakeConfig = Callable[..., RunConfig]


@pytest.fixture
def settings(tmp_path: Path, stockfish: Path) -> MakeConfig:
    """settings("match.tries=1", ...): short games judged by an engine of 200 nodes."""

    def make(*overrides: str) -> RunConfig:
        usual = [
            f"engine.path={stockfish}",
            f"engine.cache={tmp_path / 'scores.sqlite'}",
            "engine.nodes=200",
            "match.max_plies=24",
            "match.boards=8",
            "sampler.threads=1",
        ]
        return parse_config({}, "test", [*usual, *overrides])

    return make
