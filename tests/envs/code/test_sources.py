"""The curriculum and the mix of sources: what is drawn, what retires, state."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pytest

from envs import Task
from envs.code.curriculum import Curriculum
from envs.code.datasets import mbpp_tasks
from envs.code.families import TRAIN, make, suite
from envs.code.shelves import Limits
from envs.code.sources import TaskSource
from envs.code.task import CallTest, CodeTask
from envs.errors import InputError


def curriculum_of(rates: dict[str, float], **settings: Any) -> tuple[Curriculum, Counter[str]]:
    """Run 600 groups of 8 answers that pass at the given rates; return how often each was drawn."""
    curriculum = Curriculum("test", seed=3, **settings)
    for arm in rates:
        curriculum.add(arm, arm)
    rng = random.Random(0)
    drawn: Counter[str] = Counter()
    for _ in range(600):
        name = curriculum.draw()
        assert name is not None
        drawn[name] += 1
        curriculum.record(name, sum(rng.random() < rates[name] for _ in range(8)), 8)
    return curriculum, drawn


def test_what_is_sometimes_solved_is_drawn_most() -> None:
    _, drawn = curriculum_of({"never": 0.0, "seldom": 0.1, "half": 0.5, "often": 0.8})
    assert drawn["half"] > drawn["often"] > drawn["seldom"] > drawn["never"] > 0
    assert drawn["half"] > 4 * drawn["never"]


def test_what_is_solved_retires_and_is_drawn_no_more() -> None:
    curriculum, drawn = curriculum_of({"always": 1.0, "half": 0.5})
    assert drawn["always"] <= 4
    assert curriculum.arms()["always"].retired and not curriculum.arms()["half"].retired
    figures = curriculum.metrics()
    assert (figures["arms"], figures["retired"], figures["half"], figures["never"]) == (2, 1, 1, 0)


@pytest.mark.parametrize(("solved", "retires"), [(8, True), (7, False)])
def test_the_threshold_is_nine_tenths(solved: int, retires: bool) -> None:
    curriculum = Curriculum("test", seed=0)
    curriculum.add("arm", "group")
    curriculum.record("arm", solved, 8)
    assert not curriculum.arms()["arm"].retired, "one group is not enough"
    for _ in range(3):
        curriculum.record("arm", solved, 8)
    assert curriculum.arms()["arm"].retired == retires


def test_retired_arms_come_back_for_want_of_others_and_for_good_when_they_fail() -> None:
    curriculum = Curriculum("test", seed=0)
    for arm in ("a", "b"):
        curriculum.add(arm, "group")
    for _ in range(3):
        curriculum.record("a", 8, 8)
    assert {curriculum.draw() for _ in range(20)} == {"b"}
    assert curriculum.draw(taken={"b"}) == "a"
    curriculum.record("a", 0, 8)
    assert not curriculum.arms()["a"].retired
    assert {curriculum.draw() for _ in range(20)} == {"a", "b"}
    assert curriculum.draw(taken={"a", "b"}) is None


def test_the_rate_follows_what_happened_lately() -> None:
    curriculum = Curriculum("test", seed=0)
    curriculum.add("arm", "group")
    assert curriculum.rate("arm") == 0.5
    for _ in range(30):
        curriculum.record("arm", 0, 8)
    assert curriculum.rate("arm") < 0.05
    for _ in range(12):
        curriculum.record("arm", 4, 8)
    assert 0.35 < curriculum.rate("arm") < 0.5


def test_an_untried_arm_takes_after_its_group() -> None:
    curriculum = Curriculum("test", seed=0)
    for arm, group in (("a1", "easy"), ("a2", "easy"), ("b1", "hard"), ("b2", "hard")):
        curriculum.add(arm, group)
    for _ in range(4):
        curriculum.record("a1", 6, 8)
        curriculum.record("b1", 0, 8)
    assert curriculum.rate("a2") > 0.7 and curriculum.rate("b2") < 0.1


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"retire_at": 0}, "retire_at: 0 is no rate"),
        ({"retire_after": 40}, "does not lie between 1 and half of memory"),
        ({"floor": -1}, "floor: -1 is no weight"),
    ],
)
def test_bad_settings_are_one_line(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        Curriculum("test", seed=0, **settings)


def mbpp(count: int, first: int = 601) -> list[CodeTask]:
    rows = [
        (
            f"row {i}",
            {
                "task_id": i,
                "text": f"Add {i}.",
                "code": "def add(a):\n  return a",
                "test_list": [f"assert add({i}) == {i}"],
            },
        )
        for i in range(first, first + count)
    ]
    return mbpp_tasks(rows, "train")


def mine(count: int) -> list[CodeTask]:
    return [
        CodeTask(
            dataset="jsonl",
            key=f"mine/{i}",
            split="train",
            instruction=f"Task {i}.",
            kind="calls",
            hidden=(CallTest([i], i),),
            entry_point="f",
        )
        for i in range(count)
    ]


def source_of(**changes: Any) -> TaskSource:
    settings: dict[str, Any] = {
        "shares": {"families": 2, "mbpp": 1, "jsonl": 1, "proposals": 0},
        "seed": 5,
        "files": {"mbpp": mbpp(9), "jsonl": mine(7)},
    }
    settings.update(changes)
    return TaskSource(settings.pop("shares"), **settings)


def run(source: TaskSource, rounds: int) -> list[str]:
    """Ask 4 tasks a round and answer them at random, the same task always in the same way."""
    asked = []
    for _ in range(rounds):
        for task in source.next_tasks(4):
            key = CodeTask.of(task).key
            asked.append(key)
            rng = random.Random(key)
            source.advance(task.id, [float(rng.random() < 0.4) for _ in range(4)], 1)
    return asked


def test_shares_are_exact() -> None:
    asked = Counter(key.split("/")[0] for key in run(source_of(), 20))
    assert asked == {"families": 40, "Mbpp": 20, "mine": 20}


def test_families_give_new_tasks_of_the_levels_asked_for() -> None:
    source = source_of(shares={"families": 1}, levels=(1, 2))
    asked = run(source, 20)
    assert len(set(asked)) == len(asked) == 80
    assert {key.split("/")[2] for key in asked} == {"1", "2"}
    assert {key.split("/")[1] for key in asked} <= set(TRAIN)
    assert min(int(key.split("/")[3]) for key in asked) == 5_000_000


def test_same_seed_same_tasks() -> None:
    first = run(source_of(), 20)
    assert first == run(source_of(), 20)
    assert first != run(source_of(seed=6), 20)


@pytest.mark.parametrize("rounds", [0, 5, 24])
def test_state_goes_on_exactly(rounds: int) -> None:
    source, copy = source_of(), source_of()
    run(source, rounds)
    in_flight = [task.id for task in source.next_tasks(6)]
    copy.restore(json.loads(json.dumps(source.state())))
    assert [task.id for task in copy.next_tasks(6)] == in_flight
    for side in (source, copy):
        for task_id in in_flight:
            side.advance(task_id, [1.0, 0.0], 2)
    assert run(source, 20) == run(copy, 20)
    assert source.state() == copy.state()
    assert source.metrics() == copy.metrics()


def test_restoring_into_another_configuration_is_refused() -> None:
    state = source_of().state()
    with pytest.raises(InputError, match=r"code\.mbpp: the tasks have changed"):
        source_of(files={"mbpp": mbpp(8), "jsonl": mine(7)}).restore(state)
    with pytest.raises(InputError, match=r"code\.sources: saved with"):
        source_of(shares={"families": 1}).restore(state)
    for changes in ({"seed": 6}, {"levels": (1,)}):
        with pytest.raises(InputError, match=r"code\.families: saved with another"):
            source_of(**changes).restore(state)


def test_tasks_in_flight_are_distinct_and_files_come_to_an_end() -> None:
    source = source_of(shares={"mbpp": 1, "jsonl": 1})
    tasks = source.next_tasks(100)
    assert len(tasks) == len({task.id for task in tasks}) == 9 + 7
    assert source.next_tasks(1) == []
    source.skip(tasks[3].id)
    assert source.next_tasks(3) == [tasks[3]]
    with pytest.raises(ValueError, match="not in flight"):
        source.advance("code/none", [1.0], 0)
    with pytest.raises(ValueError, match="not in flight"):
        source.skip("code/none")


def test_solved_file_tasks_are_asked_no_more() -> None:
    source = source_of(shares={"jsonl": 1}, limits=Limits(retire_after=8, memory=16))
    asked: Counter[str] = Counter()
    for _ in range(60):
        (task,) = source.next_tasks(1)
        key = CodeTask.of(task).key
        asked[key] += 1
        source.advance(task.id, [1.0] * 8 if key == "mine/3" else [1.0, 0.5, 0.0], 0)
    assert asked["mine/3"] <= 1 < min(count for key, count in asked.items() if key != "mine/3")
    assert source.metrics()["jsonl/retired"] == 1


def test_a_reward_below_1_is_not_solved() -> None:
    source = source_of(shares={"jsonl": 1})
    for _ in range(50):
        (task,) = source.next_tasks(1)
        source.advance(task.id, [0.99] * 8, 0)
    assert source.metrics()["jsonl/retired"] == 0
    assert source.metrics()["jsonl/never"] == 7


def test_evaluation_tasks_are_left_out() -> None:
    evaluation = [*suite("test", levels=(1,)), *mbpp(2, 603), mine(1)[0]]
    source = source_of(evaluation=evaluation)
    assert source.excluded == {"mbpp": 2, "jsonl": 1}
    asked = set(run(source, 20))
    assert not asked & {task.key for task in evaluation}
    heldout = {task.family for task in evaluation if task.family}
    assert not heldout & {key.split("/")[1] for key in asked if key.startswith("families/")}


def test_a_training_task_that_gives_an_evaluation_task_away_is_passed_over() -> None:
    evaluation = [make(family, level, 5_000_000) for family in TRAIN[:3] for level in (1, 2)]
    source = source_of(shares={"families": 1}, evaluation=evaluation, levels=(2,))
    asked = run(source, 15)
    assert not set(asked) & {task.key for task in evaluation}
    alone = source_of(shares={"families": 1}, evaluation=evaluation[:1], levels=(1,))
    with pytest.raises(InputError, match="gives an evaluation task away with every seed"):
        run(alone, 400)


def proposal(number: int) -> CodeTask:
    payload = mine(number + 1)[number].payload()
    payload |= {"dataset": "proposals", "key": f"proposals/{number}"}
    return CodeTask.of(Task.make("code", payload))


def test_proposals_join_the_mix_and_the_oldest_go() -> None:
    shares = {"families": 1, "proposals": 1}
    source = source_of(shares=shares, most_proposals=3)
    assert all(key.startswith("families/") for key in run(source, 5))
    source.propose([proposal(i) for i in range(3)])
    in_flight = source.next_tasks(3)
    assert any(CodeTask.of(task).dataset == "proposals" for task in in_flight)
    source.propose([proposal(i) for i in range(5)])
    for task in in_flight:
        source.advance(task.id, [0.0, 1.0], 0)
    copy = source_of(shares=shares, most_proposals=3)
    copy.restore(json.loads(json.dumps(source.state())))
    asked = run(source, 30)
    assert {key for key in asked if key.startswith("proposals/")} == {
        f"proposals/{i}" for i in (2, 3, 4)
    }
    assert run(copy, 30) == asked
    with pytest.raises(ValueError, match="proposals have no share"):
        source_of().propose([proposal(0)])


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"shares": {"chess": 1}}, r"code\.sources\.chess is unknown"),
        ({"shares": {"mbpp": -1}}, r"code\.sources\.mbpp: -1 is no share"),
        ({"shares": {"mbpp": float("nan")}}, "is no share"),
        ({"shares": {"mbpp": 0}}, "no source has a share"),
        ({"files": {}}, r"set code\.mbpp"),
        ({"shares": {"proposals": 1}}, "begin with nothing"),
        ({"levels": (0,)}, "will not do"),
        ({"levels": ()}, "will not do"),
        ({"files": {"mbpp": [make("sum_list", 1, 0)], "jsonl": mine(1)}}, "only train tasks train"),
    ],
)
def test_bad_settings_of_a_source_are_one_line(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        source_of(**changes)
