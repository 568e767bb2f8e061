"""Code: small functions, judged by hidden tests in a sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selfplay.domains.code import page
from selfplay.domains.code.config import (
    SUITES,
    TEST_SUITES,
    CodeConfig,
    ProposerConfig,
    SandboxConfig,
)
from selfplay.registry import DomainSpec, Measure

if TYPE_CHECKING:
    from selfplay.config.run import RunConfig
    from selfplay.domains.base import Domain
    from selfplay.domains.checks import Checks


def _make(config: RunConfig) -> Domain:
    from selfplay.domains.code.domain import CodeDomain

    return CodeDomain(config)


def _checks(domain: Domain) -> Checks:
    from selfplay.domains.code.verifying import CodeChecks

    return CodeChecks(domain)


SPEC = DomainSpec(
    name="code",
    sections={"code": CodeConfig, "proposer": ProposerConfig, "sandbox": SandboxConfig},
    make=_make,
    suites=SUITES,
    test_suites=TEST_SUITES,
    measures=(
        Measure(
            "pass_rate",
            "pass@1 (greedy)",
            on_console=True,
            ranks=True,
            cluster="families",
            short="pass",
            curve="programs that pass",
        ),
        Measure("visible_rate", "visible tests passed", cluster="families", curve=None),
        Measure(
            "hack_gap",
            "hack gap",
            None,
            higher_is_better=False,
            cluster="families",
            curve="hack gap: visible minus hidden tests passed",
        ),
    ),
    sentences=page.sentences,
    answer=page.answer,
    answers="programs",
    scorer="sandbox",
    checks=_checks,
)
