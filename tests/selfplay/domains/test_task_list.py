"""A list of tasks as a source: each round asks every task once, whatever the batches."""

from __future__ import annotations

import pytest

from envs.errors import InputError
from selfplay.domains.base import TaskList
from tests.selfplay.stubs import sums


def dealt(source: TaskList, n: int) -> list[str]:
    """Ask for `n` tasks and answer them at once."""
    tasks = source.next_tasks(n)
    for task in tasks:
        source.answered(task, [], 0)
    return [task.id for task in tasks]


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_it_gives_what_it_is_asked_for_and_each_round_has_every_task_once(n: int) -> None:
    source = TaskList(sums(6), seed=3)
    rounds = [[name for _ in range(6 // n) for name in dealt(source, n)] for _ in range(3)]
    assert [len(names) for names in rounds] == [6, 6, 6]
    assert all(sorted(names) == sorted(task.id for task in sums(6)) for names in rounds)
    assert len(set(map(tuple, rounds))) == 3, "the order is another one in each round"


def test_no_task_is_asked_twice_at_once() -> None:
    source = TaskList(sums(4), seed=3)
    first = source.next_tasks(3)
    assert len(source.next_tasks(3)) == 1 and source.next_tasks(3) == []
    source.skip(first[1].id)
    assert source.next_tasks(3) == [first[1]]
    with pytest.raises(ValueError, match="not in flight"):
        source.answered(sums(5)[4], [], 0)


def test_a_restored_one_asks_again_what_was_in_flight_and_goes_on_alike() -> None:
    source, again = TaskList(sums(6), seed=3), TaskList(sums(6), seed=3)
    dealt(source, 2)
    state = source.state()
    flying = [task.id for task in source.next_tasks(2)]
    again.restore(state)
    assert dealt(again, 2) == flying
    for other in (TaskList(sums(6), seed=4), TaskList(sums(5), seed=3)):
        with pytest.raises(InputError, match="others than those of the saved run"):
            other.restore(state)
