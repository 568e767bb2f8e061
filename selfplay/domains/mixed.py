"""The tasks of a run: those of one domain, or of several, mixed by shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from typing_extensions import override

from envs import Task
from envs.errors import InputError
from envs.shares import Shares
from rewards import RewardResult
from selfplay.config.run import RunConfig
from selfplay.domains.base import Domain, Source
from selfplay.records import FinishedGame
from selfplay.registry import domain_of_suite


class RunSource(Source):
    """Deals tasks so that each domain keeps its share exactly; draws no lots.

    The next task comes from the domain that lags its share most, so a batch has the same numbers
    in every step as far as they divide.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        shares: Mapping[str, float],
        held_out: frozenset[str] = frozenset(),
    ) -> None:
        """Mix sources by shares; `held_out` are the ids of tasks that must never train."""
        self._sources = dict(sources)
        self._shares = Shares({name: float(shares[name]) for name in sources}, "shares")
        self._held_out = held_out
        self._owner: dict[str, str] = {}

    def of(self, domain: str) -> Source:
        """Return the source of one domain."""
        return self._sources[domain]

    def next_tasks(self, n: int) -> list[Task]:
        """Return up to `n` distinct tasks, fewer where a domain has no more to ask."""
        counts = dict.fromkeys(self._sources, 0)
        for _ in range(n):
            name = self._shares.by_lag()[0]
            counts[name] += 1
            self._shares.issued[name] += 1
        tasks: list[Task] = []
        for name, count in counts.items():
            drawn = self._sources[name].next_tasks(count) if count else []
            self._shares.issued[name] -= count - len(drawn)
            self._refuse_held_out(name, drawn)
            self._owner |= {task.id: name for task in drawn}
            tasks += drawn
        return tasks

    def _refuse_held_out(self, domain: str, tasks: Sequence[Task]) -> None:
        """Raise InputError for a training task that the run is measured on."""
        for task in tasks:
            if task.id in self._held_out:
                raise InputError(
                    f"{domain}: task {task.id} is one of a suite that the run is measured on: what "
                    "is evaluated never trains; leave it out of the domain's source"
                )

    @override
    def answered(self, task: Task, results: Sequence[RewardResult], version: int) -> None:
        """Hand the results to the task's own source."""
        self._sources[self._owner[task.id]].answered(task, results, version)
        del self._owner[task.id]

    def skip(self, task_id: str) -> None:
        """Free a task in flight unanswered."""
        self._sources[self._owner.pop(task_id)].skip(task_id)

    @override
    def finished(self) -> list[FinishedGame]:
        return [game for source in self._sources.values() for game in source.finished()]

    def state(self) -> dict[str, Any]:
        """Return everything as JSON; `restore` goes on from it exactly."""
        state = self._shares.state()
        for name in self._owner.values():  # in flight: will be asked again
            state["issued"][name] -= 1
        return {
            **state,
            "sources": {name: source.state() for name, source in self._sources.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`.

        Raises InputError if domains or their shares are others than those saved.
        """
        self._shares.restore(state)
        for name, source in self._sources.items():
            source.restore(state["sources"][name])
        self._owner = {}


def open_sources(config: RunConfig, domains: Mapping[str, Domain], stack: ExitStack) -> RunSource:
    """Open the tasks of every domain that is trained; `stack` closes what they need to live."""
    sources = {name: domains[name].open_source(stack) for name in config.domains}
    return RunSource(sources, config.domain_shares, _held_out(config, domains))


def _held_out(config: RunConfig, domains: Mapping[str, Domain]) -> frozenset[str]:
    """Return the ids of all tasks that the run is measured on, of the domains that it trains."""
    suites = [suite for suite in config.suites if domain_of_suite(suite) in config.domains]
    found = (domains[domain_of_suite(s)].suite_tasks(s, config.eval.positions) for s in suites)
    return frozenset(task.id for tasks in found for task in tasks)
