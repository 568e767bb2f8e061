"""The exchange: a small actor between the loop and the learner's workers.

Commands go to the workers in order (every worker sees each one), reports come back from worker 0.
Nobody polls; every wait has a timeout.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

import ray

Kind = Literal["update", "save", "restore", "compare", "stop"]


@dataclass(frozen=True, slots=True)
class Command:
    """What the loop asks of the learner.

    `update`: `payload` has one list of micro-batches per worker, `time_gone` the share of the run's
    time that has passed (schedule.py); `save`: `payload` is the folder;
    `restore`: `payload` is (model, folder with the trainer's state or None); `compare`: one
    micro-batch, which trains nothing; `stop`: end the training loop.
    """

    kind: Kind
    payload: Any = None
    time_gone: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """What worker 0 answers: `ready`, `updated` (version, weights, metrics), `saved` (folder) or
    `compared` (nats per token between the sampler and each way of forwarding, see gaps.py).

    A `restore` is answered by `updated` too.
    """

    kind: Literal["ready", "updated", "saved", "compared"]
    payload: dict[str, Any]


@ray.remote(num_cpus=0)
class Exchange:
    """Keeps the commands that some worker has not taken yet, and the reports not yet read."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._commands: dict[int, Command] = {}
        self._taken: dict[int, int] = {}
        self._next = 0
        self._reports: asyncio.Queue[Report] = asyncio.Queue()
        self._posted = asyncio.Condition()
        self._places: dict[int, dict[str, Any]] = {}

    async def post(self, command: Command) -> None:
        """Append a command, which every worker takes once, in order."""
        async with self._posted:
            self._commands[self._next] = command
            self._taken[self._next] = 0
            self._next += 1
            self._posted.notify_all()

    async def take(self, rank: int, index: int, timeout_s: float) -> Command | None:
        """Return command `index` for worker `rank`; None when none came within `timeout_s`."""
        async with self._posted:
            try:
                await asyncio.wait_for(self._posted.wait_for(lambda: index < self._next), timeout_s)
            except TimeoutError:
                return None
            command = self._commands[index]
            self._taken[index] += 1
            if self._taken[index] == self._workers:
                del self._commands[index], self._taken[index]
        if command.kind == "update":
            return Command("update", command.payload[rank], command.time_gone)
        return command

    async def arrive(self, rank: int, where: dict[str, Any]) -> None:
        """Note where worker `rank` runs."""
        self._places[rank] = where

    async def places(self) -> dict[int, dict[str, Any]]:
        """Return where each worker runs that has arrived."""
        return self._places

    async def report(self, report: Report) -> None:
        """Append a report of worker 0, for the loop."""
        await self._reports.put(report)

    async def next_report(self, timeout_s: float) -> Report | None:
        """Return the oldest unread report; None when none came within `timeout_s`."""
        try:
            return await asyncio.wait_for(self._reports.get(), timeout_s)
        except TimeoutError:
            return None
