"""The domains: what is asked, how it is scored and measured, one class each."""

from __future__ import annotations

from envs.chess.opponents import Opponents
from selfplay.config.run import RunConfig
from selfplay.domains.base import Domain

NAMES = ("chess", "code")


def make_domain(name: str, config: RunConfig, opponents: Opponents | None = None) -> Domain:
    """Return the domain of that name under a configuration; see make_domains."""
    if name == "code":
        from selfplay.domains.code.domain import CodeDomain

        return CodeDomain(config)
    from selfplay.domains.chess.domain import ChessDomain

    return ChessDomain(config, opponents)


def make_domains(config: RunConfig, opponents: Opponents | None = None) -> dict[str, Domain]:
    """Return the domains that a run trains, by name, in the order of NAMES.

    `opponents` play in chess games against the policy.
    """
    wanted = NAMES if config.domain == "both" else (config.domain,)
    return {name: make_domain(name, config, opponents) for name in wanted}


def domain_of_suite(suite: str) -> str:
    """Return the domain that a suite belongs to: what stands before the slash."""
    return suite.partition("/")[0]


__all__ = ["NAMES", "Domain", "domain_of_suite", "make_domain", "make_domains"]
