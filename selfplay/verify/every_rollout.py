"""The rollouts of all steps, and their rows of metrics.jsonl: every check on them, in order."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from envs.errors import InputError
from selfplay.domains.base import domain_of
from selfplay.domains.checks import Kept
from selfplay.verify import answers, rollouts, steps
from selfplay.verify.finding import FAULTS
from selfplay.verify.groups import StoredGroup, file_of, groups_of, settled_again
from selfplay.verify.held_out import check_held_out, held_out_of
from selfplay.verify.scoring import Results
from selfplay.verify.work import Work


@dataclass(frozen=True, slots=True)
class EveryRollout:
    """The checks on what the run trained on."""

    work: Work

    def check(self) -> None:
        """Check every step's rollouts and its row of metrics.jsonl."""
        run = self.work.run
        held_out = held_out_of(run, self.work.findings, self.work.checks)
        files: dict[int, Path] = {}
        with self.work.findings.guard("rollouts"):
            files = run.folder.rollouts.files()
        chosen = self._chosen_rows(files)
        tokenizer = self._tokenizer() if any(chosen.values()) else None
        rows: dict[int, dict[str, Any]] = {}
        with self.work.findings.guard(steps.FILE):
            rows = {int(row["step"]): row for row in run.metrics}
            ahead = run.config.max_staleness + 1
            self.work.findings.add(steps.check_order(run.metrics, list(files), ahead))
        for step in files:
            self.work.progress(f"rollouts of step {step}/{max(files)}")
            with self.work.findings.guard(file_of(step)):
                groups = groups_of(run.folder.rollouts.read(step))
                self.work.add(file_of(step), check_held_out(step, groups, held_out))
                self._step(step, groups, rows.get(step), tokenizer, chosen[step])

    def _step(
        self,
        step: int,
        groups: list[StoredGroup],
        metrics: Mapping[str, Any] | None,
        tokenizer: Any,
        chosen: set[int],
    ) -> None:
        run, file, domains = self.work.run, file_of(step), self.work.run.domains
        of_domain = {
            name: [g for g in groups if domain_of(g.group.task) == name] for name in domains
        }
        for name, mine in of_domain.items():
            self.work.checks(name).answered([g.group for g in mine])
        self.work.add(file, rollouts.check_repeats(step, groups))
        if step <= run.older_steps:
            return
        self.work.add(file, rollouts.check_rows(step, groups, run.config, self.work.checks))
        self.work.add(file, rollouts.check_counts(step, groups, domains))
        self.work.add(file, rollouts.check_payment(step, groups, self.work.checks, run.recorded))
        self.work.add(file, rollouts.check_advantages(step, groups, domains))
        for name, mine in of_domain.items():
            self.work.add(file, rollouts.check_settled(step, mine, self.work.checks(name)))
        if metrics is not None:
            with self.work.findings.guard(steps.FILE):
                whole = [g.group for g in groups]
                expected = steps.recomputed_metrics(step, whole, domains)
                self.work.findings.add(steps.check_step(metrics, expected))
            self.work.findings.checked["steps"] += 1
        self.work.findings.checked["rollouts"] += sum(len(g.rows) for g in groups)
        for group in groups:
            some = [k for k, number in enumerate(group.numbers) if number in chosen]
            if some:
                name = domain_of(group.group.task)
                self._answers(step, group, some, tokenizer)
                with self.work.findings.guard(file):
                    self._scored(file, group, some, of_domain[name])

    def _answers(self, step: int, group: StoredGroup, chosen: list[int], tokenizer: Any) -> None:
        """Check texts and prompt of some rows of a group."""
        if tokenizer is not None:
            found = answers.check_answers(
                step,
                group,
                chosen,
                domain=self.work.run.domains.of(group.group.task),
                tokenizer=tokenizer,
                config=self.work.run.config,
            )
            self.work.add(file_of(step), found)
            self.work.findings.checked["rollouts decoded"] += len(chosen)

    def _scored(
        self, file: str, group: StoredGroup, chosen: list[int], others: Sequence[StoredGroup]
    ) -> None:
        """Score some rows of a group again; `others` are its domain's in the step, it among them.

        Where those settle its results (Checks.settles) all of its rows are asked.
        """
        task, checks = group.group.task, self.work.checks(domain_of(group.group.task))
        scorer = self.work.rescorer(checks.domain.name, evaluating=False)
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
                self.work.findings.checked["rollouts scored again"] += 1

    def _chosen_rows(self, files: Mapping[int, Path]) -> dict[int, set[int]]:
        """Return the sampled rows of each step's file."""
        every: list[tuple[int, int]] = []
        for step, path in files.items():
            try:
                count = pq.read_metadata(path).num_rows
            except FAULTS:
                continue  # reported when the step is read
            every += [(step, number) for number in range(count) if step > self.work.run.older_steps]
        chosen: dict[int, set[int]] = {step: set() for step in files}
        for step, number in self.work.some(every, "rollouts"):
            chosen[step].add(number)
        return chosen

    def _tokenizer(self) -> Any:
        try:
            return answers.find_tokenizer(self.work.run.folder, self.work.run.config)
        except (InputError, OSError, ValueError) as error:
            self.work.findings.unchecked.append(f"texts and prompts: no tokenizer: {error}")
            return None
