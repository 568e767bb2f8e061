"""Differences between what is stored and what follows from the rest, each with its place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selfplay.display.text import visible
from selfplay.rundir.writes import plain


class _Words(str):
    """Words of ours in the place of a value."""


ABSENT = _Words("(absent)")
"""Stands for a value that one side lacks."""
CLOSE = 1e-9
"""Numbers this close (relative) are equal: sums may be taken in another order."""
_SHOWN = 160


@dataclass(frozen=True, slots=True)
class Difference:
    """A stored value that is not what follows from the rest.

    `file` is relative to the run's folder; `place` is a row and column or a dotted key in it.
    """

    file: str
    place: str
    stored: Any
    recomputed: Any

    @classmethod
    def words(cls, file: str, place: str, stored: str, recomputed: str) -> Difference:
        """Return a difference between two phrases of ours, which need no quotes."""
        return cls(file, place, _Words(stored), _Words(recomputed))

    def line(self) -> str:
        """Return the difference on one line; whatever a model wrote is made harmless."""
        where = visible(f"{self.file}: {self.place}" if self.place else self.file, 400)
        return f"{where}: stored {_quoted(self.stored)}, recomputed {_quoted(self.recomputed)}"

    def as_dict(self) -> dict[str, Any]:
        """Return the difference as JSON."""
        return {
            "file": self.file,
            "place": self.place,
            "stored": _json(self.stored),
            "recomputed": _json(self.recomputed),
        }


def named_differences(
    file: str, stored: Any, recomputed: Any, place: str = "", *, close: float = CLOSE
) -> list[Difference]:
    """Return every difference between two JSON values, each with its dotted place.

    Keys that one side lacks differ; numbers are equal within `close` (relative). This is how any
    published record is compared: a summary, an evaluation's numbers, a match's, a leaderboard's.

    Args:
        file: the file of `stored`, for the message.
        stored: what was published.
        recomputed: what follows from the rest.
        place: where in the file both stand.
        close: relative tolerance of numbers.
    """
    if isinstance(stored, Mapping) and isinstance(recomputed, Mapping):
        found = []
        for key in dict.fromkeys([*stored, *recomputed]):
            both = stored.get(key, ABSENT), recomputed.get(key, ABSENT)
            found += named_differences(file, *both, _joined(place, str(key)), close=close)
        return found
    if isinstance(stored, (list, tuple)) and isinstance(recomputed, (list, tuple)):
        if len(stored) != len(recomputed):
            sizes = f"{len(stored)} items", f"{len(recomputed)} items"
            return [Difference.words(file, place, *sizes)]
        found = []
        for index, both in enumerate(zip(stored, recomputed, strict=True)):
            found += named_differences(file, *both, f"{place}[{index}]", close=close)
        return found
    same = _same(stored, recomputed, close)
    return [] if same else [Difference(file, place, stored, recomputed)]


def _same(a: Any, b: Any, close: float) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b or math.isclose(a, b, rel_tol=close, abs_tol=close / 1000)
    return bool(a == b)


def _joined(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _quoted(value: Any) -> str:
    if isinstance(value, _Words):
        return visible(value, _SHOWN)
    text = repr(value) if isinstance(value, (str, list, dict, tuple)) else str(value)
    return visible(text, _SHOWN)


def _json(value: Any) -> Any:
    try:
        return plain(value)
    except TypeError:
        return str(value)
