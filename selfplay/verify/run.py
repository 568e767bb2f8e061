"""All checks on one run: what is read once, sampled, scored again, and reported."""

from __future__ import annotations

import functools
import random
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from envs import Task
from envs.errors import InputError
from selfplay.domains.base import domain_of
from selfplay.domains.checks import Checks, Kept, checks_of
from selfplay.domains.differences import Difference
from selfplay.domains.made import Domains, domain_of_suite
from selfplay.registry import VerifyTools
from selfplay.rundir.folder import RunDir
from selfplay.verify import answers, evaluations, rollouts, steps
from selfplay.verify.artefacts import Artefacts
from selfplay.verify.finding import FAULTS, Findings
from selfplay.verify.folder import Run, open_run
from selfplay.verify.groups import StoredGroup, file_of, groups_of, settled_again
from selfplay.verify.held_out import check_held_out, held_out_of
from selfplay.verify.scoring import Rescorer, Results

Progress = Callable[[str], None]


def verify_run(
    folder: RunDir,
    *,
    sample: int | None = 200,
    seed: int = 0,
    engine: Path | None = None,
    progress: Progress = lambda text: None,
) -> Findings:
    """Recompute what a run publishes from what it stores; write nothing into its folder.

    Args:
        folder: the run.
        sample: rollouts, and answers of evaluations, that tokenizer and scorer check again; None:
            all.
        seed: of the sample.
        engine: the UCI engine; None finds Stockfish. The path in the run's configuration is
            never used.
        progress: called with what is being done.

    Raises:
        InputError: the run's configuration cannot be read.
    """
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="selfplay-verify-") as scratch, ExitStack() as stack:
        run = open_run(folder, findings, VerifyTools(engine, Path(scratch)))
        work = Verification(run, findings, stack, sample, seed, progress)
        work.rollouts()
        work.evaluations()
        Artefacts(run, findings, work.checks, progress).check()
        stack.close()  # the scorers report what they found
    return findings


@dataclass
class Verification:
    """The checks that need all of a run's answers: rollouts, metrics, evaluations."""

    run: Run
    findings: Findings
    stack: ExitStack
    sample: int | None
    seed: int
    progress: Progress
    tests: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Openings of the test sets, by name (evaluations.openings_of)."""
    _scorers: dict[tuple[str, bool], Rescorer] = field(default_factory=dict)
    _checks: dict[str, Checks] = field(default_factory=dict)

    def checks(self, name: str) -> Checks:
        """Return what is asked of the domain of that name, the same object each time."""
        if name not in self._checks:
            self._checks[name] = checks_of(self.run.domains[name])
        return self._checks[name]

    def rollouts(self) -> None:
        """Check every step's rollouts and its row of metrics.jsonl."""
        run = self.run
        held_out = held_out_of(run, self.findings)
        files: dict[int, Path] = {}
        with self.findings.guard("rollouts"):
            files = run.folder.rollouts.files()
        chosen = self._chosen_rows(files)
        tokenizer = self._tokenizer() if any(chosen.values()) else None
        rows: dict[int, dict[str, Any]] = {}
        with self.findings.guard(steps.FILE):
            rows = {int(row["step"]): row for row in run.metrics}
            ahead = run.config.max_staleness + 1
            self.findings.add(steps.check_order(run.metrics, list(files), ahead))
        for step in files:
            self.progress(f"rollouts of step {step}/{max(files)}")
            with self.findings.guard(file_of(step)):
                groups = groups_of(run.folder.rollouts.read(step))
                self._add(file_of(step), check_held_out(step, groups, held_out))
                self._step(step, groups, rows.get(step), tokenizer, chosen[step])

    def _step(
        self,
        step: int,
        groups: list[StoredGroup],
        metrics: Mapping[str, Any] | None,
        tokenizer: Any,
        chosen: set[int],
    ) -> None:
        run, file, domains = self.run, file_of(step), self.run.domains
        of_domain = {
            name: [g for g in groups if domain_of(g.group.task) == name] for name in domains
        }
        for name, mine in of_domain.items():
            self.checks(name).answered([g.group for g in mine])
        self._add(file, rollouts.check_repeats(step, groups))
        if step <= run.older_steps:
            return
        self._add(file, rollouts.check_rows(step, groups, run.config, self.checks))
        self._add(file, rollouts.check_counts(step, groups, domains))
        self._add(file, rollouts.check_payment(step, groups, self.checks, run.recorded))
        self._add(file, rollouts.check_advantages(step, groups, domains))
        for name, mine in of_domain.items():
            self._add(file, rollouts.check_settled(step, mine, self.checks(name)))
        if metrics is not None:
            with self.findings.guard(steps.FILE):
                whole = [g.group for g in groups]
                expected = steps.recomputed_metrics(step, whole, domains)
                self.findings.add(steps.check_step(metrics, expected))
            self.findings.checked["steps"] += 1
        self.findings.checked["rollouts"] += sum(len(g.rows) for g in groups)
        for group in groups:
            some = [k for k, number in enumerate(group.numbers) if number in chosen]
            if some:
                name = domain_of(group.group.task)
                self._answers(step, group, some, tokenizer)
                with self.findings.guard(file):
                    self._scored(file, group, some, of_domain[name])

    def _answers(self, step: int, group: StoredGroup, chosen: list[int], tokenizer: Any) -> None:
        """Check texts and prompt of some rows of a group."""
        if tokenizer is not None:
            found = answers.check_answers(
                step,
                group,
                chosen,
                domain=self.run.domains.of(group.group.task),
                tokenizer=tokenizer,
                config=self.run.config,
            )
            self._add(file_of(step), found)
            self.findings.checked["rollouts decoded"] += len(chosen)

    def _scored(
        self, file: str, group: StoredGroup, chosen: list[int], others: Sequence[StoredGroup]
    ) -> None:
        """Score some rows of a group again; `others` are its domain's in the step, it among them.

        Where those settle its results (Checks.settles) all of its rows are asked.
        """
        task, checks = group.group.task, self.checks(domain_of(group.group.task))
        scorer = self._rescorer(checks.domain.name, evaluating=False)
        settles = checks.settles()
        asked = [
            k
            for k in (range(len(group.rows)) if settles else chosen)
            if group.rows[k]["verdict"] not in (None, "infra_error")
        ]
        texts = [group.rows[k]["text"] for k in asked]
        results = scorer.score(task, texts) if texts else None
        if results is None:
            return
        rollouts = [group.group.rollouts[k] for k in asked]
        followed = [one.group for one in others if one is not group]

        def made(at: int, scored: Results) -> Kept:
            fresh = [*results[:at], *scored, *results[at + 1 :]]
            if settles:
                fresh = settled_again(checks.domain, task, rollouts, fresh, followed)
            return checks.score_of(task, fresh[at])

        for at, k in enumerate(asked):
            stored = rollouts[at].result
            if k in chosen and stored is not None:
                scorer.compare(
                    file,
                    f"row {group.numbers[k]} scored again",
                    (task, [texts[at]]),
                    checks.score_of(task, stored),
                    functools.partial(made, at),
                    [results[at]],
                )
                self.findings.checked["rollouts scored again"] += 1

    def evaluations(self) -> None:
        """Check every evaluation: its estimates from its rows, its rows from suites and scorers."""
        tasks: dict[tuple[str, str], list[Task]] = {}
        for name, record in self.run.evals.items():
            with self.findings.guard(evaluations.file_of(name)):
                if int(record["step"]) > self.run.older_steps or not self.run.older_steps:
                    self.progress(f"evaluation {name}")
                    self._evaluation(name, record, tasks)
        with self.findings.guard("test"):
            for name, record in evaluations.openings_of(self.run.folder):
                self.tests[name] = record
                with self.findings.guard(evaluations.file_of(name)):
                    self.findings.add(evaluations.check_comparison(name, record, self.run.domains))
                    self._parts(name, record, tasks)
        self._score_evaluations(tasks)

    def _evaluation(
        self, name: str, record: Mapping[str, Any], tasks: dict[tuple[str, str], list[Task]]
    ) -> None:
        self.findings.add(evaluations.check_record(name, record, self.run.domains))
        self._parts(name, record, tasks)
        self.findings.checked["evaluations"] += 1

    def _parts(
        self, name: str, record: Mapping[str, Any], tasks: dict[tuple[str, str], list[Task]]
    ) -> None:
        """Check the estimates of every suite of an evaluation, and its rows."""
        file = evaluations.file_of(name)
        asked = Domains(evaluations.config_of(record, self.run.config))
        for suite, numbers in evaluations.parts_of(record):
            with self.findings.guard(file):
                domain = asked.of_suite(suite)
                self.findings.add(evaluations.check_estimates(name, suite, numbers, domain))
            with self.findings.guard(file):
                if self.checks(domain_of_suite(suite)).stores_answers(suite):
                    self._suite(name, suite, list(numbers["rows"]), tasks)
                else:
                    note = f"{file}: {suite}: its answers cannot be scored again"
                    self.findings.notes.append(note)

    def _suite(
        self,
        name: str,
        suite: str,
        rows: list[dict[str, Any]],
        tasks: dict[tuple[str, str], list[Task]],
    ) -> None:
        record = self._record(name)
        positions = int(evaluations.part_in(record, suite).get("positions", record["positions"]))
        try:
            whole = evaluations.suite_of(suite)
            found = list(self.run.domains.of_suite(whole).suite_tasks(whole, positions))
        except InputError as error:
            self.findings.unchecked.append(f"{evaluations.file_of(name)}: {suite}: {error}")
            return
        tasks[name, suite] = found
        checks = self.checks(domain_of_suite(suite))
        self.findings.add(evaluations.check_tasks(name, suite, rows, found, checks))
        self.findings.add(evaluations.check_reading(name, suite, rows, found, checks))

    def _score_evaluations(self, tasks: Mapping[tuple[str, str], list[Task]]) -> None:
        every = [
            (name, suite, number)
            for (name, suite), found in tasks.items()
            for number in range(min(len(found), len(self._rows(name, suite))))
        ]
        for name, suite, number in sorted(self._some(every, "evaluations")):
            self.progress(f"answers of evaluation {name}")
            task = tasks[name, suite][number]
            with self.findings.guard(evaluations.file_of(name)):
                self._evaluated(name, suite, number, task)

    def _evaluated(self, name: str, suite: str, number: int, task: Task) -> None:
        """Score the answers of one row again."""
        row = self._rows(name, suite)[number]
        if row["verdict"] == "infra_error" or row["task_id"] != task.id:
            return
        checks = self.checks(domain_of_suite(suite))
        scorer = self._rescorer(checks.domain.name, evaluating=True)
        texts = checks.domain.stored_answers(row, task)
        results = scorer.score(task, texts)
        if results is None:
            return
        scorer.compare(
            evaluations.file_of(name),
            f"suites.{suite}.rows[{number}] scored again",
            (task, texts),
            checks.score_of_row(row),
            lambda results: checks.score_of_row(checks.row_again(row, task, texts, results)),
            results,
        )
        self.findings.checked["evaluation answers scored again"] += 1

    def _rows(self, name: str, suite: str) -> list[dict[str, Any]]:
        return list(evaluations.part_in(self._record(name), suite)["rows"])

    def _record(self, name: str) -> Mapping[str, Any]:
        return self.tests[name] if name in self.tests else self.run.evals[name]

    def _chosen_rows(self, files: Mapping[int, Path]) -> dict[int, set[int]]:
        """Return the sampled rows of each step's file."""
        every: list[tuple[int, int]] = []
        for step, path in files.items():
            try:
                count = pq.read_metadata(path).num_rows
            except FAULTS:
                continue  # reported when the step is read
            every += [(step, number) for number in range(count) if step > self.run.older_steps]
        chosen: dict[int, set[int]] = {step: set() for step in files}
        for step, number in self._some(every, "rollouts"):
            chosen[step].add(number)
        return chosen

    def _some(self, every: list[Any], purpose: str) -> list[Any]:
        if self.sample is None or self.sample >= len(every):
            return every
        return random.Random(f"verify/{self.seed}/{purpose}").sample(every, self.sample)

    def _tokenizer(self) -> Any:
        try:
            return answers.find_tokenizer(self.run.folder, self.run.config)
        except (InputError, OSError, ValueError) as error:
            self.findings.unchecked.append(f"texts and prompts: no tokenizer: {error}")
            return None

    def _rescorer(self, domain: str, *, evaluating: bool) -> Rescorer:
        key = (domain, evaluating and not self.checks(domain).scores_alike)
        if key not in self._scorers:
            made = Rescorer(self.run.config, domain, evaluating, self.findings, self.run.recorded)
            self.stack.callback(made.close)
            self._scorers[key] = made
        return self._scorers[key]

    def _add(self, file: str, found: Iterable[Difference]) -> None:
        """Add what a check yields up to content that it cannot read."""
        with self.findings.guard(file):
            self.findings.add(found)
