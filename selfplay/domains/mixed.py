"""The tasks of a run: those of one domain, or of several, mixed by shares."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import chess.pgn

from envs import Task
from envs.shares import Shares
from selfplay.config.run import RunConfig
from selfplay.domains.base import Domain, Source


class RunSource:
    """Deals tasks so that each domain keeps its share exactly; draws no lots.

    The next task comes from the domain that lags its share most, so a batch has the same numbers
    in every step as far as they divide.
    """

    def __init__(self, sources: Mapping[str, Source], shares: Mapping[str, float]) -> None:
        self._sources = dict(sources)
        self._shares = Shares({name: float(shares[name]) for name in sources}, "shares")
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
            self._owner |= {task.id: name for task in drawn}
            tasks += drawn
        return tasks

    def advance(self, task_id: str, *answer: Any) -> None:
        """Hand the answers to the task's own source, whose `advance` says what they are."""
        source: Any = self._sources[self._owner[task_id]]
        source.advance(task_id, *answer)
        del self._owner[task_id]

    def skip(self, task_id: str) -> None:
        """Free a task in flight unanswered."""
        self._sources[self._owner.pop(task_id)].skip(task_id)

    def finished(self) -> list[chess.pgn.Game]:
        """Return the games finished since the last call, and forget them."""
        games: list[chess.pgn.Game] = []
        for source in self._sources.values():
            ended = getattr(source, "finished", None)
            games += ended() if ended is not None else []
        return games

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
    """Open every domain's tasks; `stack` closes what they need to live."""
    sources = {name: domain.open_source(stack) for name, domain in domains.items()}
    shares = {str(name): share for name, share in config.shares.items()}
    return RunSource(sources, shares if len(domains) > 1 else dict.fromkeys(domains, 1.0))
