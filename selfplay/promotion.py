"""The gate: a version becomes champion when it is better in one thing and worse in none.

Every item of a suite has a utility for each policy, and the two policies meet item by item:

- code: 1 if all hidden tests pass, else 0;
- chess: 0 for an illegal answer, which loses the game, else 1 - regret, what was kept of the best
  move's winning chances;
- puzzles: 1 if solved.

A suite is better (worse) when the mean difference is above (below) 0 and a paired sign-flip test
rejects "no difference" at 5% behind Holm's correction over the suites (Holm 1979, Scand. J. Stat.
6, 65-70). The bootstrap interval of the difference stands beside it for the reader.

With `promotion.match` the games between the two count as well, judged by a sequential test of their
own (ratings/sequential.py): a version that is no better than the champion is promoted with at most
5% by the suites and `promotion.alpha` by the games.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from selfplay.ratings.sequential import Finding
from selfplay.stats import Interval, holm, paired_bootstrap, sign_flip_p

ALPHA = 0.05

Change = Literal["better", "worse", "even"]
GAMES = "games"
"""What the games are called among the suites."""


@dataclass(frozen=True, slots=True)
class SuiteChange:
    """What became of one suite: mean difference in utility, its p, and what that means."""

    suite: str
    difference: Interval
    p: float
    change: Change


@dataclass(frozen=True, slots=True)
class GamesChange:
    """What the games said; `evidence` is JSON: pairs, Elo, both tests, where the games are."""

    change: Finding
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the candidate becomes champion, and why; `games` is None where none were played."""

    promoted: bool
    worse: bool
    reason: str
    suites: tuple[SuiteChange, ...]
    games: GamesChange | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the decision with its evidence as JSON."""
        row: dict[str, Any] = {
            "promoted": self.promoted,
            "reason": self.reason,
            "suites": {
                s.suite: {"change": s.change, "p": s.p, "difference": s.difference.as_dict()}
                for s in self.suites
            },
        }
        if self.games is not None:
            row[GAMES] = {"change": self.games.change, **self.games.evidence}
        return row


def utility(row: Mapping[str, Any]) -> float | None:
    """Return what an answer was worth in [0, 1]; None where it was never scored."""
    if "solved" in row:
        return float(bool(row["solved"]))
    verdict = row.get("verdict")
    if verdict is None or verdict == "infra_error":
        return None
    if "random_regret" in row:
        regret = row.get("regret")
        return 0.0 if regret is None else 1.0 - float(regret)
    return float(verdict == "pass")


def decide(
    champion: Mapping[str, Any], candidate: Mapping[str, Any], games: GamesChange | None = None
) -> Decision:
    """Return whether the policy of evaluation `candidate` replaces that of `champion`.

    Both are evaluation records with rows; only suites and tasks that both have are compared.
    `games` are those that the two played, from the candidate's side.
    """
    tested = []
    for suite, numbers in candidate["suites"].items():
        before = _utilities(champion["suites"].get(suite, {}))
        after = _utilities(numbers)
        both = [task for task in after if task in before]
        if both:
            new, old = [after[t] for t in both], [before[t] for t in both]
            gain = [a - b for a, b in zip(new, old, strict=True)]
            tested.append((suite, paired_bootstrap(new, old), sign_flip_p(gain)))
    changes = tuple(_judged(tested))
    found = [(c.suite, str(c.change)) for c in changes]
    if games is not None:
        found.append((GAMES, games.change))
    worse = [name for name, change in found if change == "worse"]
    better = [name for name, change in found if change == "better"]
    if worse:
        return Decision(False, True, f"worse in {', '.join(worse)}", changes, games)
    if not better:
        return Decision(False, False, "better in none", changes, games)
    reason = f"better in {', '.join(better)}, worse in none"
    return Decision(True, False, reason, changes, games)


def _utilities(numbers: Mapping[str, Any]) -> dict[str, float]:
    found = {}
    for row in numbers.get("rows", []):
        value = utility(row)
        if value is not None:
            found[str(row["task_id"])] = value
    return found


def _judged(tested: list[tuple[str, Interval, float]]) -> list[SuiteChange]:
    """Judge each suite behind Holm's correction over all of them."""
    changes = []
    adjusted = holm([p for _, _, p in tested])
    for (suite, difference, p), certain in zip(tested, adjusted, strict=True):
        change: Change = "even"
        if certain <= ALPHA and difference.value:
            change = "better" if difference.value > 0 else "worse"
        changes.append(SuiteChange(suite, difference, p, change))
    return changes
