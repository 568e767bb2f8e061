"""Which tasks to draw next, by how often each kind has been solved lately.

A group of answers teaches something only if some are right and some are wrong. An arm (a family at
a level, or one task of a file) is drawn with weight p (1 - p), the variance of its reward, where p
is its running solve rate: "Learning to Reason at the Frontier of Learnability" (Foster et al. 2025,
arXiv:2502.12272). Arms that are always solved retire; those never solved keep a small weight, since
they may come within reach.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from envs.errors import InputError

_PRIOR = 4.0
"""How many tries the rate of an arm's group counts for in the arm's own."""
_BUCKETS = (("never", 0.0, 0.02), ("seldom", 0.02, 0.3), ("half", 0.3, 0.7), ("often", 0.7, 1.01))


@dataclass(slots=True)
class Arm:
    """One arm: the group it belongs to and what became of its tries, older ones counting less."""

    group: str
    solved: float = 0.0
    tried: float = 0.0
    draws: int = 0
    retired: bool = False


class Curriculum:
    """Draws arms by their running solve rate; the same seed and answers draw the same arms."""

    def __init__(
        self,
        name: str,
        *,
        seed: int,
        retire_at: float = 0.9,
        retire_after: int = 16,
        memory: int = 64,
        floor: float = 0.02,
    ) -> None:
        """Start without arms; `add` them.

        An arm retires at a solve rate of `retire_at` over at least `retire_after` tries; should it
        be drawn again for want of others, a worse rate brings it back. `memory`
        is the number of tries that the running rate looks back on (each older one counts
        1 - 1/memory of the next), `floor` what is added to p (1 - p).

        Raises InputError for a setting out of its range.
        """
        if not 0 < retire_at <= 1:
            raise InputError(f"code.curriculum.retire_at: {retire_at} is no rate; give 0.9, say")
        if not 1 <= retire_after <= memory / 2:
            raise InputError(
                f"code.curriculum.retire_after: {retire_after} does not lie between 1 and half of "
                f"memory ({memory}); give 16 of 64, say"
            )
        if not 0 <= floor <= 1:
            raise InputError(f"code.curriculum.floor: {floor} is no weight; give 0 to 1")
        self._name = name
        self._seed = seed
        self._retire_at, self._retire_after = retire_at, retire_after
        self._keep = 1.0 - 1.0 / memory
        self._floor = floor
        self._draws = 0
        self._arms: dict[str, Arm] = {}

    def add(self, arm: str, group: str) -> None:
        """Add an arm; `group` lends its solve rate to arms that have none of their own yet."""
        if arm in self._arms:
            raise ValueError(f"arm {arm} is there already")
        self._arms[arm] = Arm(group)

    def remove(self, arm: str) -> None:
        """Forget an arm and its tries. Raises KeyError for an unknown one."""
        del self._arms[arm]

    def __contains__(self, arm: str) -> bool:
        return arm in self._arms

    def arms(self) -> Mapping[str, Arm]:
        """Return the arms by name, for reading."""
        return self._arms

    def draw(self, taken: Collection[str] = ()) -> str | None:
        """Return the arm to ask next, none of `taken`, or None where there is no other.

        Retired arms come back only while all others are taken or retired.
        """
        free = [name for name in self._arms if name not in taken]
        active = [name for name in free if not self._arms[name].retired] or free
        if not active:
            return None
        rng = random.Random(f"{self._seed}/{self._name}/{self._draws}")
        self._draws += 1
        groups = self._group_rates()
        weights = [self._weight(self._arms[name], groups) for name in active]
        (name,) = rng.choices(active, weights)
        self._arms[name].draws += 1
        return name

    def record(self, arm: str, solved: int, tried: int) -> None:
        """Take the outcome of a group: `solved` of `tried` answers passed."""
        if not 0 <= solved <= tried:
            raise ValueError(f"{solved} of {tried} answers cannot have passed")
        stats = self._arms[arm]
        keep = self._keep**tried
        stats.solved = stats.solved * keep + solved
        stats.tried = stats.tried * keep + tried
        if stats.tried >= self._retire_after:
            stats.retired = stats.solved >= self._retire_at * stats.tried

    def rate(self, arm: str) -> float:
        """Return the running solve rate of an arm, its group's where it has no tries yet."""
        return self._rate(self._arms[arm], self._group_rates())

    def metrics(self) -> dict[str, float]:
        """Return the distribution: arms retired, untried and by solve rate, and the mean rate."""
        groups = self._group_rates()
        arms = list(self._arms.values())
        tried = [arm for arm in arms if arm.tried > 0 and not arm.retired]
        rates = [arm.solved / arm.tried for arm in tried]
        metrics = {
            "arms": float(len(arms)),
            "retired": float(sum(arm.retired for arm in arms)),
            "untried": float(sum(arm.tried == 0 and not arm.retired for arm in arms)),
        }
        for name, low, high in _BUCKETS:
            metrics[name] = float(sum(low <= rate < high for rate in rates))
        for group, rate in sorted(groups.items()):
            metrics[f"rate/{group}"] = rate
        return metrics

    def state(self) -> dict[str, Any]:
        """Return everything as JSON; `restore` goes on from it exactly."""
        return {
            "draws": self._draws,
            "arms": {
                name: [arm.group, arm.solved, arm.tried, arm.draws, arm.retired]
                for name, arm in self._arms.items()
            },
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`, in place of what was there."""
        self._draws = state["draws"]
        self._arms = {name: Arm(*fields) for name, fields in state["arms"].items()}

    def _group_rates(self) -> dict[str, float]:
        """Return each group's rate over its arms, with one success and one failure put in."""
        solved: dict[str, float] = {}
        tried: dict[str, float] = {}
        for arm in self._arms.values():
            solved[arm.group] = solved.get(arm.group, 1.0) + arm.solved
            tried[arm.group] = tried.get(arm.group, 2.0) + arm.tried
        return {group: solved[group] / tried[group] for group in solved}

    def _rate(self, arm: Arm, groups: Mapping[str, float]) -> float:
        return (arm.solved + _PRIOR * groups[arm.group]) / (arm.tried + _PRIOR)

    def _weight(self, arm: Arm, groups: Mapping[str, float]) -> float:
        rate = self._rate(arm, groups)
        return rate * (1.0 - rate) + self._floor
