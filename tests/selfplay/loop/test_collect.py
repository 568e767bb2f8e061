"""A step's rollouts, in milliseconds: which groups train, what is asked again, what follows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from envs import Task
from rewards import RewardResult
from selfplay.domains.base import Source
from selfplay.league.training import opponent_metrics
from selfplay.learner.handle import Update
from selfplay.loop.buffer import Batch
from selfplay.loop.collect import RESERVED, SPARE_ROUNDS, rollout_metrics
from selfplay.records import FORCED, Group
from tests.selfplay.stubs import Bench, Sums, Verdicts, broken, flat, judged, sums, with_spread

PER_STEP = 3


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def collect(bench: Bench, step: int = 1) -> tuple[Batch, list[Group]]:
    return bench.parts.collector.collect(step)


def by_round(*verdicts: Verdicts) -> Verdicts:
    """Score the first PER_STEP tasks by the first function, the next by the second, and so on."""
    asked: list[str] = []

    def score(task: Task, texts: Sequence[str]) -> list[RewardResult]:
        asked.append(task.id)
        return verdicts[min((len(asked) - 1) // PER_STEP, len(verdicts) - 1)](task, texts)

    return score


def test_a_step_has_its_groups_and_their_advantages(tmp_path: Path, stack: ExitStack) -> None:
    bench = Bench(tmp_path, stack)
    batch, seen = collect(bench)
    assert batch.groups == seen and len(seen) == PER_STEP and batch.refills == 0
    assert (batch.step, batch.version, batch.completion_tokens) == (1, 0, PER_STEP * 4)
    for group in seen:
        assert group.trained and [r.index for r in group.rollouts] == [0, 1, 2, 3]
        assert [r.advantage for r in group.rollouts] == [-0.375, -0.125, 0.125, 0.375]
        assert {r.task_id for r in group.rollouts} == {group.task.id}
        assert all(r.text in "0123456789" and r.logprobs == [-2.3] for r in group.rollouts)


def test_draws_follow_from_seed_step_and_task_alone(tmp_path: Path, stack: ExitStack) -> None:
    first, again = (Bench(tmp_path / name, stack, seed=7) for name in "ab")
    assert collect(first)[1] == collect(again)[1]
    # Another batch size deals the same tasks one by one; each draws what it drew.
    one = Bench(tmp_path / "c", stack, seed=7, groups_per_step=1)
    [alone] = collect(one)[1]
    assert alone.rollouts == collect(Bench(tmp_path / "d", stack, seed=7))[1][0].rollouts
    seeds = {request.seed for request in first.samplers.requests}
    other = Bench(tmp_path / "e", stack, seed=8)
    collect(other), collect(first, step=2)
    assert len({r.seed for r in first.samplers.requests}) == 2 * PER_STEP == 2 * len(seeds)
    assert not seeds & {request.seed for request in other.samplers.requests}


def test_groups_that_teach_nothing_are_replaced(tmp_path: Path, stack: ExitStack) -> None:
    bench = Bench(tmp_path, stack, max_refills=2)
    bench.scorers.verdicts = by_round(flat, with_spread)
    batch, seen = collect(bench)
    assert bench.scorers.rounds == [[g.task.id for g in seen[:3]], [g.task.id for g in seen[3:]]]
    assert [group.trained for group in seen] == [False] * 3 + [True] * 3
    assert batch.groups == seen[3:] and batch.refills == 1


def test_refills_ask_for_what_is_missing_only(tmp_path: Path, stack: ExitStack) -> None:
    bench = Bench(tmp_path, stack, max_refills=1)
    teaches = iter([True, False, True, True])
    bench.scorers.verdicts = lambda *asked: (with_spread if next(teaches) else flat)(*asked)
    batch, seen = collect(bench)
    assert [len(tasks) for tasks in bench.scorers.rounds] == [3, 1]
    assert [group.trained for group in seen] == [True, False, True, True]
    assert len(batch.groups) == PER_STEP


def test_where_no_group_teaches_all_train_with_advantage_0(
    tmp_path: Path, stack: ExitStack
) -> None:
    bench = Bench(tmp_path, stack, max_refills=1)
    bench.scorers.verdicts = flat
    batch, seen = collect(bench)
    assert batch.groups == seen and len(seen) == 2 * PER_STEP
    assert {r.advantage for group in seen for r in group.rollouts} == {0.0}
    assert all(group.trained for group in seen)


@pytest.mark.parametrize("refills", [0, 2])
@pytest.mark.parametrize("broken_rounds", [0, 1, 2, 9])
def test_a_step_none_of_whose_groups_was_scored_asks_further_rounds(
    tmp_path: Path, stack: ExitStack, refills: int, broken_rounds: int
) -> None:
    bench = Bench(tmp_path, stack, max_refills=refills)
    bench.scorers.verdicts = by_round(*[broken] * broken_rounds, with_spread)
    batch, seen = collect(bench)
    rounds = min(broken_rounds + 1, 1 + refills + SPARE_ROUNDS)
    scored = broken_rounds <= refills + SPARE_ROUNDS
    assert len(bench.scorers.rounds) == rounds and len(seen) == rounds * PER_STEP
    assert len(batch.groups) == PER_STEP * scored
    assert batch.infra_errors == len(seen) - len(batch.groups)
    assert [group.trained for group in seen] == [g in batch.groups for g in seen]


def test_one_answer_that_we_could_not_score_spoils_its_group_only(
    tmp_path: Path, stack: ExitStack
) -> None:
    bench = Bench(tmp_path, stack)

    def score(task: Task, texts: Sequence[str]) -> list[RewardResult]:
        results = with_spread(task, texts)
        if bench.scorers.rounds[0][1] == task.id:
            results[2] = RewardResult(0.0, "infra_error")
        return results

    bench.scorers.verdicts = score
    batch, seen = collect(bench)
    assert [group.trained for group in seen] == [True, False, True] and batch.infra_errors == 1
    assert len(batch.groups) == 2, "what trained is no reason for a further round"


class Noting(Sums):
    """Keeps what its source is given."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.answered: list[tuple[str, list[float], int]] = []
        self.skipped: list[str] = []

    @override
    def open_source(self, stack: ExitStack) -> Source:
        source = super().open_source(stack)
        answered, skip = source.answered, source.skip

        def note(task: Task, results: Sequence[RewardResult], version: int) -> None:
            self.answered.append((task.id, [r.value for r in results], version))
            answered(task, results, version)

        def note_skip(task_id: str) -> None:
            self.skipped.append(task_id)
            skip(task_id)

        source.answered, source.skip = note, note_skip  # type: ignore[method-assign]
        return source


def test_the_source_takes_what_was_drawn_and_frees_what_was_not_scored(
    tmp_path: Path, stack: ExitStack
) -> None:
    domain = Noting(Bench(tmp_path / "config", stack).config)
    bench = Bench(tmp_path, stack, [domain])
    bench.samplers.version = 6
    bench.scorers.verdicts = by_round(broken, with_spread)
    _, seen = collect(bench)
    ids = [group.task.id for group in seen]
    assert domain.skipped == ids[:3]
    assert domain.answered == [(name, [0.0, 0.25, 0.5, 0.75], 6) for name in ids[3:]]
    # The tasks that nobody could score are the next to be asked again.
    assert set(ids[3:]) == set(ids[:3])


class Listing(Noting):
    """Lists three digits besides those drawn, the right one among them."""

    @override
    def actions(self, task: Task, limit: int, seed: int) -> list[str] | None:
        return ["0", "1", "2"]


def test_listed_actions_train_and_are_no_news_for_the_source(
    tmp_path: Path, stack: ExitStack
) -> None:
    domain = Listing(Bench(tmp_path / "config", stack).config)
    bench = Bench(tmp_path, stack, [domain])
    batch, [group, *_] = collect(bench)
    forced = [r for r in group.rollouts if r.finish == FORCED]
    assert [r.text for r in forced] == ["0", "1", "2"] and [r.index for r in forced] == [4, 5, 6]
    assert [r.completion_ids for r in forced] == [[ord(r.text)] for r in forced]
    assert all(r.logprobs == [] for r in forced) and group.learnt == forced
    assert batch.completion_tokens == PER_STEP * 4, "they were not drawn"
    assert [len(values) for _, values, _ in domain.answered] == [4] * PER_STEP
    figures = rollout_metrics([group], bench.domains, bench.source)
    assert figures["rollouts"] == 7.0 and figures["reward_mean"] == pytest.approx(
        sum(r.result.value for r in group.rollouts[:4] if r.result) / 4
    )


class Asking(Sums):
    """Each first task of a round makes another one, answered in the same step."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.settled: list[tuple[list[str], list[str]]] = []

    @override
    def follow_ups(self, source: Source, groups: Sequence[Group]) -> list[Task]:
        first = groups[0].task
        return [Task(f"{first.id}/more", self.name, first.payload)]

    @override
    def settle(self, groups: Sequence[Group], followed: Sequence[Group]) -> None:
        assert all(r.result is not None for group in followed for r in group.rollouts)
        self.settled.append(([g.task.id for g in groups], [g.task.id for g in followed]))


def test_tasks_that_answers_made_are_answered_in_the_same_step(
    tmp_path: Path, stack: ExitStack
) -> None:
    domain = Asking(Bench(tmp_path / "config", stack).config)
    bench = Bench(tmp_path, stack, [domain])
    batch, seen = collect(bench)
    ids = [group.task.id for group in seen]
    assert ids[3] == f"{ids[0]}/more" and len(ids) == 4
    assert domain.settled == [(ids[:3], ids[3:])]
    assert bench.scorers.rounds == [ids[:3], ids[3:]]
    assert batch.groups == seen


class Products(Sums):
    name = "products"


def test_two_domains_are_asked_in_one_batch_and_counted_apart(
    tmp_path: Path, stack: ExitStack
) -> None:
    config = Bench(tmp_path / "config", stack).config
    domains = [Sums(config), Products(config, sums(50, "products"))]
    bench = Bench(tmp_path, stack, domains, groups_per_step=4)
    bench.scorers.verdicts = lambda task, texts: (with_spread if task.domain == "sums" else judged)(
        task, texts
    )
    _, seen = collect(bench)
    assert [group.task.domain for group in seen] == ["sums"] * 2 + ["products"] * 2
    figures = rollout_metrics(seen, bench.domains, bench.source)
    assert figures["sums/reward_mean"] == 0.375 and figures["sums/groups"] == 2.0
    assert figures["groups"] == 4.0 and "products/reward_mean" in figures


def test_a_metric_never_takes_the_place_of_one_of_the_loops(
    tmp_path: Path, stack: ExitStack
) -> None:
    bench = Bench(tmp_path, stack)
    parts = {"seconds": 2.0, "step": 7.0, "groups": 9.0, "ease": 0.5}
    bench.scorers.verdicts = lambda task, texts: [
        RewardResult(i / len(texts), "fail", parts) for i in range(len(texts))
    ]
    journal = bench.parts.journal
    batch = journal.collect(bench.parts.collector, 1)
    journal.finish_step(batch, Update(1, None, {"lr": 1e-5}), wall_s=1.0)
    [row] = bench.run_dir.read_metrics()
    assert [row[f"sums/{key}"] for key in ("seconds", "step", "groups")] == [2.0, 7.0, 9.0]
    assert (row["step"], row["groups"], row["ease"]) == (1, 3.0, 0.5)
    own = rollout_metrics(batch.groups, bench.domains, None)
    assert row.keys() - own.keys() <= RESERVED >= opponent_metrics([]).keys()
