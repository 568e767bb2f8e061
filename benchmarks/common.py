"""What the sampling and the learning benchmark share: the setting, prompts, and the machine."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import os
import platform
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from envs.chess.prompts import render
from envs.chess.suites import load_suite
from selfplay.models.load import load_tokenizer, model_context
from selfplay.sampler.prompts import prompt_ids

PACKAGES = ("torch", "transformers", "trl", "selfplay-rlvr")
DTYPES = {"fp32_autocast_bf16": torch.float32, "bf16_weights": torch.bfloat16}
"""The two settings of TRL that are tried, and the dtype of their weights."""


def arguments(about: str) -> argparse.Namespace:
    """Parse the flags of both benchmarks; bad ones end with exit code 2."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--positions", type=int, default=16)
    parser.add_argument("--samples", type=int, default=8, help="completions per position")
    parser.add_argument("--tokens", type=int, default=8, help="new tokens per completion")
    parser.add_argument("--repeats", type=int, default=3, help="measured rounds after a warm-up")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    for name in ("positions", "samples", "tokens", "repeats", "threads"):
        if getattr(given, name) < 1:
            parser.error(f"--{name} must be at least 1")
    if given.samples < 2:
        parser.error("--samples must be at least 2: a group of one has no advantage")
    torch.set_num_threads(given.threads)
    return given


def prompts(model: str, positions: int, tokens: int) -> list[tuple[int, ...]]:
    """Return the ids of `fen_legal` prompts (SAN)."""
    tokenizer = load_tokenizer(model)
    context = model_context(model)
    tasks = load_suite("chess/games")[:positions]
    return [
        prompt_ids(tokenizer, render(task, "fen_legal", "san", tokens), context) for task in tasks
    ]


def interleaved(ways: dict[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Run each way once unmeasured, then `repeats` rounds of all; return what they returned.

    Interleaving spreads whatever else the machine does over all of them.
    """
    for way in ways.values():
        way()
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            found[name].append(way())
    return found


def median_ratio(over: list[float], under: list[float]) -> float:
    """Return the median over the rounds of over / under."""
    return median(a / b for a, b in zip(over, under, strict=True))


def machine(threads: int) -> dict[str, Any]:
    """Return what the figures were measured on and with."""
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": threads,
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
