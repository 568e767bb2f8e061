"""No attack earns reward, gets out, or outlives its deadline: as root and not, wrapped and not."""

from __future__ import annotations

import functools
import json
from concurrent.futures import Future, ThreadPoolExecutor
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.attacks import fence
from tests.attacks.fence import SETTINGS, Setting
from tests.attacks.runner import ATTACKS, GETS_THROUGH, TASK_S
from tests.patience import patient

LATE_S = patient(10.0)
"""What a busy machine may add to a program's time, starts of processes included."""
pytestmark = pytest.mark.timeout(fence.SECONDS + 60)


@functools.cache
def started() -> dict[Setting, Future[CompletedProcess[str]]]:
    """Run all attacks in every setting at the same time: each has a fence of its own.

    Most of what they take is waiting for what hangs.
    """
    pool = ThreadPoolExecutor(len(SETTINGS))
    possible = [setting for setting in SETTINGS if fence.missing(setting.user) is None]
    return {one: pool.submit(fence.run, one, "tests.attacks.runner") for one in possible}


@functools.cache
def lines_of(setting: Setting) -> list[dict[str, Any]]:
    """Return what came of all attacks in one setting; skip where there is no fence to do it in."""
    reason = fence.missing(setting.user)
    if reason is not None:
        pytest.skip(reason)
    done = started()[setting].result(fence.SECONDS + 30)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not any("ended" in line for line in lines):
        began = [line["begins"] for line in lines if "begins" in line]
        last = done.stderr.strip()[-2000:]
        pytest.fail(f"ended with {done.returncode} after {began[-1:] or 'nothing'}: {last}")
    return lines


@pytest.fixture(params=SETTINGS, ids=str, scope="module")
def setting(request: pytest.FixtureRequest) -> Setting:
    found: Setting = request.param
    return found


def test_the_fence_and_the_tier_are_what_they_say(setting: Setting) -> None:
    first, last = lines_of(setting)[0], lines_of(setting)[-1]
    assert first["tier"] == ("BUBBLEWRAP" if setting.bubblewrap else "LANDLOCK")
    assert (first["uid"] == 0) == (setting.user == "root")
    # Before and after: the sandbox that withstood the attacks still pays who is right.
    everything = dict.fromkeys(("calls", "asserts", "check", "program"), "pass")
    assert first["honest"] == last["honest"] == everything


@pytest.mark.parametrize("name", [attack.name for attack in ATTACKS])
def test_attack(setting: Setting, name: str) -> None:
    records = [line["record"] for line in lines_of(setting) if "record" in line]
    mine = [record for record in records if record["name"] == name]
    (attack,) = (attack for attack in ATTACKS if attack.name == name)
    assert [record["kind"] for record in mine] == list(attack.kinds)
    for record in mine:
        assert record["verdict"] in ("fail", "timeout"), record
        assert record["violations"] == [], record
        assert record["seconds"] < TASK_S + LATE_S, record


def test_nothing_outlives_a_judge_that_is_killed(setting: Setting) -> None:
    reason = fence.missing(setting.user)
    if reason is not None:
        pytest.skip(reason)
    done = fence.run(setting, "tests.attacks.outlive")
    assert done.stdout.splitlines()[-1:] == ["gone"], (done.stdout, done.stderr[-2000:])


def test_attacks_and_guard_would_find_a_hole() -> None:
    reason = fence.missing("ordinary")
    if reason is not None:
        pytest.skip(reason)
    done = fence.run(Setting("ordinary", bubblewrap=False), "tests.attacks.runner", "weak")
    first, *lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert first["tier"] == "RLIMITS"
    records = {line["record"]["name"]: line["record"] for line in lines}
    for name, wanted in GETS_THROUGH.items():
        record = records[name]
        found = [record["verdict"], *record["violations"]]
        assert any(one.startswith(wanted) for one in found), record


def test_there_are_enough_of_them() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(set(names)) == len(names) >= 60
