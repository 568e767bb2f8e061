"""The miniature of the real run, shared by the tests that look at one: see tests/test_run.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.patience import RUN_S, patient

STEPS = 4
OVERRIDES = (
    f"steps={STEPS}",
    "sampler.explore=all_legal",
    "learner.advantage=target",
    "learner.lr=1e-3",
    "group_size=16",
    "checkpoint.every=2",
    f"checkpoint.stop_s={patient(20)}",
    "eval.positions=12",
    "eval.base_prompts=[{style: fen}, {style: fen, shots: 2}]",
    "eval.base_positions=3",
    # Games of one or two moves, so that some end.
    "chess.random_opening_plies=[3,4]",
    "chess.max_plies=5",
    "league.opponents=uniform",
    "league.every=1",
    "league.anchors=[random, 'softmax:0.5', 'rule:best_exchange']",
)


def command(repository: Path, name: str, *more: str) -> list[str]:
    config = str(repository / "configs" / "smoke.yaml")
    given = (*OVERRIDES, "--name", name, *more)
    return [sys.executable, "-m", "selfplay", "run", config, *given]


def selfplay(folder: Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run as a user does: below `folder`, where the run folders go by a relative path."""
    return subprocess.run(
        arguments, cwd=folder, capture_output=True, text=True, timeout=patient(RUN_S)
    )
