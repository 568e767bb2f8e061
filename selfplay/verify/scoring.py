"""Stored scores against the real scorers of the domains: an engine, a sandbox, or what there is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from envs import Task
from envs.errors import InputError
from rewards import RewardResult
from selfplay.cluster.within import Unanswered, within
from selfplay.config.run import RunConfig
from selfplay.domains.base import Domain, Scorer
from selfplay.domains.checks import Checks, Identity, Kept, checks_of
from selfplay.domains.differences import named_differences
from selfplay.domains.made import make_domain
from selfplay.registry import spec_of
from selfplay.rundir.writes import plain
from selfplay.verify.finding import CONTENT, Findings

MOST_FAILURES = 3
"""Tasks in a row that the scorer may fail on before the rest is skipped."""
CLOSE_S = 30.0
"""Longest wait for a scorer to close."""

Results = list[RewardResult]
Asked = tuple[Task, Sequence[str]]
Made = Callable[[Results], Kept]
Outcome = Literal["same", "different", "unsteady", "other scorer"]


@dataclass(slots=True)
class Rescorer:
    """Scores tasks of one domain again, in this process, and names what failed or hung.

    After MOST_FAILURES tasks in a row that failed nothing more is asked. A scorer that does not
    answer one task within `scorer.deadline_s`, or start within `ray.start_s`, is left in its thread
    and never asked again. `recorded`: what the manifest says of who scored (Checks.same_scorer).
    """

    config: RunConfig
    domain: str
    evaluating: bool
    findings: Findings
    recorded: Sequence[Identity] = ()
    counts: dict[Outcome, int] = field(default_factory=dict)
    given_up: bool = False
    checks: Checks = field(init=False)
    _scorers: list[Scorer] = field(default_factory=list)
    _failures: int = 0

    def __post_init__(self) -> None:
        """Start the scorer; without one nothing of the domain is scored, which is a finding."""
        self.checks = checks_of(make_domain(self.domain, self.config))
        self._start(self.checks.domain)

    @property
    def same_scorer(self) -> bool:
        """Whether who scores here is one that the manifest names; True where nobody does."""
        if not self._scorers:
            return True
        return self.checks.same_scorer(self._scorers[0].identity(), self.recorded)

    def score(self, task: Task, texts: Sequence[str]) -> Results | None:
        """Return the results of answers to one task; None where the scorer failed or is given up.

        Raises InputError for a task that is none.
        """
        if self.given_up:
            return None
        results = self._ask(0, task, texts)
        failed = [r for r in results if r.verdict == "infra_error"]
        self._failures = self._failures + 1 if failed else 0
        if failed and not self.given_up:
            detail = failed[0].evidence.get("detail", "")
            self.findings.unchecked.append(f"{task.id}: could not be scored again: {detail}")
            if self._failures >= MOST_FAILURES:
                self._give_up(
                    f"{MOST_FAILURES} tasks in a row could not be scored again, the rest was "
                    "skipped"
                )
        return None if failed else results

    def compare(
        self, file: str, place: str, asked: Asked, stored: Kept, made: Made, results: Results
    ) -> Outcome:
        """Compare a stored score with a new one of the same answers; count, report and return it.

        Scores of another scorer are not compared where they depend on it; a score that is not the
        same twice proves nothing.

        Args:
            file, place: where the stored score stands.
            asked: the task and the answers.
            stored: what is stored.
            made: makes of results what is compared with it.
            results: what the scorer says now.
        """
        due = plain(dict(made(results)))
        found = named_differences(file, stored, due, place)
        outcome: Outcome = "different" if found else "same"
        if found and not self.same_scorer:
            kept, ruled = self.checks.ruled(stored), self.checks.ruled(due)
            found = named_differences(file, kept, ruled, place)
            outcome = "different" if found else "other scorer"
        elif found and self._proves_nothing(stored, due, self._again(asked, made)):
            outcome = "unsteady"
        if outcome == "different":
            self.findings.add(found)
        self.counts[outcome] = self.counts.get(outcome, 0) + 1
        return outcome

    def close(self) -> None:
        """End the scorers and report what the counts mean."""
        for scorer in self._scorers:
            try:
                within(CLOSE_S, self._thread, scorer.close)
            except Exception as error:  # one that was left working may fail in any way
                why = f"{type(error).__name__}: {error}"
                self.findings.notes.append(f"{self.domain}: the scorer did not close: {why}")
        others = self.counts.get("other scorer", 0)
        if others:
            message = self.checks.another_scorer(self.recorded, others)
            self.findings.unchecked.append(f"{self.domain}: {message}")
        unsteady = self.counts.get("unsteady", 0)
        if unsteady:
            what = spec_of(self.domain).answers
            self.findings.notes.append(
                f"{self.domain}: {unsteady} {what} did not do the same twice, or stand at a time "
                "limit: their scores are neither confirmed nor refuted"
            )

    def _ask(self, which: int, task: Task, texts: Sequence[str]) -> Results:
        """Return a scorer's results; a scorer that breaks or hangs has failed by its own fault."""
        detail = "the scorer was given up"
        if not self.given_up:
            scorer, limit = self._scorers[which], self.config.scorer.deadline_s
            try:
                return within(limit, self._thread, lambda: scorer.score(task, texts))
            except CONTENT:
                raise
            except Unanswered as error:
                why = f"{error} (scorer.deadline_s), the rest was skipped"
                self._give_up(f"{task.id} could not be scored again: {why}")
            except Exception as error:
                detail = f"{type(error).__name__}: {error}"
        return [RewardResult(0.0, "infra_error", {}, {"detail": detail}) for _ in texts]

    def _start(self, domain: Domain) -> None:
        """Start one more scorer, or give up."""
        make = functools.partial(domain.make_scorer, evaluating=self.evaluating)
        try:
            self._scorers.append(within(self.config.ray.start_s, self._thread, make))
        except InputError as error:
            self._give_up(f"nothing more was scored again: {error}")
        except Unanswered as error:
            why = f"the scorer did not start: {error} (ray.start_s)"
            self._give_up(f"nothing more was scored again: {why}")

    @property
    def _thread(self) -> str:
        return f"{self.domain} scorer"

    def _give_up(self, why: str) -> None:
        self.given_up = True
        self.findings.unchecked.append(f"{self.domain}: {why}")

    def _again(self, asked: Asked, made: Made) -> Kept | None:
        """Return the score of answers once more, one by one; None where it is always the same."""
        config = self.checks.retry_config()
        if config is None:
            return None
        if len(self._scorers) == 1 and not self.given_up:
            self._start(make_domain(self.domain, config))
        task, texts = asked
        results = [result for text in texts for result in self._ask(1, task, [text])]
        kept: Kept = plain(dict(made(results)))
        return kept

    def _proves_nothing(self, stored: Kept, once: Kept, twice: Kept | None) -> bool:
        """Whether two scores, which both may differ from the stored one, do not refute it."""
        if twice is None:
            return False
        verdicts = [self.checks.verdicts(score) for score in (stored, once, twice)]
        if "timeout" in verdicts[0] or "infra_error" in verdicts[2]:
            return True
        if verdicts[1] == verdicts[2] != verdicts[0]:
            return False
        agrees = not named_differences("", stored, twice)
        return agrees or bool(named_differences("", once, twice))
