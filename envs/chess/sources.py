"""Where training positions come from: self-play, puzzles, EPD and PGN, mixed by shares."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import chess.pgn

from envs.chess.files import load_epd, load_pgn, load_puzzles
from envs.chess.games import GamePool
from envs.chess.position import task_key
from envs.chess.suites import OLDEST, suite_keys
from envs.errors import InputError
from envs.shares import Shares, checked_shares
from envs.task import Task

SELFPLAY = "selfplay"
SOURCES = (SELFPLAY, "puzzles", "epd", "pgn")


class _Deck:
    """Tasks of one file, dealt in a new seeded order each time all were asked."""

    def __init__(
        self, name: str, tasks: Sequence[Task], seed: int, exclude: frozenset[str]
    ) -> None:
        """Hold those of `tasks`, which are distinct, whose `task_key` is not in `exclude`."""
        self._name = name
        self._tasks = [task for task in tasks if task_key(task) not in exclude]
        self._mark = _fingerprint(self._tasks)
        older = suite_keys(OLDEST)
        self._older = _fingerprint([task for task in tasks if task_key(task) not in older])
        self._index = {task.id: i for i, task in enumerate(self._tasks)}
        self._seed = seed
        self._epoch = 0
        self._cursor = 0
        self._again: list[int] = []
        self._order = self._shuffled()

    def _shuffled(self) -> list[int]:
        order = list(range(len(self._tasks)))
        random.Random(f"{self._seed}/{self._name}/{self._epoch}").shuffle(order)
        return order

    def deal(self, taken: Mapping[str, str]) -> Task | None:
        """Return the next task that is not in flight, or None if all of them are."""
        for place, index in enumerate(self._again):
            if self._tasks[index].id not in taken:
                return self._tasks[self._again.pop(place)]
        for _ in range(2 * len(self._tasks)):
            if self._cursor == len(self._order):
                self._epoch, self._cursor = self._epoch + 1, 0
                self._order = self._shuffled()
            task = self._tasks[self._order[self._cursor]]
            self._cursor += 1
            if task.id not in taken:
                return task
        return None

    def put_back(self, task_ids: Sequence[str]) -> None:
        """Deal these tasks again before any other, those that may not train excepted."""
        self._again[:0] = [self._index[task_id] for task_id in task_ids if task_id in self._index]

    def state(self) -> dict[str, Any]:
        return {
            "tasks": self._mark,
            "epoch": self._epoch,
            "cursor": self._cursor,
            "again": list(self._again),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        if state["tasks"] == self._older != self._mark:
            # Saved when positions trained that are evaluated: the next time round is without them.
            self._epoch, self._cursor, self._again = state["epoch"] + 1, 0, []
            self._order = self._shuffled()
            return
        if state["tasks"] != self._mark:
            raise InputError(
                f"chess.{self._name}: the file has changed since the run was saved, or what of it "
                "is evaluated; put the old one back or start a new run"
            )
        self._epoch, self._cursor = state["epoch"], state["cursor"]
        self._again = list(state["again"])
        self._order = self._shuffled()


def _fingerprint(tasks: Sequence[Task]) -> str:
    """Return a hash of tasks and their order."""
    joined = "\n".join(task.id for task in tasks)
    return hashlib.sha256(joined.encode()).hexdigest()[:20]


class TaskSource:
    """Tasks from several sources, mixed by shares; no held-out position is among them.

    The mix is exact and draws no lots: the next task comes from the source that lags its share
    most, or, where that has none free, from the next. Tasks in flight are distinct.
    """

    def __init__(
        self,
        shares: Mapping[str, float],
        *,
        seed: int,
        pool: GamePool | None = None,
        files: Mapping[str, Sequence[Task]] | None = None,
        exclude: frozenset[str] = frozenset(),
    ) -> None:
        """Mix `pool` (share "selfplay") and the tasks in `files` ("puzzles", "epd", "pgn").

        `shares` are relative weights; those of 0 are left out. `exclude` holds position keys
        (`position_key`); file tasks with one are dropped and counted in `excluded`. The pool
        must have been made with the same `exclude`.

        Raises InputError for an unknown source, a share that is no number of 0 or more, a source
        that has a share but no tasks, or shares that are all 0.
        """
        wanted = checked_shares(shares, SOURCES, "chess.sources")
        self._shares = Shares(wanted, "chess.sources")
        self._pool = pool
        self._decks: dict[str, _Deck] = {}
        self.excluded: dict[str, int] = {}
        if SELFPLAY in wanted and pool is None:
            raise InputError("chess.sources.selfplay has a share but no games; pass a game pool")
        for name in wanted:
            if name == SELFPLAY:
                continue
            tasks = (files or {}).get(name)
            if not tasks:
                raise InputError(
                    f"chess.sources.{name} has a share but no file; set chess.{name} to one"
                )
            distinct = list({task.id: task for task in tasks}.values())
            self.excluded[name] = sum(task_key(task) in exclude for task in tasks)
            if self.excluded[name] == len(tasks):
                raise InputError(f"chess.{name}: every position is held out; give another file")
            self._decks[name] = _Deck(name, distinct, seed, exclude)
        self._in_flight: dict[str, str] = {}

    @classmethod
    def open(
        cls,
        shares: Mapping[str, float],
        *,
        seed: int,
        pool: GamePool | None = None,
        puzzles: Path | None = None,
        epd: Path | None = None,
        pgn: Path | None = None,
        exclude: frozenset[str] = frozenset(),
    ) -> Self:
        """Read the files whose source has a share, and mix them.

        Raises InputError as the constructor and the readers in files.py do.
        """
        wanted = checked_shares(shares, SOURCES, "chess.sources")
        files: dict[str, Sequence[Task]] = {}
        if "puzzles" in wanted and puzzles is not None:
            files["puzzles"] = [puzzle.task for puzzle in load_puzzles(puzzles)]
        if "epd" in wanted and epd is not None:
            files["epd"] = load_epd(epd)
        if "pgn" in wanted and pgn is not None:
            files["pgn"] = load_pgn(pgn)
        return cls(shares, seed=seed, pool=pool, files=files, exclude=exclude)

    def next_tasks(self, n: int) -> list[Task]:
        """Return up to `n` distinct tasks, fewer where everything else is in flight."""
        tasks: list[Task] = []
        while len(tasks) < n:
            for name in self._shares.by_lag():
                task = self._draw(name)
                if task is not None:
                    break
            else:
                return tasks
            self._shares.issued[name] += 1
            self._in_flight[task.id] = name
            tasks.append(task)
        return tasks

    def advance(self, task_id: str, legal_moves: Sequence[str], version: int) -> None:
        """Take the answers to a task in flight; a self-play game goes on (see GamePool.advance).

        Raises ValueError if the task is not in flight.
        """
        if self._owner(task_id) == SELFPLAY and self._pool is not None:
            self._pool.advance(task_id, legal_moves, version)
        del self._in_flight[task_id]

    def skip(self, task_id: str) -> None:
        """Free a task in flight unanswered: a game will ask it again, a file next time round.

        Raises ValueError if the task is not in flight.
        """
        if self._owner(task_id) == SELFPLAY and self._pool is not None:
            self._pool.skip(task_id)
        del self._in_flight[task_id]

    def finished_games(self) -> list[chess.pgn.Game]:
        """Return the self-play games finished since the last call, and forget them."""
        return [] if self._pool is None else self._pool.finished()

    def state(self) -> dict[str, Any]:
        """Return everything as JSON; `restore` goes on from it exactly."""
        return {
            **self._shares.state(),
            "in_flight": [[task_id, name] for task_id, name in self._in_flight.items()],
            "decks": {name: deck.state() for name, deck in self._decks.items()},
            "pool": None if self._pool is None else self._pool.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`; the tasks that were in flight then are asked again first.

        Raises InputError if shares, files, seed or boards are others than those saved.
        """
        self._shares.restore(state)
        if (state["pool"] is None) != (self._pool is None):
            raise InputError("chess.sources: saved with other sources; restore them or start anew")
        for name, deck in self._decks.items():
            deck.restore(state["decks"][name])
        if self._pool is not None:
            self._pool.restore(state["pool"])
        self._in_flight = {}
        for name in self._shares.issued:
            again = [task_id for task_id, owner in state["in_flight"] if owner == name]
            self._shares.issued[name] -= len(again)
            if name in self._decks:
                self._decks[name].put_back(again)

    def _draw(self, name: str) -> Task | None:
        if name in self._decks:
            return self._decks[name].deal(self._in_flight)
        if self._pool is None:
            return None
        drawn = self._pool.next_tasks(1, taken=frozenset(self._in_flight))
        return drawn[0] if drawn else None

    def _owner(self, task_id: str) -> str:
        if task_id not in self._in_flight:
            raise ValueError(f"task {task_id} is not in flight")
        return self._in_flight[task_id]
