"""The checks before a run, one after the other: for `selfplay doctor` and --dry-run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import chess

from envs.chess.position import make_task
from envs.errors import InputError
from rewards.result import ScoreRequest
from selfplay.config.run import RunConfig
from selfplay.loop.machine import (
    Outcome,
    check_disk,
    check_memory,
    check_model,
    check_processor,
    check_ray,
    find_ray,
)

CheckFunction = Callable[[RunConfig], tuple[Outcome, str]]
GOLD_FENS = (
    "r1bqkbnr/pppp1ppp/2n5/4p3/2B1P3/5Q2/PPPP1PPP/RNB1K1NR w KQkq - 4 4",
    "6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1",
)
"""Mate in one (f3f7; d1d8): whatever the engine, its best move must score as a pass."""


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
    """Return the checks of what scores the configured domains, by name."""
    checks: dict[str, CheckFunction] = {"engine": check_engine, "sandbox": check_sandbox}
    if config.domain == "both":
        return checks
    name = "sandbox" if config.domain == "code" else "engine"
    return {name: checks[name]}


def run_check(name: str, check: CheckFunction, config: RunConfig) -> Check:
    """Run one check; whatever it meets is a failed check, so that all others are made."""
    since = time.monotonic()
    try:
        outcome, detail = check(config)
    except InputError as error:
        outcome, detail = "fail", str(error)
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        outcome, detail = "fail", f"{type(error).__name__}: {first}"
    return Check(name, outcome, detail, time.monotonic() - since)


def check_engine(config: RunConfig) -> tuple[Outcome, str]:
    """Start the engine and score gold answers: a mate is a pass, an illegal move is illegal.

    Raises:
        InputError: there is no engine, or it is none.
    """
    from selfplay.scorer.file import chess_scorer

    with chess_scorer(config) as scorer:
        for fen in GOLD_FENS:
            task = make_task(chess.Board(fen))
            best = scorer.position_scores(task).best_moves[0]
            answers = [ScoreRequest(task, f" {best}"), ScoreRequest(task, " a1a8")]
            gold, illegal = scorer.score(answers)
            if gold.verdict != "pass" or (
                gold.value < 0.99 and config.reward.shape != "win_percent"
            ):
                return "fail", f"the engine's best move {best} scored {gold.value} in {fen}"
            if illegal.verdict != "illegal" or illegal.value > 0:
                return "fail", f"the illegal move a1a8 scored {illegal.value} in {fen}"
        name, sha256 = scorer.identity.name, scorer.identity.sha256
    return "ok", f"{name} (sha256 {sha256[:12]}); gold answers score as they must"


def check_sandbox(config: RunConfig) -> tuple[Outcome, str]:
    """Start the sandbox, which attacks itself, and judge a few tasks' references and idlers.

    Raises:
        InputError: the sandbox that this machine allows is too weak.
    """
    from envs.code import families
    from rewards.code.faults import faults
    from selfplay.domains.code.domain import code_scorer

    with code_scorer(config) as scorer:
        for family in families.TRAIN[:: len(families.TRAIN) // 4]:
            task = families.make(family, 1, 0)
            found = faults(task, scorer)
            if found:
                return "fail", f"{task.key}: {'; '.join(found)}"
        return "ok", f"{scorer.tier.value}; gold answers pass, idle programs do not"
