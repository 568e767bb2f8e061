"""Pools of Ray actors with deadlines: what hangs or dies is named, killed, replaced and retried."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from envs.errors import InputError
from selfplay.cluster.actors import doing, first_line, last_line
from selfplay.cluster.placement import event, shortage

log = logging.getLogger(__name__)


MOST_ASIDE = 8
"""Calls in a row that are set aside: then it is not they that are at fault."""

Aside = Callable[[int, str], Any]
"""What stands for the result of a call that is set aside, by its number and why."""


class PoolError(RuntimeError):
    """Work could not be done in spite of retries; the message names the actor and its work."""


@dataclass(slots=True)
class _Slot:
    """One place of the pool. `probe` answers once its actor has started; None: it works."""

    number: int
    actor: Any = None
    probe: Any = None
    since: float = 0.0
    heard: int = 0
    failures: int = 0
    where: dict[str, Any] | None = None

    @property
    def works(self) -> bool:
        return self.actor is not None and self.probe is None


@dataclass(slots=True)
class _Call:
    """A call that runs: which one, where, and until when."""

    index: int
    slot: _Slot
    deadline: float


class ActorPool:
    """Keeps `count` actors and maps calls over those that have started.

    An actor that is lost with its node costs throughput: its call goes to another one, and a new
    actor starts as soon as the cluster has room for it.

    Args:
        role: the actors' name in messages, for instance `scorer`.
        make: makes actor number i; it has methods `doing` and `where` (see actors.whereabouts) in a
            concurrency group of their own.
        deadline_s: wall-clock limit of one call; the actor is killed and replaced after it.
        retries: how often a call is tried again on another or a new actor.
        start_s: wall-clock limit of an actor's start, the wait for its resources included.
        needs: what Ray reserves for one actor, for messages.
    """

    def __init__(
        self,
        role: str,
        make: Callable[[int], Any],
        *,
        count: int,
        deadline_s: float,
        retries: int = 2,
        start_s: float = 300.0,
        needs: Mapping[str, float] | None = None,
    ) -> None:
        self.role = role
        self._make = make
        self._deadline_s = deadline_s
        self._retries = retries
        self._start_s = start_s
        self._needs = dict(needs or {})
        self._latest: tuple[str, tuple[Any, ...]] | None = None
        self._broadcasts = 0
        self._starved_since: float | None = time.monotonic()
        self._aside = 0
        self.replaced = 0
        self.events: list[dict[str, Any]] = []
        """What was placed and lost, where and when, in order; see placement.event."""
        self._slots = [_Slot(number) for number in range(count)]
        for slot in self._slots:
            self._start(slot)

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def actors(self) -> list[Any]:
        """The actors, those that still start included."""
        return [slot.actor for slot in self._slots if slot.actor is not None]

    def map(
        self, method: str, calls: Sequence[tuple[Any, ...]], aside: Aside | None = None
    ) -> list[Any]:
        """Call `method` once per argument tuple, spread over the actors; results in order.

        A call that costs `retries + 1` actors, or that an actor raises on, ends the run, unless
        there is `aside`: what that returns is its result then, and the others go on. MOST_ASIDE in
        a row end the run all the same.

        Raises:
            InputError: an actor said that the input is wrong.
            PoolError: a call failed for good, or no actor remains.
        """
        waiting = deque(range(len(calls)))
        tries = [0] * len(calls)
        running: dict[Any, _Call] = {}
        results: dict[int, Any] = {}
        for slot in self._slots:
            if slot.actor is None:
                self._start(slot)
        while len(results) < len(calls):
            busy = {call.slot.number for call in running.values()}
            for slot in self._slots:
                if waiting and slot.works and slot.number not in busy:
                    index = waiting.popleft()
                    ref = getattr(slot.actor, method).remote(*calls[index])
                    until = time.monotonic() + self._deadline_s
                    running[ref] = _Call(index, slot, until)
            for ref, done in self._wait(running).items():
                call = running.pop(ref)
                try:
                    results[call.index] = self._result(ref, call, method, done)
                    self._aside = 0
                except PoolError as error:
                    results[call.index] = self._set_aside(call.index, error, aside)
                except (RayError, GetTimeoutError) as error:
                    self._lost(call.slot, method, error)
                    tries[call.index] += 1
                    if tries[call.index] <= self._retries:
                        waiting.appendleft(call.index)
                        continue
                    failed = PoolError(
                        f"{self.role} {call.slot.number}: {method} failed "
                        f"{tries[call.index]} times, last: {first_line(error)}"
                    )
                    failed.__cause__ = error
                    results[call.index] = self._set_aside(call.index, failed, aside)
        return [results[i] for i in range(len(calls))]

    def each(self, method: str, *args: Any) -> list[Any]:
        """Call `method(*args)` on every actor that works, at the same time; their results in order.

        What starts meanwhile, or dies and is replaced, is asked the same before it gets any work.

        Raises:
            InputError: an actor said that the input is wrong.
            PoolError: an actor raised.
        """
        self._latest = (method, args)
        self._broadcasts += 1
        self._take_started()
        deadline = time.monotonic() + self._deadline_s
        asked = [(s, getattr(s.actor, method).remote(*args)) for s in self._slots if s.works]
        answers = []
        for slot, ref in asked:
            try:
                answers.append(ray.get(ref, timeout=max(0.0, deadline - time.monotonic())))
                slot.heard = self._broadcasts
            except RayTaskError as error:
                raise self._of_the_task(error, slot, method) from error
            except (RayError, GetTimeoutError) as error:
                self._lost(slot, method, error)
        return answers

    def forget(self) -> None:
        """Send nothing to actors that start from now on: `make` knows all of it."""
        self._latest = None

    def wait_started(self) -> None:
        """Wait until every actor works, for `start_s` at most; raises PoolError if none does."""
        until = time.monotonic() + self._start_s
        while any(s.probe is not None for s in self._slots) and time.monotonic() < until:
            self._wait({})

    def close(self) -> None:
        """Kill every actor."""
        for actor in self.actors:
            ray.kill(actor)
        self._slots = []

    def _result(self, ref: Any, call: _Call, method: str, done: bool) -> Any:
        """Return what a finished or overdue call gives, or raise its error (`_of_the_task`)."""
        if not done:
            raise GetTimeoutError(f"no answer within {self._deadline_s:g} s")
        try:
            return ray.get(ref, timeout=self._deadline_s)
        except RayTaskError as error:
            raise self._of_the_task(error, call.slot, method) from error

    def _set_aside(self, index: int, error: PoolError, aside: Aside | None) -> Any:
        """Return what stands for a call that failed for good, or raise its error."""
        self._aside += 1
        if aside is None or self._aside > MOST_ASIDE:
            raise error
        return aside(index, str(error))

    def _wait(self, running: Mapping[Any, _Call]) -> dict[Any, bool]:
        """Wait for a call or a start to end; return the calls that ended (True) or are overdue."""
        starting = {s.probe: s for s in self._slots if s.probe is not None}
        limits = [call.deadline for call in running.values()]
        limits += [slot.since + self._start_s for slot in starting.values()]
        if not limits:
            raise PoolError(f"no {self.role} remains: each died while it started")
        if any(slot.works for slot in self._slots):
            self._starved_since = None
        elif self._starved_since is None:
            self._starved_since = time.monotonic()
        timeout = max(0.0, min(limits) - time.monotonic())
        done, _ = ray.wait([*running, *starting], timeout=timeout)
        self._take_started()
        now = time.monotonic()
        for probe, slot in starting.items():
            if slot.probe is probe and slot.since + self._start_s <= now:
                self._overdue(slot)
        ended = {ref: True for ref in done if ref in running}
        return ended or {ref: False for ref, call in running.items() if call.deadline <= now}

    def _take_started(self) -> None:
        """Take every start that has ended by now."""
        starting = {s.probe: s for s in self._slots if s.probe is not None}
        if starting:
            done, _ = ray.wait(list(starting), num_returns=len(starting), timeout=0)
            for probe in done:
                self._started(starting[probe])

    def _start(self, slot: _Slot) -> None:
        slot.heard = 0
        slot.where = None
        slot.actor = self._make(slot.number)
        slot.probe = slot.actor.where.remote()
        slot.since = time.monotonic()

    def _started(self, slot: _Slot) -> None:
        """Take the answer of a slot's probe; it now gets the call to all that it missed."""
        probe, slot.probe = slot.probe, None
        try:
            answer = ray.get(probe, timeout=self._deadline_s)
        except RayTaskError as error:
            raise self._of_the_task(error, slot, "starting") from error
        except (RayError, GetTimeoutError) as error:
            self._start_failed(slot, error)
            return
        if slot.where is None:
            slot.where = answer
            self.events.append(event(self.role, slot.number, "placed", answer))
        if slot.heard < self._broadcasts and self._latest is not None:
            method, args = self._latest
            slot.heard = self._broadcasts
            slot.probe = getattr(slot.actor, method).remote(*args)
        else:
            slot.failures = 0

    def _start_failed(self, slot: _Slot, error: Exception) -> None:
        """Try again; give a slot up for now that failed too often, unless it was the last one."""
        slot.failures += 1
        self._report_lost(slot, "starting", error, "starting")
        ray.kill(slot.actor)
        self.replaced += 1
        if slot.failures <= self._retries:
            self._start(slot)
            return
        others = any(s.works or s.probe is not None for s in self._slots if s is not slot)
        if getattr(error, "actor_init_failed", False) or not others:
            raise PoolError(
                f"{self.role} {slot.number}: starting failed {slot.failures} times, "
                f"last: {last_line(error)}"
            ) from error
        slot.actor = None
        slot.failures = self._retries

    def _overdue(self, slot: _Slot) -> None:
        """An actor that has not started in time: go on with the others, or say what is missing."""
        total, free = ray.cluster_resources(), ray.available_resources()
        why = f"not started within {self._start_s:g} s (ray.start_s)"
        if self._needs:
            why += f"; {shortage(self._needs, total, free)}"
        ray.kill(slot.actor)
        starved = self._starved_since
        if starved is not None and time.monotonic() - starved >= self._start_s:
            raise PoolError(f"no {self.role} remains: {self.role} {slot.number} {why}")
        log.warning("%s %d: %s; the run goes on without it", self.role, slot.number, why)
        self._start(slot)

    def _lost(self, slot: _Slot, method: str, error: Exception) -> None:
        self._report_lost(slot, method, error, doing(slot.actor))
        ray.kill(slot.actor)
        self.replaced += 1
        self._start(slot)

    def _report_lost(self, slot: _Slot, method: str, error: Exception, was: str) -> None:
        log.warning(
            "%s %d: %s: %s; it was %s; killed and replaced",
            self.role,
            slot.number,
            method,
            first_line(error),
            was,
        )
        if slot.where is not None:
            self.events.append(event(self.role, slot.number, "lost", slot.where))

    def _of_the_task(self, error: RayTaskError, slot: _Slot, method: str) -> Exception:
        """A Python exception inside an actor is a fault of the input or of ours: no retry."""
        if isinstance(error.cause, InputError):
            return error.cause
        return PoolError(f"{self.role} {slot.number}: {method} raised: {first_line(error.cause)}")
