"""What all checks of a run share: the sample, the scorers, and where findings go."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from selfplay.domains.checks import Checks, checks_of
from selfplay.domains.differences import Difference
from selfplay.verify.finding import Findings
from selfplay.verify.folder import Run
from selfplay.verify.scoring import Rescorer

Progress = Callable[[str], None]


@dataclass
class Work:
    """One verification of a run; `stack` ends the scorers, which then report what they found."""

    run: Run
    findings: Findings
    stack: ExitStack
    sample: int | None
    seed: int
    progress: Progress
    _scorers: dict[tuple[str, bool], Rescorer] = field(default_factory=dict)
    _checks: dict[str, Checks] = field(default_factory=dict)

    def checks(self, name: str) -> Checks:
        """Return what is asked of the domain of that name, the same object each time."""
        if name not in self._checks:
            self._checks[name] = checks_of(self.run.domains[name])
        return self._checks[name]

    def rescorer(self, domain: str, *, evaluating: bool) -> Rescorer:
        """Return the scorer of a domain, started when it is first asked for."""
        key = (domain, evaluating and not self.checks(domain).scores_alike)
        if key not in self._scorers:
            made = Rescorer(self.run.config, domain, evaluating, self.findings, self.run.recorded)
            self.stack.callback(made.close)
            self._scorers[key] = made
        return self._scorers[key]

    def some(self, every: list[Any], purpose: str) -> list[Any]:
        """Return the sample of all that could be scored again; `purpose` is part of its seed."""
        if self.sample is None or self.sample >= len(every):
            return every
        return random.Random(f"verify/{self.seed}/{purpose}").sample(every, self.sample)

    def add(self, file: str, found: Iterable[Difference]) -> None:
        """Add what a check yields up to content that it cannot read."""
        with self.findings.guard(file):
            self.findings.add(found)
