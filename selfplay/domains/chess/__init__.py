"""Chess: moves, scored by an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envs.chess.suites import TEST_SUITES, suite_names
from selfplay.domains.chess import page
from selfplay.domains.chess.config import PUZZLES, ChessConfig, EngineConfig, RewardConfig
from selfplay.registry import DomainSpec, Measure

if TYPE_CHECKING:
    from selfplay.config.run import RunConfig
    from selfplay.domains.base import Domain
    from selfplay.domains.checks import Checks

DEFAULT_SUITES = ("chess/games", "chess/heldout")
OTHER_SUITES = tuple(n for n in suite_names() if n not in (*DEFAULT_SUITES, *TEST_SUITES))


def _make(config: RunConfig) -> Domain:
    from selfplay.domains.chess.domain import ChessDomain

    return ChessDomain(config)


def _checks(domain: Domain) -> Checks:
    from selfplay.domains.chess.verifying import ChessChecks

    return ChessChecks(domain)


SPEC = DomainSpec(
    name="chess",
    sections={"chess": ChessConfig, "engine": EngineConfig, "reward": RewardConfig},
    make=_make,
    suites=(*DEFAULT_SUITES, *OTHER_SUITES),
    test_suites=TEST_SUITES,
    alone=DEFAULT_SUITES,
    extra_suites=(PUZZLES,),
    measures=(
        Measure("legal_rate", "legal moves", on_console=True, short="legal"),
        Measure("best_move_rate", "best move", None, training="best_rate", curve="best moves"),
        Measure(
            "regret",
            "regret (win prob.)",
            None,
            unit="",
            higher_is_better=False,
            on_console=True,
            training="regret_mean",
            short="regret",
            curve="regret of legal moves (win probability)",
        ),
        Measure("puzzle_accuracy", "puzzles solved", cluster="games", curve=None),
    ),
    baselines=page.BASELINES,
    sentences=page.sentences,
    answer=lambda row: None,
    answers="positions",
    lists_actions=True,
    games=True,
    scorer="engine",
    checks=_checks,
)
