"""Do the gate's decisions and the intervals over families hold? Simulated, with seeds.

    python benchmarks/gate_errors.py [--trials 1000] [--out FILE]

512 tasks of 59 families as in `code/families`, outcomes within a family correlated by 0.64 (the
intraclass correlation measured there). Two versions without a difference in truth are drawn from
one population: each family keeps its chance of being solved from one version to the next, or, with
the chance *turnover*, draws a new one. Counting tasks as independent (formula 1) is beside counting
families (stats/clustered.py). At most 3% of decisions each way may be wrong; what remains is
the power to find a true gain, and how often a version without a loss passes the margin.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selfplay.gate.decide import ALPHA, MARGIN
from selfplay.stats.clustered import change_p, share, worst_difference
from selfplay.stats.intervals import wilson

FAMILIES, TASKS, CORRELATION, PASSED = 59, 512, 0.64, 0.35

Table = list[list[str]]


class Versions:
    """Two versions that answer the same tasks; the second is drawn from the first's population.

    Args:
        families, tasks: how many; tasks are dealt to families in turn.
        turnover: chance that a family's chance is drawn anew for the second version.
        gain: chance that a family which the second version would fail is one that it has learnt.
        loss: the same for families that it has forgotten.
    """

    def __init__(
        self,
        families: int = FAMILIES,
        tasks: int = TASKS,
        turnover: float = 0.2,
        gain: float = 0.0,
        loss: float = 0.0,
    ) -> None:
        self.of = np.arange(tasks) % families
        self.families, self.turnover, self.gain, self.loss = families, turnover, gain, loss

    def draw(self, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which tasks each version passes."""
        old = chances(rng, PASSED, CORRELATION, self.families)
        anew = rng.random(self.families) < self.turnover
        new = np.where(anew, chances(rng, PASSED, CORRELATION, self.families), old)
        luck = rng.random(self.families)
        new = np.where(luck < self.gain, np.maximum(new, 0.95), new)
        new = np.where(luck > 1 - self.loss, np.minimum(new, 0.05), new)
        # One draw for both: a greedy answer that did not change stays what it was.
        seen = rng.random(self.of.size)
        fresh = np.where(anew[self.of], rng.random(self.of.size), seen)
        return seen < old[self.of], fresh < new[self.of]

    def evaluations(self, rng: np.random.Generator) -> list[dict[str, object]]:
        """Return both as evaluations of one suite."""
        names = [f"families/f{family}/1/{task}" for task, family in enumerate(self.of)]
        return [
            {
                "suites": {
                    "code/families": {
                        "rows": [
                            {"task_id": name, "key": name, "verdict": "pass" if ok else "fail"}
                            for name, ok in zip(names, passes, strict=True)
                        ]
                    }
                }
            }
            for passes in self.draw(rng)
        ]


def chances(
    rng: np.random.Generator, p: float, correlation: float, families: int
) -> NDArray[np.float64]:
    """Return each family's chance, beta-distributed: outcomes of mean p and that correlation."""
    total = 1 / correlation - 1
    return rng.beta(p * total, (1 - p) * total, families)


def decisions(versions: Versions, trials: int, formula: int = 2) -> Counter[str]:
    """Return how often the suite was called better and worse, and `not_worse` passed."""
    found: Counter[str] = Counter()
    names = [str(family) for family in versions.of]
    for trial in range(trials):
        old, new = versions.draw(np.random.default_rng([trial, 11]))
        gain = new.astype(float) - old
        # What promotion.decide does of one suite, without the interval that it only shows.
        change = "even"
        if change_p(gain, names, formula) <= ALPHA and gain.sum():
            change = "better" if gain.sum() > 0 else "worse"
        found[change] += 1
        if formula > 1:
            passed = worst_difference(new.astype(float), old.astype(float), names) > -MARGIN
            found["not_worse"] += change == "better" or passed
    return found


def share_coverage(
    p: float, correlation: float, families: int, tasks: int, trials: int, *, clustered: bool
) -> tuple[float, float]:
    """Return how often the interval of a pass rate lies wholly above, and below, the truth."""
    of = np.arange(tasks) % families
    names = [f"{family:04}" for family in of]
    above = below = 0
    for trial in range(trials):
        rng = np.random.default_rng([trial, 7])
        flags = rng.random(tasks) < chances(rng, p, correlation, families)[of]
        found = share(flags.tolist(), names) if clustered else wilson(int(flags.sum()), tasks)
        above += found.low > p
        below += found.high < p
    return above / trials, below / trials


def tables(trials: int, progress: Callable[[str], None] = lambda text: None) -> dict[str, Table]:
    """Return all tables, each with its head."""
    wrong: Table = [["turnover of families", "better: tasks", "worse: tasks", "better", "worse"]]
    for turnover in (0.1, 0.2, 0.5, 1.0):
        progress(f"no true change, turnover {turnover:g}")
        shares = []
        for formula, count in ((1, trials), (2, 4 * trials)):
            decided = decisions(Versions(turnover=turnover), count, formula)
            shares += [f"{decided[way] / count:.1%}" for way in ("better", "worse")]
        wrong.append([f"{turnover:.0%}", *shares])
    power: Table = [["families", "tasks", "true gain", "better", "worse"]]
    for families, tasks in ((FAMILIES, TASKS), (FAMILIES, 2 * TASKS), (2 * FAMILIES, TASKS)):
        for gain in (0.1, 0.2, 0.3):
            progress(f"a true gain, {families} families, {tasks} tasks")
            versions = Versions(families, tasks, gain=gain)
            decided = decisions(versions, trials)
            counted = [f"{decided[way] / trials:.1%}" for way in ("better", "worse")]
            power.append([f"{families}", f"{tasks}", f"{true_change(versions):+.1%}", *counted])
    passing: Table = [["turnover of families", "true change", f"a loss of {MARGIN:g} excluded"]]
    kept = [(turnover, 0.0) for turnover in (0.02, 0.05, 0.1, 0.2)]
    for turnover, loss in (*kept, (0.02, 0.316), (0.05, 0.316), (0.2, 0.316)):
        progress(f"the margin, turnover {turnover:g}, loss {loss:g}")
        versions = Versions(turnover=turnover, loss=loss)
        passed = decisions(versions, trials)["not_worse"] / trials
        passing.append([f"{turnover:.0%}", f"{true_change(versions):+.1%}", f"{passed:.1%}"])
    cover: Table = [["pass rate", "correlation", "families", "tasks", "interval too high, too low"]]
    cover[0] += ["tasks counted: too high, too low"]
    for families, tasks in ((59, 512), (20, 180)):
        for correlation in (0.2, CORRELATION):
            for p in (0.01, 0.05, 0.35, 0.95):
                both = [
                    share_coverage(p, correlation, families, tasks, trials, clustered=c)
                    for c in (True, False)
                ]
                ends = [f"{high:.1%}, {low:.1%}" for high, low in both]
                cover.append([f"{p:.0%}", f"{correlation:g}", f"{families}", f"{tasks}", *ends])
    return {
        "No true change: how often the gate says better or worse": wrong,
        "A true gain: how often it is found": power,
        'Worse in none: how often "no loss" is shown': passing,
        "Intervals of a pass rate that miss it": cover,
    }


def true_change(versions: Versions, draws: int = 4000) -> float:
    """Return the mean difference of the two versions' pass rates, by simulation."""
    rng = np.random.default_rng(5)
    pairs = [versions.draw(rng) for _ in range(draws)]
    return float(np.mean([new.mean() - old.mean() for old, new in pairs]))


def markdown(found: dict[str, Table]) -> str:
    """Return the tables as Markdown."""
    parts = []
    for title, (head, *body) in found.items():
        lines = [head, ["---"] * len(head), *body]
        parts.append(f"## {title}\n\n" + "\n".join("| " + " | ".join(x) + " |" for x in lines))
    return "\n\n".join(parts)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--out", type=Path, help="write the page here too")
    given = parser.parse_args()
    if given.trials < 1:
        parser.error(f"--trials {given.trials}: give at least 1")
    page = markdown(tables(given.trials, lambda text: print(text, flush=True)))
    page += f"\n\n{given.trials} trials per row; of wrong decisions by families four times as many."
    print(page)
    if given.out is not None:
        given.out.write_text(page + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
