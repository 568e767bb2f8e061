"""The gate: a version becomes champion when it is better in one thing and worse in none.

Every item of a suite has a utility for each policy, and the two policies are compared item by item:
what its domain says that the answer was worth, in [0, 1] (Domain.utility). By default that is 1 for
a pass and 0 for anything else; a chess move is worth what it kept of the best move's chances.

A suite is better (worse) when the mean difference is above (below) 0 and a paired sign-flip test
rejects "no difference" at 5% after Holm's correction over the suites (Holm 1979, Scand. J. Stat.
6, 65-70). The signs of whole clusters are flipped (stats/clustered.py): tasks of one family are
solved or lost together. Without a difference in truth each is found in at most 2.5% of decisions;
`benchmarks/gate_errors.py` simulates it.

That a loss was not shown does not show that there is none. "Worse in none" is non-inferiority: in
every suite that is not better, a loss of `promotion.margin` is excluded at a one-sided 2.5%
(clustered.worst_difference; each suite must show it, so that no correction is due: Berger 1982,
Technometrics 24, 295-300).

With `promotion.match` the games between the two count as well, judged by a sequential test of their
own (ratings/sequential.py): a version that is no better than the champion is promoted with at most
2.5% by the suites and `promotion.alpha` by the games.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from selfplay.ratings.sequential import Finding
from selfplay.stats.clustered import (
    FORMULA,
    change_p,
    cluster_of,
    difference,
    stated,
    worst_difference,
)
from selfplay.stats.intervals import Interval, holm

ALPHA = 0.05
MARGIN = 0.1
"""Default of `promotion.margin`, in utility."""

Utility = Callable[[str, Mapping[str, Any]], float | None]
"""What an answer was worth in [0, 1], by suite and row; None where it was never scored."""
Change = Literal["better", "worse", "even"]
GAMES = "games"
"""What the games are called among the suites."""


@dataclass(frozen=True, slots=True)
class SuiteChange:
    """What became of one suite: mean difference in utility, its p, and what that means.

    `worst` is the lowest difference that is not excluded, and `not_worse` whether that is less of a
    loss than the margin; None where it was not asked (formula 1).
    """

    suite: str
    difference: Interval
    p: float
    change: Change
    worst: float | None = None
    not_worse: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the change as JSON."""
        loss = {} if self.worst is None else {"not_worse": self.not_worse, "worst": self.worst}
        return {"change": self.change, **loss, "p": self.p, "difference": self.difference.as_dict()}


@dataclass(frozen=True, slots=True)
class GamesChange:
    """What the games said; `evidence` is JSON: pairs, Elo, both tests, where the games are."""

    change: Finding
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the candidate becomes champion, and why; `games` is None where none were played.

    `margin` is None and `formula` 1 in older decisions; see selfplay/stats/clustered.py.
    """

    promoted: bool
    worse: bool
    reason: str
    suites: tuple[SuiteChange, ...]
    games: GamesChange | None = None
    margin: float | None = None
    formula: int = FORMULA

    def as_dict(self) -> dict[str, Any]:
        """Return the decision with its evidence as JSON."""
        row: dict[str, Any] = {
            "promoted": self.promoted,
            "reason": self.reason,
            "suites": {s.suite: s.as_dict() for s in self.suites},
            **stated(self.formula),
        }
        if self.margin is not None:
            row["margin"] = self.margin
        if self.games is not None:
            row[GAMES] = {"change": self.games.change, **self.games.evidence}
        return row


def decide(
    champion: Mapping[str, Any],
    candidate: Mapping[str, Any],
    games: GamesChange | None = None,
    *,
    utility: Utility,
    margin: float = MARGIN,
    formula: int = FORMULA,
) -> Decision:
    """Return whether the policy of evaluation `candidate` replaces that of `champion`.

    Args:
        champion, candidate: evaluation records with rows; only suites and tasks that both have are
            compared.
        games: those that the two played, from the candidate's side.
        utility: of a suite's row (Domain.utility).
        margin: the loss in utility that must be excluded in every suite that is not better.
        formula: 1 decides as it was done once: item by item and without a margin.
    """
    tested = []
    for suite, numbers in candidate["suites"].items():
        before = _utilities(suite, champion["suites"].get(suite, {}), utility)
        after = _utilities(suite, numbers, utility)
        both = [task for task in after if task in before]
        if both:
            new, old = [after[t][0] for t in both], [before[t][0] for t in both]
            of = [after[t][1] for t in both]
            gain = [a - b for a, b in zip(new, old, strict=True)]
            worst = None if formula == 1 else worst_difference(new, old, of)
            p = change_p(gain, of, formula)
            tested.append((suite, difference(new, old, of, formula), p, worst))
    changes = tuple(_judged(tested, margin))
    found = [(c.suite, str(c.change)) for c in changes]
    if games is not None:
        found.append((GAMES, games.change))
    worse = [name for name, change in found if change == "worse"]
    better = [name for name, change in found if change == "better"]
    doubted = [c.suite for c in changes if c.not_worse is False]

    def decision(promoted: bool, reason: str) -> Decision:
        asked = None if formula == 1 else margin
        return Decision(promoted, bool(worse), reason, changes, games, asked, formula)

    if worse:
        return decision(False, f"worse in {', '.join(worse)}")
    if not better:
        return decision(False, "better in none")
    if doubted:
        lost = f"a loss of {margin:g} is not excluded in {', '.join(doubted)}"
        return decision(False, f"better in {', '.join(better)}, but {lost}")
    return decision(True, f"better in {', '.join(better)}, worse in none")


def items_of(evaluation: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the items that an evaluation asked, as (suite, task)."""
    suites = evaluation["suites"].items()
    return {
        (suite, str(r["task_id"])) for suite, numbers in suites for r in numbers.get("rows", [])
    }


def _utilities(
    suite: str, numbers: Mapping[str, Any], utility: Utility
) -> dict[str, tuple[float, str]]:
    """Return task -> what its answer was worth, and its cluster."""
    found = {}
    for row in numbers.get("rows", []):
        value = utility(suite, row)
        if value is not None:
            found[str(row["task_id"])] = value, cluster_of(row)
    return found


def _judged(
    tested: list[tuple[str, Interval, float, float | None]], margin: float
) -> list[SuiteChange]:
    """Judge each suite after Holm's correction over all of them."""
    changes = []
    adjusted = holm([p for _, _, p, _ in tested])
    for (suite, gain, p, worst), certain in zip(tested, adjusted, strict=True):
        change: Change = "even"
        if certain <= ALPHA and gain.value:
            change = "better" if gain.value > 0 else "worse"
        not_worse = None if worst is None else change == "better" or worst > -margin
        changes.append(SuiteChange(suite, gain, p, change, worst, not_worse))
    return changes
