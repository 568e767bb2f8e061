"""Pools of Ray actors with deadlines: what hangs or dies is named, killed, replaced and retried."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from envs.errors import InputError

log = logging.getLogger(__name__)


class PoolError(RuntimeError):
    """Work could not be done in spite of retries; the message names the actor and its work."""


class ActorPool:
    """Keeps `count` actors and maps calls over them.

    Args:
        role: the actors' name in messages, for instance `scorer`.
        make: makes actor number i; it has a method `doing` in a concurrency group of its own.
        deadline_s: wall-clock limit of one call; the actor is killed and replaced behind it.
        retries: how often a call is tried again on another or a new actor.
    """

    def __init__(
        self,
        role: str,
        make: Callable[[int], Any],
        *,
        count: int,
        deadline_s: float,
        retries: int = 2,
    ) -> None:
        self.role = role
        self._make = make
        self._deadline_s = deadline_s
        self._retries = retries
        self.replaced = 0
        self.actors = [make(i) for i in range(count)]

    def __len__(self) -> int:
        return len(self.actors)

    def map(self, method: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call `method` once per argument tuple, spread over the actors; results in order.

        Raises:
            InputError: an actor said that the input is wrong.
            PoolError: a call failed `retries + 1` times.
        """
        waiting = [(i, 0) for i in range(len(calls))][::-1]
        free = list(range(len(self.actors)))
        running: dict[Any, tuple[int, int, int, float]] = {}
        results: dict[int, Any] = {}
        while len(results) < len(calls):
            while waiting and free:
                call, tries = waiting.pop()
                slot = free.pop(0)
                ref = getattr(self.actors[slot], method).remote(*calls[call])
                running[ref] = (call, tries, slot, time.monotonic() + self._deadline_s)
            soonest = min(deadline for *_, deadline in running.values())
            done, _ = ray.wait(list(running), timeout=max(0.0, soonest - time.monotonic()))
            now = time.monotonic()
            for ref in done or [r for r, (*_, deadline) in running.items() if deadline <= now]:
                call, tries, slot, _ = running.pop(ref)
                try:
                    if ref not in done:
                        raise GetTimeoutError(f"no answer within {self._deadline_s:g} s")
                    results[call] = ray.get(ref, timeout=self._deadline_s)
                except RayTaskError as error:
                    raise self._of_the_task(error, slot, method) from error
                except (RayError, GetTimeoutError) as error:
                    self._replace(slot, method, error)
                    if tries >= self._retries:
                        raise PoolError(
                            f"{self.role} {slot}: {method} failed {tries + 1} times, "
                            f"last: {_first_line(error)}"
                        ) from error
                    waiting.append((call, tries + 1))
                free.append(slot)
        return [results[i] for i in range(len(calls))]

    def each(self, method: str, *args: Any) -> list[Any]:
        """Call `method(*args)` once on every actor at the same time; results in order.

        What dies or misses the deadline is replaced and asked once more.

        Raises:
            InputError: an actor said that the input is wrong.
            PoolError: an actor's replacement failed too.
        """
        deadline = time.monotonic() + self._deadline_s
        refs = [getattr(actor, method).remote(*args) for actor in self.actors]
        answers = []
        for slot, ref in enumerate(refs):
            try:
                answers.append(self._answer(ref, slot, method, deadline))
            except (RayError, GetTimeoutError) as error:
                self._replace(slot, method, error)
                again = getattr(self.actors[slot], method).remote(*args)
                try:
                    within = time.monotonic() + self._deadline_s
                    answers.append(self._answer(again, slot, method, within))
                except (RayError, GetTimeoutError) as second:
                    raise PoolError(
                        f"{self.role} {slot}: {method} failed 2 times, last: {_first_line(second)}"
                    ) from second
        return answers

    def _answer(self, ref: Any, slot: int, method: str, deadline: float) -> Any:
        """Return what `ref` stands for; a Python exception inside comes as it is meant."""
        try:
            return ray.get(ref, timeout=max(0.0, deadline - time.monotonic()))
        except RayTaskError as error:
            raise self._of_the_task(error, slot, method) from error

    def close(self) -> None:
        """Kill every actor."""
        for actor in self.actors:
            ray.kill(actor)
        self.actors = []

    def _of_the_task(self, error: RayTaskError, slot: int, method: str) -> Exception:
        """A Python exception inside an actor is a fault of the input or of ours: no retry."""
        if isinstance(error.cause, InputError):
            return error.cause
        return PoolError(f"{self.role} {slot}: {method} raised: {_first_line(error.cause)}")

    def _replace(self, slot: int, method: str, error: Exception) -> None:
        doing = self._doing(slot)
        log.warning(
            "%s %d: %s: %s; it was %s; killed and replaced",
            self.role,
            slot,
            method,
            _first_line(error),
            doing,
        )
        ray.kill(self.actors[slot])
        self.actors[slot] = self._make(slot)
        self.replaced += 1

    def _doing(self, slot: int) -> str:
        try:
            return str(ray.get(self.actors[slot].doing.remote(), timeout=2.0))
        except RayError as error:
            return f"unreachable ({_first_line(error)})"


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
