"""What the files of a run are called, and which run, step or version a name is of."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from envs.errors import InputError

CONFIG = "config.yaml"
MANIFEST = "manifest.json"
METRICS = "metrics.jsonl"
PROMOTIONS = "promotions.jsonl"
SUMMARY = "summary.json"
CHAMPION = "champion"
LOCK = "lock"
CHECKPOINTS, ROLLOUTS, GAMES, EVALS = "checkpoints", "rollouts", "games", "evals"
MATCHES, TESTS, LOGS = "matches", "test", "logs"
DISCARDED = "discarded"
"""Folder of what was set aside, in the folder that it lay in."""
FINAL = "final"
"""Name of the last evaluation of a run."""

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VERSION = re.compile(r"v(\d+)")
_STEP = re.compile(r"(?:step|whole)_(\d+)")
_MATCH = re.compile(r"v(\d+)-\w+\.pgn")


def check_name(name: str) -> None:
    """Raise InputError for a run's name that is no plain name of a folder."""
    if not _RUN.fullmatch(name):
        raise InputError(f"name: {name!r} is no folder name; use letters, digits, '.', '_' and '-'")


def name_in(path: Path) -> str:
    """Return the name in a run's config.yaml; where there is none yet, that of its folder."""
    try:
        data = yaml.safe_load((path / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return path.name
    name = data.get("name") if isinstance(data, dict) else None
    return name if isinstance(name, str) and name else path.name


def version_name(version: int) -> str:
    """Return the name of a policy version: v000012."""
    return f"v{version:06d}"


def version_in(name: str) -> int | None:
    """Return the version whose `version_name` this is, or None."""
    match = _VERSION.fullmatch(name)
    return int(match[1]) if match else None


def match_name(candidate: int, champion: int) -> str:
    """Return the name of the PGN file of a match between two versions, the candidate first."""
    return f"{version_name(candidate)}-{version_name(champion)}.pgn"


def step_name(step: int) -> str:
    """Return what the files of a step begin with: step_000012."""
    return f"step_{step:06d}"


def step_in(name: str) -> int | None:
    """Return the step, or the candidate's version, that a file's name begins with, or None."""
    match = _STEP.match(name) or _MATCH.fullmatch(name)
    return int(match[1]) if match else None
