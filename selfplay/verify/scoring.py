"""Stored scores against the real scorers: Stockfish with the run's nodes, the sandbox for code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from envs import Task
from envs.code.proposer import DOMAIN as PROPOSE
from envs.errors import InputError
from rewards import RewardResult
from selfplay.config.run import RunConfig
from selfplay.domains.base import Domain, Scorer
from selfplay.domains.code.config import SandboxConfig
from selfplay.domains.made import make_domain
from selfplay.verify.finding import Findings, named_differences

MOST_FAILURES = 3
"""Tasks in a row that the scorer may fail on before the rest is skipped."""
GENEROUS = 4.0
"""Factor of the time limits for a program that ran into one here and did not in the run."""
RULES = ("legality", "action", "task_id", "fen", "completion")
"""What does not depend on the engine."""
UNSTEADY = ("seconds", "memory_mb")
"""Parts of a program's score that are measured, not decided."""

Score = Mapping[str, Any]
Results = list[RewardResult]
Asked = tuple[Task, Sequence[str]]
Made = Callable[[Results], Score]
Outcome = Literal["same", "different", "unsteady", "other engine"]


def rollout_score(domain: str, verdict: str, value: float, parts: Any, evidence: Any) -> Score:
    """Return what of a rollout's score can be compared.

    A program's seconds and memory are measured, not decided; what a proposal earned follows from
    other answers (see rollouts.check_proposals).
    """
    score: dict[str, Any] = {"verdict": verdict, "action": evidence.get("action")}
    score["parts"] = {k: parts[k] for k in parts if k not in (*UNSTEADY, "solve_rate")}
    if domain == PROPOSE:
        return score | {"task": evidence.get("task")}
    if domain == "chess":
        score["legality"] = legality(verdict)
        score |= {key: evidence.get(key) for key in ("best", "cp", "mate")}
    return score | {"value": value}


def legality(verdict: str) -> str:
    """Return a chess verdict without what the engine thinks of the move."""
    return "legal" if verdict in ("pass", "fail") else verdict


@dataclass(slots=True)
class Rescorer:
    """Scores tasks of one domain again, in this process, and names what failed or hung.

    Every call has the scorer's own deadline; after MOST_FAILURES tasks in a row that failed,
    nothing more is asked.
    """

    config: RunConfig
    domain: str
    evaluating: bool
    findings: Findings
    engines: Sequence[Mapping[str, Any]] = ()
    counts: dict[Outcome, int] = field(default_factory=dict)
    given_up: bool = False
    _scorers: list[Scorer] = field(default_factory=list)
    _domain: Domain = field(init=False)
    _failures: int = 0

    def __post_init__(self) -> None:
        """Start the scorer; without one nothing of the domain is scored, which is a finding."""
        self._domain = make_domain(self.domain, self.config)
        try:
            self._scorers.append(self._start(self.config))
        except InputError as error:
            self.given_up = True
            self.findings.unchecked.append(f"{self.domain}: nothing was scored again: {error}")

    @property
    def same_engine(self) -> bool:
        """Whether the engine here is one that the manifest names; True where there is none."""
        scorer = self._scorers[0] if self._scorers else None
        identity = scorer.identity() if scorer is not None else {}
        if "sha256" not in identity:
            return True
        mine = (identity["sha256"], dict(identity["options"]))
        return any((engine["sha256"], engine.get("options")) == mine for engine in self.engines)

    def score(self, task: Task, texts: Sequence[str]) -> Results | None:
        """Return the results of answers to one task; None where the scorer failed or is given up.

        Raises InputError for a task that is none.
        """
        if self.given_up:
            return None
        results = self._ask(0, task, texts)
        failed = [r for r in results if r.verdict == "infra_error"]
        self._failures = self._failures + 1 if failed else 0
        if failed:
            detail = failed[0].evidence.get("detail", "")
            self.findings.unchecked.append(f"{task.id}: could not be scored again: {detail}")
            if self._failures >= MOST_FAILURES:
                self.given_up = True
                self.findings.unchecked.append(
                    f"{self.domain}: {MOST_FAILURES} tasks in a row could not be scored again, "
                    "the rest was skipped"
                )
            return None
        return results

    def compare(
        self, file: str, place: str, asked: Asked, stored: Score, made: Made, results: Results
    ) -> Outcome:
        """Compare a stored score with a new one of the same answers; count, report and return it.

        Scores of another engine are not compared where they depend on it; a program that does not
        do the same twice proves nothing.

        Args:
            file, place: where the stored score stands.
            asked: the task and the answers.
            stored: what is stored.
            made: makes of results what is compared with it.
            results: what the scorer says now.
        """
        chess = self.domain == "chess"
        due = made(results)
        found = named_differences(file, stored, due, place)
        outcome: Outcome = "different" if found else "same"
        if found and chess and not self.same_engine:
            kept, ruled = ({k: side[k] for k in RULES if k in side} for side in (stored, due))
            found = named_differences(file, kept, ruled, place)
            outcome = "different" if found else "other engine"
        elif found and not chess:
            more = [self._again(asked[0], text) for text in asked[1]]
            if _proves_nothing(stored, due, made(more)):
                outcome = "unsteady"
        if outcome == "different":
            self.findings.add(found)
        self.counts[outcome] = self.counts.get(outcome, 0) + 1
        return outcome

    def close(self) -> None:
        """End the scorers and report what the counts mean."""
        for scorer in self._scorers:
            scorer.close()
        others = self.counts.get("other engine", 0)
        if others:
            names = sorted({str(e.get("name")) + " " + e["sha256"][:12] for e in self.engines})
            self.findings.unchecked.append(
                f"chess: the engine here is another one than the run's ({', '.join(names)}): "
                f"{others} scores differ here, which says nothing; give the run's with --engine"
            )
        unsteady = self.counts.get("unsteady", 0)
        if unsteady:
            self.findings.notes.append(
                f"code: {unsteady} programs did not do the same twice, or stand at a time limit: "
                "their scores are neither confirmed nor refuted"
            )

    def _start(self, config: RunConfig) -> Scorer:
        return make_domain(self.domain, config).make_scorer(evaluating=self.evaluating)

    def _again(self, task: Task, text: str) -> RewardResult:
        """Score one program once more with generous limits of time."""
        if len(self._scorers) == 1:
            box = self.config.section(SandboxConfig)
            more = {key: getattr(box, key) * GENEROUS for key in ("wall_s", "cpu_s", "task_s")}
            sandbox = box.model_copy(update=more)
            self._scorers.append(self._start(self.config.with_section(sandbox)))
        return self._ask(1, task, [text])[0]

    def _ask(self, which: int, task: Task, texts: Sequence[str]) -> Results:
        return self._scorers[which].score(task, texts)


def _proves_nothing(stored: Score, once: Score, twice: Score) -> bool:
    """Whether two scores of programs, which both may differ from the stored one, refute it."""
    verdicts = [_verdicts(score) for score in (stored, once, twice)]
    if "timeout" in verdicts[0] or "infra_error" in verdicts[2]:
        return True
    if verdicts[1] == verdicts[2] != verdicts[0]:
        return False
    agrees = not named_differences("", stored, twice)
    return agrees or bool(named_differences("", once, twice))


def _verdicts(score: Score) -> list[str]:
    """Return the verdicts in a score: of the one answer, or of a row's greedy and drawn ones."""
    return [score["verdict"], *(verdict for _, verdict in score.get("samples", []))]
