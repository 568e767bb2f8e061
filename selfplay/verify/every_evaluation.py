"""All evaluations, and the openings of the test sets: every check on them, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from envs import Task
from envs.errors import InputError
from selfplay.domains.made import domain_of_suite
from selfplay.verify import evaluations
from selfplay.verify.work import Work


@dataclass(slots=True)
class EveryEvaluation:
    """The checks on what the run was measured by."""

    work: Work
    tests: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Openings of the test sets, by name (evaluations.openings_of)."""

    def check(self) -> None:
        """Check every evaluation: its estimates from its rows, its rows from suites and scorers."""
        tasks: dict[tuple[str, str], list[Task]] = {}
        for name, record in self.work.run.evals.items():
            with self.work.findings.guard(evaluations.file_of(name)):
                if int(record["step"]) > self.work.run.older_steps or not self.work.run.older_steps:
                    self.work.progress(f"evaluation {name}")
                    self._evaluation(name, record, tasks)
        with self.work.findings.guard("test"):
            for name, record in evaluations.openings_of(self.work.run.folder):
                self.tests[name] = record
                with self.work.findings.guard(evaluations.file_of(name)):
                    self.work.findings.add(
                        evaluations.check_comparison(name, record, self.work.run.domains)
                    )
                    self._parts(name, record, tasks)
        self._score_evaluations(tasks)

    def _evaluation(
        self, name: str, record: Mapping[str, Any], tasks: dict[tuple[str, str], list[Task]]
    ) -> None:
        self.work.findings.add(evaluations.check_record(name, record, self.work.run.domains))
        self._parts(name, record, tasks)
        self.work.findings.checked["evaluations"] += 1

    def _parts(
        self, name: str, record: Mapping[str, Any], tasks: dict[tuple[str, str], list[Task]]
    ) -> None:
        """Check the estimates of every suite of an evaluation, and its rows."""
        file = evaluations.file_of(name)
        asked = evaluations.asked_of(record, self.work.run.domains)
        for suite, numbers in evaluations.parts_of(record):
            with self.work.findings.guard(file):
                domain = asked.of_suite(suite)
                self.work.findings.add(evaluations.check_estimates(name, suite, numbers, domain))
            with self.work.findings.guard(file):
                if self.work.checks(domain_of_suite(suite)).stores_answers(suite):
                    self._suite(name, suite, list(numbers["rows"]), tasks)
                else:
                    note = f"{file}: {suite}: its answers cannot be scored again"
                    self.work.findings.notes.append(note)

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
            found = list(self.work.run.domains.of_suite(whole).suite_tasks(whole, positions))
        except InputError as error:
            self.work.findings.unchecked.append(f"{evaluations.file_of(name)}: {suite}: {error}")
            return
        tasks[name, suite] = found
        checks = self.work.checks(domain_of_suite(suite))
        self.work.findings.add(evaluations.check_tasks(name, suite, rows, found, checks))
        self.work.findings.add(evaluations.check_reading(name, suite, rows, found, checks))

    def _score_evaluations(self, tasks: Mapping[tuple[str, str], list[Task]]) -> None:
        every = [
            (name, suite, number)
            for (name, suite), found in tasks.items()
            for number in range(min(len(found), len(self._rows(name, suite))))
        ]
        for name, suite, number in sorted(self.work.some(every, "evaluations")):
            self.work.progress(f"answers of evaluation {name}")
            task = tasks[name, suite][number]
            with self.work.findings.guard(evaluations.file_of(name)):
                self._evaluated(name, suite, number, task)

    def _evaluated(self, name: str, suite: str, number: int, task: Task) -> None:
        """Score the answers of one row again."""
        row = self._rows(name, suite)[number]
        if row["verdict"] == "infra_error" or row["task_id"] != task.id:
            return
        checks = self.work.checks(domain_of_suite(suite))
        scorer = self.work.rescorer(checks.domain.name, evaluating=True)
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
        self.work.findings.checked["evaluation answers scored again"] += 1

    def _rows(self, name: str, suite: str) -> list[dict[str, Any]]:
        return list(evaluations.part_in(self._record(name), suite)["rows"])

    def _record(self, name: str) -> Mapping[str, Any]:
        return self.tests[name] if name in self.tests else self.work.run.evals[name]
