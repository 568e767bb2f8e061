"""Which code tasks are one task."""

from __future__ import annotations

from dataclasses import replace

import pytest

from envs.code.contents import contents
from envs.code.families import make
from envs.code.sources import TaskSource
from envs.code.task import CallTest, CodeTask, CodeTest, ProgramTest
from envs.errors import InputError

ASKED = CodeTask(
    dataset="mbpp",
    key="Mbpp/600",
    split="validation",
    instruction="Write a function to add up the squares of the even numbers of a list.",
    kind="asserts",
    hidden=tuple(CodeTest(f"assert even_squares([{n}, 1]) == {n * n}") for n in (2, 4, 6)),
    entry_point="even_squares",
    reference="def even_squares(xs):\n    return sum(x * x for x in xs if x % 2 == 0)\n",
)
MINE = replace(ASKED, dataset="jsonl", key="mine/1", split="train")
OTHER_WORDS = "Given numbers, return the sum of the squared even ones among them."
OTHER_TESTS = (CodeTest("assert even_squares([8]) == 64"), CodeTest("assert even_squares([]) == 0"))
OTHER_CODE = "def even_squares(xs):\n    return sum([x**2 for x in xs if not x % 2])\n"


def renamed(task: CodeTask) -> CodeTask:
    assert task.reference is not None
    tests = [CodeTest(t.code.replace("even_squares", "g")) for t in task.hidden]  # type: ignore[union-attr]
    code = task.reference.replace("even_squares", "g")
    return replace(task, entry_point="g", hidden=tuple(tests), reference=code)


COPIES = {
    "another key": MINE,
    "another name": replace(renamed(MINE), instruction=OTHER_WORDS),
    "the words alone": replace(
        MINE, instruction=f"  {ASKED.instruction.upper()} ", hidden=OTHER_TESTS, reference=None
    ),
    "the tests alone": replace(MINE, instruction=OTHER_WORDS, reference=OTHER_CODE),
    "the tests, other spacing and order": replace(
        renamed(MINE),
        instruction=OTHER_WORDS,
        reference=OTHER_CODE,
        hidden=tuple(CodeTest(f"assert  g( [{n},1] )=={n * n} # x") for n in (6, 2, 4)),
    ),
    "the reference alone": replace(
        MINE,
        instruction=OTHER_WORDS,
        hidden=OTHER_TESTS,
        reference='def even_squares(xs: list) -> int:\n    """Add."""\n    '
        "return sum(x * x for x in xs if x % 2 == 0)  # a comment\n",
    ),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_the_same_task_and_does_not_train(name: str) -> None:
    assert not contents(COPIES[name]).isdisjoint(contents(ASKED))
    with pytest.raises(InputError, match=r"code\.jsonl: every task of it is evaluated"):
        TaskSource({"jsonl": 1}, seed=0, files={"jsonl": [COPIES[name]]}, benchmarks=[ASKED])


def test_other_tasks_are_others() -> None:
    other = replace(MINE, instruction=OTHER_WORDS, hidden=OTHER_TESTS, reference=OTHER_CODE)
    assert contents(other).isdisjoint(contents(ASKED))
    one = replace(MINE, instruction="Double it.", hidden=(CallTest([2], 4),), kind="calls")
    assert contents(replace(one, reference=None, key="a")) == contents(replace(one, reference=None))
    assert contents(replace(one, reference=None)).isdisjoint(
        contents(replace(one, instruction="Square it.", reference=None))
    )
    program = replace(MINE, kind="program", entry_point=None, hidden=(ProgramTest("1\n", "1\n"),))
    assert contents(program) >= contents(replace(program, reference=None)) != frozenset()
    families = [make(family, 1, 3) for family in ("sum_list", "rotate_left")]
    assert contents(families[0]).isdisjoint(contents(families[1]))
    deep = replace(MINE, reference="x = " + "+".join(["1"] * 5000))
    assert contents(deep)  # neither deep nor broken code is in the way
    assert contents(replace(MINE, reference="def even_squares(:"))


def test_a_run_saved_before_its_tasks_were_known_to_be_evaluated_goes_on_without_them() -> None:
    others = [
        replace(make("sum_list", 1, n), dataset="jsonl", key=f"mine/{n}", split="train")
        for n in range(2, 5)
    ]
    copy = COPIES["the reference alone"]
    before = TaskSource({"jsonl": 1}, seed=0, files={"jsonl": [copy, *others]})
    asked = before.next_tasks(2)
    after = TaskSource({"jsonl": 1}, seed=0, files={"jsonl": [copy, *others]}, benchmarks=[ASKED])
    after.restore(before.state())
    again = {CodeTask.of(task).key for task in after.next_tasks(9)}
    assert asked and again == {"mine/2", "mine/3", "mine/4"}
    changed = TaskSource({"jsonl": 1}, seed=0, files={"jsonl": others[:1]}, benchmarks=[ASKED])
    with pytest.raises(InputError, match="the tasks have changed"):
        changed.restore(before.state())
