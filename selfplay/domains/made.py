"""The domains of a run, made under its configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from envs import Task
from selfplay.config.run import RunConfig
from selfplay.domains.base import Domain, GamesDomain, Row, domain_of
from selfplay.registry import domain_of_suite, spec_of, specs

if TYPE_CHECKING:
    from envs.opponents import Opponents


class Domains(Mapping[str, Domain]):
    """The domains under one configuration, each made once, when it is first asked for.

    Iterating gives those that the run trains; any other that is installed can be had by its name,
    since a run may be measured on suites of domains that it does not train.
    """

    def __init__(self, config: RunConfig, opponents: Opponents | None = None) -> None:
        """Take the configuration, and who plays against the policy in games that train it."""
        self.config = config
        self._opponents = opponents
        self._made: dict[str, Domain] = {}

    def __getitem__(self, name: str) -> Domain:
        """Return the domain of that name. Raises InputError where there is none."""
        if name not in self._made:
            made = self._made[name] = spec_of(name).make(self.config)
            if isinstance(made, GamesDomain):
                made.opponents = self._opponents
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.config.domains)

    def __contains__(self, name: object) -> bool:
        return name in self.config.domains

    def __len__(self) -> int:
        return len(self.config.domains)

    def of(self, task: Task) -> Domain:
        """Return the domain of a task."""
        return self[domain_of(task)]

    def of_suite(self, suite: str) -> Domain:
        """Return the domain of a suite."""
        return self[domain_of_suite(suite)]

    def own_suites(self) -> list[str]:
        """Return the suites that the configuration asks for by keys of their own."""
        asked = [self[name] for name, spec in specs().items() if spec.extra_suites]
        return [suite for domain in asked for suite in domain.own_suites()]

    def utility(self, suite: str, row: Row) -> float | None:
        """Return what an answer of a suite was worth (Domain.utility)."""
        return self.of_suite(suite).utility(row)


def longest_completion(config: RunConfig) -> int:
    """Return the longest completion, in tokens, of the domains that a run trains."""
    return max(domain.max_tokens for domain in Domains(config).values())


def make_domain(name: str, config: RunConfig) -> Domain:
    """Return the domain of that name under a configuration. Raises InputError for none."""
    return Domains(config)[name]


__all__ = ["Domain", "Domains", "domain_of", "domain_of_suite", "make_domain"]
