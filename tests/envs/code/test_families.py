"""The built-in families: right references, sharp tests, disjoint splits, one task per seed."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from envs.code.families import FAMILIES, FAR, HELDOUT, LEVELS, TEST, TRAIN, make, split_of, suite
from envs.code.families.compose import compiled
from envs.code.families.registry import types
from envs.code.families.screen import Screen
from envs.code.families.steps import AFTER, BEFORE
from envs.code.task import CallTest, CodeTask, Test
from envs.code.values import same
from envs.errors import InputError
from tests.patience import patient

SEEDS = (0, 1, 77)
FAULTS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
REVIEWED = Path(__file__).parent / "data" / "families_level1.jsonl"


@pytest.fixture(scope="module")
def everything() -> list[CodeTask]:
    """Tasks of every family and level, three seeds each."""
    return [make(family, level, seed) for family in FAMILIES for level in LEVELS for seed in SEEDS]


def passes(function: Any, tests: tuple[Test, ...]) -> int:
    """Return how many tests a function of ours passes."""
    count = 0
    for test in tests:
        assert isinstance(test, CallTest)
        with contextlib.suppress(
            ArithmeticError, AttributeError, LookupError, TypeError, ValueError
        ):
            count += same(test.expected, function(*test.args))
    return count


def reference_of(task: CodeTask) -> Any:
    assert task.reference is not None and task.entry_point is not None
    return compiled(task.reference, task.entry_point)


def test_there_are_enough_families_and_a_quarter_is_held_out() -> None:
    assert len(FAMILIES) >= 60
    assert [*TRAIN, *HELDOUT, *FAR, *TEST] == list(dict.fromkeys([*TRAIN, *HELDOUT, *FAR, *TEST]))
    assert {*TRAIN, *HELDOUT, *FAR, *TEST} == set(FAMILIES)
    assert 2.5 <= len(TRAIN) / len(HELDOUT) <= 3.5


def test_every_reference_passes_its_own_tests(everything: list[CodeTask]) -> None:
    for task in everything:
        function = reference_of(task)
        assert passes(function, task.visible) == len(task.visible), task.key
        assert passes(function, task.hidden) == len(task.hidden) == 8, task.key


def test_none_constants_and_the_argument_fail(everything: list[CodeTask]) -> None:
    for task in everything:
        assert passes(lambda *args: None, task.hidden) == 0, task.key
        assert passes(lambda *args: args[0], task.hidden) <= 6, task.key
        for test in (*task.visible, *task.hidden):
            assert isinstance(test, CallTest)
            constant = test.expected
            assert passes(lambda *args, value=constant: value, task.hidden) <= 4, task.key


def test_visible_and_hidden_tests_are_all_distinct(
    everything: list[CodeTask],
) -> None:
    for task in everything:
        calls = [repr(t.args) for t in (*task.visible, *task.hidden) if isinstance(t, CallTest)]
        assert len(calls) == len(set(calls)), task.key
        assert 2 <= len(task.visible) <= 3


def test_near_misses_fail(everything: list[CodeTask]) -> None:
    for task in everything:
        core = FAMILIES[task.family or ""]
        if task.level != 1 or core.ks:
            continue
        assert task.reference is not None and task.entry_point is not None
        names = list(ast.parse(f"{task.signature} pass").body[0].args.args)  # type: ignore[attr-defined]
        for miss in core.near:
            for letter, name in zip("abc", names, strict=False):
                miss = miss.replace(f"${letter}", name.arg)
            header = task.reference[: task.reference.rindex("    return ")]
            wrong = compiled(f"{header}    return {miss}\n", task.entry_point)
            assert passes(wrong, task.hidden) < 8, (task.key, miss)


def test_no_name_of_a_reference_hides_a_parameter(everything: list[CodeTask]) -> None:
    for task in everything:
        (function,) = [
            n for n in ast.parse(task.reference or "").body if isinstance(n, ast.FunctionDef)
        ]
        parameters = {arg.arg for arg in function.args.args}
        assert task.entry_point not in parameters
        for node in ast.walk(function):
            if isinstance(node, ast.comprehension):
                bound = {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
                assert not bound & parameters, task.key


def test_signature_types_and_annotations_agree(everything: list[CodeTask]) -> None:
    for task in everything:
        assert task.signature is not None
        assert task.signature.startswith(f"def {task.entry_point}(")
        returned = ast.parse(f"{task.signature} pass").body[0].returns  # type: ignore[attr-defined]
        annotation = ast.unparse(returned)
        for test in task.hidden:
            assert isinstance(test, CallTest)
            kind = type(test.expected).__name__
            assert annotation.split("[")[0] == kind, task.key


def test_level_is_the_number_of_statements_but_one_or_two(everything: list[CodeTask]) -> None:
    for task in everything:
        lines = (task.reference or "").split(":\n", 1)[1].strip().split("\n")
        assert 1 <= len(lines) <= (task.level or 0), task.key
        if task.level == 1:
            assert lines[0].lstrip().startswith("return ")


def test_payloads_survive_json(everything: list[CodeTask]) -> None:
    for task in everything[::7]:
        made = task.task()
        again = CodeTask.of(type(made)(made.id, made.domain, json.loads(json.dumps(made.payload))))
        assert again == task
        assert again.task().id == made.id


def test_a_task_follows_from_family_level_and_seed_in_every_process() -> None:
    code = (
        "from envs.code.families import FAMILIES, make\n"
        "print(*[make(f, l, 5).task().id for f in list(FAMILIES)[::9] for l in (1, 2, 3)])"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
            timeout=patient(20),
        ).stdout
        for seed in ("0", "1")
    }
    here = [make(f, level, 5).task().id for f in list(FAMILIES)[::9] for level in LEVELS]
    assert printed == {" ".join(here) + "\n"}


def test_level_1_of_every_family_as_it_was_reviewed_by_hand() -> None:
    rows = [json.loads(line) for line in REVIEWED.read_text(encoding="utf-8").splitlines()]
    assert [row["family"] for row in rows] == list(FAMILIES)
    for row in rows:
        task = make(row["family"], 1, 0)
        assert row == reviewed_row(task)


def reviewed_row(task: CodeTask) -> dict[str, Any]:
    """Return what was looked at: the instruction and two calls with their results."""
    calls = [[repr(t.args), repr(t.expected)] for t in task.visible[:2] if isinstance(t, CallTest)]
    return {
        "family": task.family,
        "split": task.split,
        "signature": task.signature,
        "instruction": task.instruction,
        "calls": calls,
    }


def test_seeds_vary_wording_names_and_tests() -> None:
    tasks = [make("count_value", 1, seed) for seed in range(30)]
    assert len({task.instruction for task in tasks}) > 8
    assert len({task.entry_point for task in tasks}) > 2
    assert len({repr(task.hidden) for task in tasks}) == 30


def spelt(expr: str, ks: Sequence[object]) -> set[str]:
    """Return an expression with each of its constants."""
    return {re.sub(r"\$k\b", str(k), expr) for k in ks or (None,)}


def test_no_held_out_operation_is_a_training_one_or_a_step() -> None:
    pools = [*BEFORE.values(), *AFTER.values()]
    steps = {expr for pool in pools for step in pool for expr in spelt(step.expr, step.ks)}
    cores = {name: spelt(core.expr, core.ks) for name, core in FAMILIES.items()}
    train = {expr for name in TRAIN for expr in cores[name]}
    for name in (*HELDOUT, *FAR, *TEST):
        assert not cores[name] & (train | steps), name


def test_evaluation_never_sees_a_training_family() -> None:
    evaluation = suite("test", per_level=2)
    assert {task.family for task in evaluation} == set(HELDOUT)
    assert {task.split for task in evaluation} == {"test"}
    assert all(split_of(name) == "train" for name in TRAIN)
    assert not set(TRAIN) & {task.family for task in evaluation}


def test_no_training_program_solves_a_held_out_task_it_could_be(everything: list[CodeTask]) -> None:
    """Level 1 against every level, both ways; deeper ones are for the screen."""
    train = [task for task in everything if task.split == "train"]
    heldout = [task for task in everything if task.split == "test"]
    checked = 0
    for solver, solved in ((train, heldout), (heldout, train)):
        for task in solver:
            if task.level != 1:
                continue
            function = reference_of(task)
            shape = types(FAMILIES[task.family or ""])
            for other in solved:
                if types(FAMILIES[other.family or ""]) == shape:
                    checked += 1
                    assert passes(function, other.hidden) < 8, (task.key, other.key)
    assert checked > 10_000


def test_the_screen_finds_what_composition_gives_away(everything: list[CodeTask]) -> None:
    evaluation = suite("test", per_level=2)
    screen = Screen(evaluation)
    train = [task for task in everything if task.split == "train"]
    caught = [task for task in train if screen.gives_away(task)]
    assert len(caught) < len(train) / 50
    assert all((task.level or 0) > 1 for task in caught)
    assert all(screen.gives_away(task) for task in evaluation[::10])


def test_refusals_are_one_line() -> None:
    with pytest.raises(InputError, match="did you mean 'sum_list'"):
        make("sum_lst", 1, 0)
    with pytest.raises(InputError, match="level 4 is unknown"):
        make("sum_list", 4, 0)
    with pytest.raises(InputError, match="no split 'validation'"):
        suite("validation")
