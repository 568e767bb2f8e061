"""Better, worse or neither, while a match goes on: a sequential test and its mirror image.

An SPRT alone distinguishes "elo1 or more" from "elo0 or less"; that a player is not better does not
make it worse. So the same test runs twice, once for each side, on the same pairs, and the match
ends when either is accepted (better, worse) or both are rejected (even). Each error keeps the rate
of its own
test: a player that is not elo0 away is called better, or worse, with probability alpha at most.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from selfplay.ratings.sprt import Sprt, SprtResult, judged_share, llr_exact_of_many

Finding = Literal["better", "worse", "even", "undecided"]


class TwoSidedSprt:
    """Judges the pairs 1, 2, 3, ... of a match by their numbers, whatever order they end in.

    Short games end first and are not like the others, so a test that took pairs as they come would
    lean; and it would decide otherwise when the match was interrupted. What follows the decision is
    not counted.
    """

    def __init__(self, sprt: Sprt, max_pairs: int) -> None:
        self.max_pairs = max_pairs
        self.finding: Finding = "undecided"
        self.counts = [0, 0, 0, 0, 0]
        self._sprt = sprt
        self._waiting: dict[int, float] = {}
        self._next = 1

    @property
    def pairs(self) -> int:
        """How many pairs have been judged."""
        return self._next - 1

    @property
    def done(self) -> bool:
        """Whether the match may end: it is decided, or no pair remains."""
        return self.finding != "undecided" or self.pairs >= self.max_pairs

    @property
    def better(self) -> SprtResult:
        """Where the test "the first player is better" stands."""
        return self._sprt.judge(self.counts)

    @property
    def worse(self) -> SprtResult:
        """Where the test "the second player is better" stands."""
        return self._sprt.judge(self.counts[::-1])

    def add(self, pair: int, points: float) -> None:
        """Take the first player's points (0 to 2) of a finished pair.

        Raises ValueError for a pair that was added before, and for impossible points.
        """
        if pair < self._next or pair in self._waiting:
            if self.done:
                return
            raise ValueError(f"pair {pair} was counted already")
        if points not in (0, 0.5, 1, 1.5, 2):
            raise ValueError(f"pair {pair}: {points} points of 2")
        self._waiting[pair] = points
        while not self.done and self._next in self._waiting:
            self.counts[round(2 * self._waiting.pop(self._next))] += 1
            self._next += 1
            self._judge()

    def as_dict(self) -> dict[str, Any]:
        """Return the evidence as JSON: counts, Elo of the first player, both tests."""
        better, worse = self.better, self.worse
        shown = ("verdict", "llr", "llr_judged", "llr_approximate")
        return {
            "pairs": self.pairs,
            "pentanomial": list(self.counts),
            "elo": {
                key: value if isinstance(value, (int, float)) and math.isfinite(value) else None
                for key, value in better.elo.as_dict().items()
            },
            "elo0": self._sprt.elo0,
            "elo1": self._sprt.elo1,
            "bounds": [self._sprt.lower, self._sprt.upper],
            "better": {key: better.as_dict()[key] for key in shown},
            "worse": {key: worse.as_dict()[key] for key in shown},
        }

    def _judge(self) -> None:
        sprt = self._sprt
        # Sprt.judge's numbers for both at once, without what is only reported at the end.
        both = llr_exact_of_many([self.counts, self.counts[::-1]], sprt.elo0, sprt.elo1)
        better, worse = both * judged_share(self.pairs)
        if better >= sprt.upper:
            self.finding = "better"
        elif worse >= sprt.upper:
            self.finding = "worse"
        elif max(better, worse) <= sprt.lower:
            self.finding = "even"
