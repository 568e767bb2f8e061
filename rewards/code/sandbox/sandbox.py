"""Sandbox: starts a zygote, attacks it to learn what holds, and forks candidates from it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable
from typing import Any

from envs.errors import InputError
from rewards.closing import Closes
from rewards.code.sandbox import launch, selfattack
from rewards.code.sandbox.candidate import Candidate, Doing
from rewards.code.sandbox.channel import FloodError, Sink
from rewards.code.sandbox.process import StartError, Zygote
from rewards.code.sandbox.types import (
    Call,
    Limits,
    Outcome,
    ProgramOutcome,
    SandboxError,
    Tier,
)

_MAX_SOURCE = 1_000_000
"""Characters; a longer program is refused as a syntax error."""
_printed: set[str] = set()


class Sandbox(Closes):
    """One zygote; each candidate is a fork of it. Not thread-safe.

    What it covers and what it does not stands at the top of the package.
    """

    try_landlock = True
    try_seccomp = True
    """Whether to use the layers where the kernel has them; subclasses in tests say no."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        bubblewrap: bool | None = None,
        allow_weak: bool = False,
        hash_seed: int = 0,
    ) -> None:
        """Start the zygote, attack it, and print the tier reached to stderr, once per process.

        `bubblewrap`: True demands it, False goes without, None takes it where it works.
        `hash_seed` and the `seed` of `open` make a program's answers repeatable. Raises InputError
        where only rlimits hold and `allow_weak` is false, where the system cannot run any sandbox,
        and for settings that cannot be met; SandboxError when the self-attack could not be made.
        """
        launch.check_platform()
        self.limits = limits or Limits()
        self._hash_seed = hash_seed
        self._doing = Doing()
        self._zygote: Zygote | None = None
        self._closed = False
        self._wrapper: str | None = None
        try:
            self._start_best(bubblewrap)
            self.attacks = selfattack.attack(self)
            self.tier = self._decide(allow_weak)
        except BaseException:
            self.close()
            raise
        self._print()

    @property
    def doing(self) -> str:
        """What it is working on, for watchdogs; `idle` otherwise."""
        return self._doing.text

    @property
    def zygote_pid(self) -> int | None:
        """Process id of the running zygote; None while there is none."""
        return self._zygote.pid if self._zygote is not None and self._zygote.alive else None

    def open(
        self,
        source: str,
        *,
        limits: Limits | None = None,
        seed: int = 0,
        ahead: Iterable[Call] = (),
    ) -> Candidate:
        """Fork a candidate and execute the source in it, as module `solution`.

        `limits` replaces the sandbox's for this one; `seed` is what `random` starts from; `ahead`
        are the calls to come, as far as they are known (`Candidate.load_source`). Raises
        SandboxError, after which the next call may work.
        """
        candidate = self._spawn(limits or self.limits, [])
        if len(source) > _MAX_SOURCE:
            candidate.load = _too_long(source)
            return candidate
        try:
            candidate.load_source(source, seed, ahead)
        except BaseException:
            with contextlib.suppress(SandboxError):
                candidate.close()
            raise
        return candidate

    def run_program(
        self, source: str, stdin: str, *, limits: Limits | None = None, seed: int = 0
    ) -> ProgramOutcome:
        """Run a whole program, as `__main__`, on a text as its stdin. Raises SandboxError."""
        limits = limits or self.limits
        given = _readable_file(stdin.encode("utf-8", "surrogateescape"))
        output, their_output = os.pipe()
        try:
            candidate = self._spawn(limits, [given, their_output])
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(given)
            os.close(their_output)
        sink = Sink(output, limits.output_bytes)
        try:
            with candidate:
                if len(source) > _MAX_SOURCE:
                    outcome = _too_long(source)
                else:
                    outcome = candidate.run(source, seed, sink)
            usage = candidate.close()
            try:
                sink.drain()
            except FloodError:
                outcome = Outcome("output", None, f"more than {sink.limit} bytes", outcome.seconds)
        finally:
            os.close(output)
        text = sink.data.decode("utf-8", "replace")
        return ProgramOutcome(outcome.status, text, outcome.detail, outcome.seconds, usage)

    def beside(
        self, server: tuple[str, ...], hash_seed: int, *, numpy: bool | None = None
    ) -> Zygote:
        """Return another zygote, confined as this one is, whose forks run `server` (launch.start).

        `numpy` says whether they may import it, None as the sandbox's own. The caller kills it.
        Raises SandboxError.
        """
        mine = self._living()
        try:
            own = {} if numpy is None else {"numpy": numpy}
            other = self._start(self._wrapper, server=server, hash_seed=hash_seed, **own)
        except StartError as error:
            raise SandboxError(f"the tests' process did not start: {error}") from error
        if (other.landlock, other.seccomp) != (mine.landlock, mine.seccomp):
            other.kill()
            raise SandboxError("the tests' process has other layers than the sandbox")
        return other

    def close(self) -> None:
        """Kill the zygote and all its candidates, and reap it."""
        self._closed = True
        if self._zygote is not None:
            self._zygote.kill()

    def _spawn(self, limits: Limits, extra: list[int]) -> Candidate:
        if limits.numpy != self.limits.numpy:
            raise ValueError("limits.numpy is the sandbox's own and the same for all candidates")
        return Candidate(self._living(), limits, self._doing, extra)

    def _living(self) -> Zygote:
        """Return the zygote, a new one where the last died. Raises SandboxError."""
        if self._closed:
            raise SandboxError("the sandbox is closed")
        if self._zygote is None or not self._zygote.alive:
            old = self._zygote
            try:
                self._zygote = self._start(self._wrapper)
            except StartError as error:
                raise SandboxError(f"the zygote could not be replaced: {error}") from error
            if old is not None and (old.landlock, old.seccomp) != (
                self._zygote.landlock,
                self._zygote.seccomp,
            ):
                self._zygote.kill()
                raise SandboxError("the new zygote has other layers than the old one")
        return self._zygote

    def _start(self, wrapper: str | None, **other: Any) -> Zygote:
        arguments = {"numpy": self.limits.numpy, "hash_seed": self._hash_seed} | other
        return Zygote(
            bubblewrap=wrapper,
            landlock=self.try_landlock,
            seccomp=self.try_seccomp,
            **arguments,
        )

    def _start_best(self, bubblewrap: bool | None) -> None:
        wrapper = None if bubblewrap is False else launch.find_bubblewrap()
        if bubblewrap and wrapper is None:
            raise InputError(
                "sandbox.bubblewrap=true: no bwrap on PATH; run `apt-get install bubblewrap`"
            )
        if wrapper is not None:
            try:
                self._zygote = self._start(wrapper)
                self._wrapper = wrapper
                return
            except StartError as error:
                if bubblewrap:
                    raise InputError(
                        f"sandbox.bubblewrap=true: it does not work here ({error}); "
                        "allow user namespaces or leave the setting out"
                    ) from error
        try:
            self._zygote = self._start(None)
        except StartError as error:
            raise SandboxError(f"the zygote did not start: {error}") from error

    def _decide(self, allow_weak: bool) -> Tier:
        zygote = self._living()
        through = [name for name, refused in self.attacks.items() if not refused]
        if zygote.seccomp and not through:
            if not zygote.landlock:
                return Tier.SECCOMP
            return Tier.LANDLOCK if self._wrapper is None else Tier.BUBBLEWRAP
        if allow_weak:
            return Tier.RLIMITS
        raise InputError(
            f"the code sandbox does not hold here: {', '.join(through) or 'no seccomp'} got "
            "through; use a kernel with seccomp and Landlock, or set sandbox.allow_weak=true to "
            "run models' programs with rlimits alone"
        )

    def _print(self) -> None:
        refused = sum(self.attacks.values())
        text = f"sandbox: {self.tier.value} ({refused} of {len(self.attacks)} attacks refused)"
        if text not in _printed:
            _printed.add(text)
            print(text, file=sys.stderr, flush=True)


def _too_long(source: str) -> Outcome:
    return Outcome("syntax", detail=f"a program of {len(source)} characters")


def _readable_file(data: bytes) -> int:
    """Return a descriptor, for reading alone, of an anonymous file."""
    writable = os.memfd_create("stdin")
    try:
        with os.fdopen(os.dup(writable), "wb") as file:
            file.write(data)
        return os.open(f"/proc/self/fd/{writable}", os.O_RDONLY)
    finally:
        os.close(writable)
