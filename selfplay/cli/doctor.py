"""The checks before a run, one after the other: for `selfplay doctor` and --dry-run."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass

from envs.errors import InputError
from selfplay.config.run import RunConfig
from selfplay.domains.made import Domains
from selfplay.loop.machine import (
    Outcome,
    check_disk,
    check_memory,
    check_model,
    check_processor,
    check_ray,
    find_ray,
)
from selfplay.registry import spec_of

CheckFunction = Callable[[RunConfig], tuple[Outcome, str]]


@dataclass(frozen=True, slots=True)
class Check:
    """One finished check."""

    name: str
    outcome: Outcome
    detail: str
    seconds: float


def run_checks(config: RunConfig, *, start_ray: bool) -> list[Check]:
    """Run every check, also after a failed one, and return them in order."""
    checks: list[tuple[str, CheckFunction]] = [
        *domain_checks(config).items(),
        ("model", check_model),
        ("memory", check_memory),
        ("disk", check_disk),
        ("processor", check_processor),
        ("ray", check_ray if start_ray else find_ray),
    ]
    return [run_check(name, check, config) for name, check in checks]


def domain_checks(config: RunConfig) -> dict[str, CheckFunction]:
    """Return the checks of what scores the domains that are trained, by the word for it."""
    checks: dict[str, CheckFunction] = {}
    for name in config.domains:
        word = spec_of(name).scorer
        title = f"{name} {word}" if word in checks else word
        checks[title] = functools.partial(check_scorer, name)
    return checks


def check_scorer(domain: str, config: RunConfig) -> tuple[Outcome, str]:
    """Start what scores a domain's answers and try it with answers whose score is known.

    Raises:
        InputError: it cannot be started, or scores them otherwise.
    """
    return "ok", Domains(config)[domain].check_scorer()


def run_check(name: str, check: CheckFunction, config: RunConfig) -> Check:
    """Run one check; whatever it raises is a failed check, so that all others are made."""
    since = time.monotonic()
    try:
        outcome, detail = check(config)
    except InputError as error:
        outcome, detail = "fail", str(error)
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        outcome, detail = "fail", f"{type(error).__name__}: {first}"
    return Check(name, outcome, detail, time.monotonic() - since)
