"""What `selfplay verify` asks of a domain, beside the domain itself. No engine, no tokenizer.

`Checks` is right for every domain as it is: whatever the scorer decides is compared, whatever is in
a suite or was asked in an evaluation must not train. A domain that knows more (formulas, games,
measured times) says so in a subclass, which its spec names (DomainSpec.checks).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from envs import Task
from envs.errors import InputError
from envs.task import task_id
from rewards import RewardResult
from selfplay.config.run import RunConfig
from selfplay.domains.base import Domain
from selfplay.domains.differences import Difference
from selfplay.domains.rows import Row
from selfplay.records import Group
from selfplay.registry import spec_of
from selfplay.rundir.writes import plain
from selfplay.stats.clustered import cluster_of

Identity = Mapping[str, Any]
"""What manifest.json holds of who scored, of all domains of the run (Domain.identity)."""
Held = Callable[[Task], bool]
"""Whether a task must never train. Raises InputError for a payload that is no task."""
Kept = Mapping[str, Any]
"""What of a score is compared."""


class Checks:
    """What a domain knows of its own results when `selfplay verify` recomputes them."""

    scores_alike: ClassVar[bool] = False
    """Whether one scorer does for training and for evaluations."""
    makes_ids: ClassVar[bool] = False
    """Whether every task's id follows from its payload (Task.make); by default those that look like
    it must."""
    replays_games: ClassVar[bool] = False
    """Whether `games` checks the files of finished games."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    # Who scored

    def known(self, recorded: Identity) -> None:
        """Raise TypeError or ValueError for a manifest's entry that this domain cannot read."""

    def same_scorer(self, identity: Identity, recorded: Sequence[Identity]) -> bool:
        """Return whether who scores here (Scorer.identity) is one that scored the run.

        `recorded` has one entry per start of the run, and last that of its beginning. A scorer of
        which none of them says anything is taken to be the same.
        """
        if type(self.domain).identity is Domain.identity:
            return True  # it wrote nothing down; keys of these names are another domain's
        mine = plain(dict(identity))
        said = [recorded_by(self.domain.name, one, mine) for one in recorded]
        return not any(said) or mine in said

    def another_scorer(self, recorded: Sequence[Identity], count: int) -> str:
        """Return the message that `count` scores differ because another scorer made them."""
        return (
            f"the scorer here is another one than the run's: {count} scores differ here, which "
            "says nothing"
        )

    def ruled(self, kept: Kept) -> Kept:
        """Return what of a score is the same whoever scores; by default nothing."""
        return {}

    def retry_config(self) -> RunConfig | None:
        """Return the configuration under which a score that differs is made once more.

        A score that is not the same twice proves nothing. None: scores are the same every time.
        """
        return self.domain.config

    # Rollouts

    def id_of(self, task: Task) -> str:
        """Return what a task's id must be, by its payload where it is made of that."""
        made = task_id(task.domain, task.payload)
        stem, _, mark = task.id.rpartition("/")
        looks_made = stem == task.domain and re.fullmatch(r"[0-9a-f]{20}", mark)
        return made if self.makes_ids or looks_made else task.id

    def payment(self, row: Row, recorded: Sequence[Identity]) -> dict[str, Any]:
        """Return what columns of a stored rollout must be, given its others (`parts.NAME` too)."""
        return self.domain.payment(row)

    def score_of(self, task: Task, result: RewardResult) -> Kept:
        """Return what of a rollout's score is compared with a second one."""
        parts = result.parts.items()
        return {
            "verdict": result.verdict,
            "value": result.value,
            "action": result.evidence.get("action"),
            "parts": {key: part for key, part in parts if key not in self.domain.unsteady_parts},
        }

    def settles(self) -> bool:
        """Return whether scores change after they are made (Domain.settle): a score that is made
        again is then settled by the step's other groups before it is compared.
        """
        return type(self.domain).settle is not Domain.settle

    def settled(self, groups: Sequence[Group]) -> list[Group | None]:
        """Return those groups of a step once more whose stored results follow from others of them.

        None stands for every other group.
        """
        return [None for _ in groups]

    # Evaluations

    def stores_answers(self, suite: str) -> bool:
        """Return whether a suite's rows hold the answers, so that they can be scored again.

        By default so where they are made as every domain's are (Domain.evaluate).
        """
        return type(self.domain).evaluate is Domain.evaluate

    def columns(self, task: Task) -> dict[str, Any]:
        """Return what columns of an evaluation's row follow from its task alone."""
        return {}

    def read_again(self, row: Row, task: Task) -> dict[str, Any]:
        """Return what of `score_of_row` follows from a stored answer without a scorer."""
        return {}

    def score_of_row(self, row: Row) -> Kept:
        """Return what of an evaluation's row is compared with one that is made again."""
        kept = {key: row[key] for key in row if key not in self.domain.unsteady_parts}
        return kept | {"cluster": cluster_of(row)}

    def row_again(
        self, row: Row, task: Task, texts: Sequence[str], results: Sequence[RewardResult]
    ) -> Row:
        """Return what these results would have made of `row`."""
        return self.domain.row(task, texts, results).as_json()

    def verdicts(self, kept: Kept) -> list[str]:
        """Return the verdicts in a score, of a rollout or of an evaluation's row."""
        return [str(kept["verdict"])]

    # What must not train

    def held_out(
        self,
        recorded: Sequence[Identity],
        asked: Sequence[tuple[str, Row]],
        unchecked: Callable[[str], None],
    ) -> Held:
        """Return what tells the tasks that must never train.

        By default those of the domain's suites, test sets included, as far as the run's
        `eval.positions` reach, and those of which the domain says so (Domain.may_train).

        Args:
            recorded: as for `same_scorer`.
            asked: suite and row of all that the run's evaluations asked, of every domain. The tasks
                themselves need not be named again.
            unchecked: takes what cannot be known here, in a line.
        """
        ids = frozenset(self._suite_ids(unchecked))
        return lambda task: task.id in ids or not self.domain.may_train(task)

    def _suite_ids(self, unchecked: Callable[[str], None]) -> Iterator[str]:
        config, spec = self.domain.config, spec_of(self.domain.name)
        limit = max(config.eval.positions, config.eval.every_positions)
        for suite in (*spec.suites, *spec.test_suites):
            try:
                yield from (task.id for task in self.domain.suite_tasks(suite, limit))
            except InputError as error:  # a data set that the run need not have
                if suite in config.suites:
                    unchecked(f"tasks of {suite} in training: {error}")

    # Games

    def answered(self, groups: Sequence[Group]) -> None:
        """Take the domain's groups of a step; all steps come before `games` is asked."""

    def games(self, path: Path, *, moves: bool) -> Iterator[list[Difference]]:
        """Yield what is different in each game of a file of finished games.

        `moves`: check that the stored answers are what was played.
        """
        return iter(())

    def ended(
        self, paths: Sequence[Path], source: Mapping[str, Any], version: int, where: str
    ) -> Iterable[Difference]:
        """Check that the finished games are those that a checkpoint's state counts.

        Args:
            paths: the files, each of which `games` has read.
            source: the state of the domain's source (Source.state) in the checkpoint.
            version: of the checkpoint.
            where: its file, for the message.
        """
        return ()


def identity_of(domains: Mapping[str, Domain]) -> dict[str, Any]:
    """Return who scores for a run, for its manifest.

    Where several domains have a key of one name, the later ones' begins with the domain's.
    """
    found: dict[str, Any] = {}
    for name, domain in domains.items():
        own = domain.identity()
        found |= {f"{name}/{key}" if key in found else key: own[key] for key in own}
    return found


def recorded_by(name: str, recorded: Identity, keys: Iterable[str]) -> dict[str, Any]:
    """Return those of a domain's keys that a manifest's entry has, by `identity_of`."""
    named = {key: f"{name}/{key}" for key in keys}
    stored = {key: long if long in recorded else key for key, long in named.items()}
    return {key: recorded[as_is] for key, as_is in stored.items() if as_is in recorded}


def checks_of(domain: Domain) -> Checks:
    """Return what `selfplay verify` asks of a domain."""
    made = spec_of(domain.name).checks
    return Checks(domain) if made is None else made(domain)
