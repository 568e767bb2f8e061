"""Domains from outside for commands: pytest's `pythonpath` is for its own process alone."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
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


def install(folder: Path, site: Path) -> None:
    """What `pip install --no-deps --editable` does, without a network: metadata alone, in `site`.

    Python must be given `folder` as well.
    """
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(site)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=patient(60))
    (wheel,) = site.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site, [name for name in packed.namelist() if ".dist-info/" in name])
