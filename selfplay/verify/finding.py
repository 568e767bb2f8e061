"""What verification finds: differences, what could not be checked, and how much was looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from selfplay.domains.differences import Difference

Verdict = Literal["agrees", "differs", "incomplete"]

CONTENT = (
    *(KeyError, IndexError, TypeError, ValueError, AttributeError),
    *(ArithmeticError, RecursionError),
)
"""What malformed content makes a recomputation raise; InputError is a ValueError."""
FAULTS = (*CONTENT, OSError)
"""The same, and what a file that cannot be read does."""


@dataclass(slots=True)
class Findings:
    """What all checks found. `unchecked` says what is missing, `checked` counts what was done."""

    differences: list[Difference] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    digest: str | None = None
    """sha256 of the run's SHA256SUMS: the one number to note elsewhere (rundir/checksums.py)."""

    @property
    def verdict(self) -> Verdict:
        """`differs` if anything does; else `incomplete` if something could not be checked."""
        if self.differences:
            return "differs"
        return "incomplete" if self.unchecked else "agrees"

    def add(self, found: Iterable[Difference]) -> None:
        """Take differences, one by one: those before a fault stay."""
        for difference in found:
            self.differences.append(difference)

    @contextmanager
    def guard(self, file: str) -> Iterator[None]:
        """Let content that nothing can be recomputed from be a difference of `file`."""
        try:
            yield
        except FAULTS as error:
            fault = f"{type(error).__name__}: {error}"
            self.add([Difference.words(file, "", "content that nothing follows from", fault)])

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "verdict": self.verdict,
            "differences": [difference.as_dict() for difference in self.differences],
            "unchecked": self.unchecked,
            "notes": self.notes,
            "checked": dict(self.checked),
            "digest": self.digest,
        }
