"""The toy domain (tests/toy) for commands: pytest's `pythonpath` is for its own process alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.patience import RUN_S, patient

REPOSITORY = Path(__file__).resolve().parents[1]


def environment(*places: Path) -> dict[str, str]:
    """This process's environment, in which Python finds the checkout, then `places`."""
    path = os.pathsep.join(map(str, (REPOSITORY, *places)))
    return {**os.environ, "PYTHONPATH": path}


TOY = REPOSITORY / "tests" / "toy"


def selfplay(
    folder: Path, *arguments: str, places: tuple[Path, ...] = (TOY,)
) -> subprocess.CompletedProcess[str]:
    """Run a command of selfplay below `folder`, with the packages in `places` installed."""
    return subprocess.run(
        [sys.executable, "-m", "selfplay", *arguments],
        cwd=folder,
        env=environment(*places),
        capture_output=True,
        text=True,
        timeout=patient(RUN_S),
    )
