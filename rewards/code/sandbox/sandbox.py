"""Sandbox: signatures only so far."""

from __future__ import annotations

from types import TracebackType

from rewards.code.sandbox.types import Limits, Outcome, ProgramOutcome, Tier, Usage


class Candidate:
    """One program, loaded in a process of its own."""

    load: Outcome

    def __enter__(self) -> Candidate:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def call(
        self,
        function: str,
        args: list[object],
        kwargs: dict[str, object] | None = None,
        *,
        wall_s: float | None = None,
    ) -> Outcome:
        """Call a function of the candidate's module. Raises SandboxError."""
        raise NotImplementedError

    def close(self) -> Usage:
        """Kill and reap it; safe to call twice. Raises SandboxError."""
        raise NotImplementedError


class Sandbox:
    """One zygote; each candidate is a fork of it. Not thread-safe."""

    tier: Tier

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        bubblewrap: bool | None = None,
        allow_weak: bool = False,
        hash_seed: int = 0,
    ) -> None:
        """Start the zygote, attack it and print the tier; None: bubblewrap where it works.

        Raises InputError where only rlimits hold and `allow_weak` is false.
        """
        raise NotImplementedError

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def doing(self) -> str:
        """What it is working on, for watchdogs; `idle` otherwise."""
        raise NotImplementedError

    def open(self, source: str, *, limits: Limits | None = None, seed: int = 0) -> Candidate:
        """Fork a candidate and execute the source in it. Raises SandboxError."""
        raise NotImplementedError

    def run_program(
        self, source: str, stdin: str, *, limits: Limits | None = None, seed: int = 0
    ) -> ProgramOutcome:
        """Run a whole program. Raises SandboxError."""
        raise NotImplementedError

    def close(self) -> None:
        """Kill the zygote and all its candidates, and reap it."""
        raise NotImplementedError
