"""Pools over real Ray actors that hang, die and raise."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray

from envs.errors import InputError
from selfplay.cluster.actors import whereabouts
from selfplay.cluster.pools import MOST_ASIDE, ActorPool, PoolError
from tests.patience import patient

pytestmark = pytest.mark.usefixtures("local_ray")
HANGS_S = 5.0
"""For calls that hang by intent; beside them are some that take milliseconds."""


@ray.remote(num_cpus=0.1, concurrency_groups={"watch": 1})
class Worker:
    """Does what the call says; `once` is a file that marks a fault as having happened."""

    def __init__(self, number: int, gate: str = "", fault: str = "") -> None:
        self._number = number
        self._doing = "idle"
        self._word: Any = None
        if gate:
            with open(gate, "rb"):
                pass
        if fault:
            self._fail(fault)

    def remember(self, word: Any, who: str = "", once: str = "", fault: str = "") -> Any:
        if who == str(self._number) and not Path(once).exists():
            Path(once).touch()
            self._fail(fault)
        self._word = word
        return word

    def recall(self) -> Any:
        return self._word

    def pid(self) -> int:
        return os.getpid()

    def square(self, value: int, fault: str = "", once: str = "") -> int:
        self._doing = f"squaring {value}"
        if fault and not (once and Path(once).exists()):
            if once:
                Path(once).touch()
            self._fail(fault)
        self._doing = "idle"
        return value * value

    def meet(self, value: int, end: str, pipe: str) -> int:
        if end:
            with open(pipe, "rb" if end == "read" else "wb"):
                pass
        return value * value

    def _fail(self, fault: str) -> None:
        if fault == "hang":
            threading.Event().wait()
        if fault == "hang_a_second":
            time.sleep(1.5)
            return
        if fault == "exit":
            os._exit(3)
        if fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
            threading.Event().wait()
        if fault == "input":
            raise InputError("chess.pgn=x.pgn: not a game; mend it")
        raise KeyError("a bug of ours")

    @ray.method(concurrency_group="watch")
    def doing(self) -> str:
        return self._doing

    @ray.method(concurrency_group="watch")
    def where(self) -> dict[str, Any]:
        return whereabouts()


def pool(count: int = 2, **settings: Any) -> ActorPool:
    made = ActorPool(
        "worker", Worker.remote, count=count, **{"deadline_s": patient(10), **settings}
    )
    # Starting a process takes seconds on a busy machine; the deadlines below are of calls.
    made.wait_started()
    return made


def test_results_come_in_the_order_of_the_calls() -> None:
    made = pool(3)
    assert made.map("square", [(i,) for i in range(40)]) == [i * i for i in range(40)]
    assert made.map("square", []) == []
    assert (made.replaced, len(made)) == (0, 3)
    assert len(set(made.each("pid"))) == 3
    made.close()
    assert len(made) == 0


def test_actors_work_at_the_same_time(tmp_path: Path) -> None:
    """The first call ends only once the last one runs: a pipe has to have two ends."""
    os.mkfifo(tmp_path / "pipe")
    made = pool(2)
    calls = [(i, {0: "read", 7: "write"}.get(i, ""), str(tmp_path / "pipe")) for i in range(8)]
    assert made.map("meet", calls) == [i * i for i in range(8)]
    assert made.replaced == 0
    made.close()


@pytest.mark.parametrize("fault", ["hang", "exit", "kill"])
def test_what_hangs_or_dies_is_replaced_and_its_call_retried(
    fault: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deadline = HANGS_S if fault == "hang" else patient(10)
    made = pool(2, deadline_s=deadline)
    before = made.each("pid")
    calls = [(i, fault if i == 2 else "", str(tmp_path / "mark")) for i in range(5)]
    start = time.monotonic()
    with caplog.at_level(logging.WARNING, "selfplay.cluster.pools"):
        assert made.map("square", calls) == [0, 1, 4, 9, 16]
    assert time.monotonic() - start < deadline + patient(10)
    assert made.replaced == 1
    after = made.each("pid")
    assert len(set(before) & set(after)) == 1
    dead = (set(before) - set(after)).pop()
    assert _ends(dead, patient(10))
    [record] = [r for r in caplog.records if r.name == "selfplay.cluster.pools"]
    message = record.getMessage()
    assert (
        message.startswith("worker ") and "square" in message and "killed and replaced" in message
    )
    if fault == "hang":
        assert f"no answer within {HANGS_S:g} s" in message and "it was squaring 2" in message
    assert "\n" not in message
    made.close()


def _ends(pid: int, seconds: float) -> bool:
    """Whether a process is gone within `seconds`: Ray kills actors while nobody waits for them."""
    try:
        psutil.Process(pid).wait(seconds)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


def test_retries_are_spent_then_the_role_is_named() -> None:
    made = pool(2, retries=1)
    with pytest.raises(PoolError, match=r"^worker \d: square failed 2 times, last: .*Actor"):
        made.map("square", [(1,), (2, "exit"), (3,)])
    assert made.replaced == 2
    assert made.map("square", [(5,)]) == [25]
    made.close()


@pytest.mark.parametrize("fault", ["exit", "bug"])
def test_a_call_set_aside_costs_only_itself(fault: str) -> None:
    made = pool(2, retries=1)
    reasons: dict[int, str] = {}

    def aside(number: int, why: str) -> str:
        reasons[number] = why
        return "aside"

    assert made.map("square", [(1,), (2, fault), (3,)], aside) == [1, "aside", 9]
    assert list(reasons) == [1] and "worker" in reasons[1] and "square" in reasons[1]
    with pytest.raises(PoolError):
        made.map("square", [(2, "bug")] * (MOST_ASIDE + 1), aside)
    made.close()


def test_no_retry_means_none() -> None:
    made = pool(1, retries=0, deadline_s=1.5)
    with pytest.raises(PoolError, match="square failed 1 times, last: GetTimeoutError: no answer"):
        made.map("square", [(2, "hang")])
    made.close()


def test_a_python_exception_is_ours_and_not_retried(tmp_path: Path) -> None:
    made = pool(2)
    # With the mark a retry would succeed, and be seen to.
    with pytest.raises(PoolError, match=r"worker \d: square raised: KeyError: 'a bug of ours'"):
        made.map("square", [(1, "bug", str(tmp_path / "bug"))])
    assert made.replaced == 0
    with pytest.raises(InputError) as caught:
        made.map("square", [(1, "input", str(tmp_path / "input"))])
    assert str(caught.value) == "chess.pgn=x.pgn: not a game; mend it"
    assert type(caught.value) is InputError and made.replaced == 0
    assert made.map("square", [(4,)]) == [16]
    made.close()


@pytest.mark.parametrize("fault", ["hang", "exit"])
def test_each_goes_on_without_what_fails_and_its_replacement_is_named(
    fault: str, tmp_path: Path
) -> None:
    made = pool(2, deadline_s=HANGS_S if fault == "hang" else patient(10))
    assert made.each("remember", 7, "0", str(tmp_path / "mark"), fault) == [7]
    assert made.replaced == 1
    made.wait_started()
    # Both know it, the replacement too: it was asked before it could get any work.
    assert made.each("recall") == [7, 7]
    assert [row["event"] for row in made.events] == ["placed", "placed", "lost", "placed"]
    made.close()


def test_what_starts_late_is_told_the_last_word_before_it_works(tmp_path: Path) -> None:
    """Weights published while a sampler starts must reach it before it samples."""
    os.mkfifo(tmp_path / "gate")
    made = ActorPool(
        "worker",
        lambda i: Worker.remote(i, str(tmp_path / "gate")),
        count=1,
        deadline_s=patient(20),
    )
    assert made.each("remember", 1) == [], "nobody has started yet"
    assert made.each("remember", 2) == []
    with open(tmp_path / "gate", "wb"):
        pass
    assert made.map("recall", [()]) == [2]
    made.close()


def test_each_names_what_raises() -> None:
    made = pool(1)
    with pytest.raises(PoolError, match=r"^worker 0: square raised: KeyError"):
        made.each("square", 3, "bug")
    with pytest.raises(InputError, match="not a game"):
        made.each("square", 3, "input")
    made.close()


def unplaceable(number: int) -> Any:
    """Worker 0 has a place; no node has what the others ask for."""
    return Worker.options(resources={"nowhere": 1} if number else {}).remote(number)


def test_the_pool_goes_on_without_what_finds_no_place(caplog: pytest.LogCaptureFixture) -> None:
    made = ActorPool(
        "worker",
        unplaceable,
        count=2,
        deadline_s=patient(20),
        start_s=patient(30),
        needs={"nowhere": 1},
    )
    assert made.map("square", [(i,) for i in range(6)]) == [0, 1, 4, 9, 16, 25]
    with caplog.at_level(logging.WARNING, "selfplay.cluster.pools"):
        made._start_s = 0.5
        assert made.map("square", [(3, "hang_a_second")]) == [9]
    assert "worker 1: not started within 0.5 s" in caplog.text
    assert "it needs 1 nowhere (the cluster has 0, 0 free)" in caplog.text
    made.close()


def test_when_nobody_is_left_the_deadline_names_what_is_missing() -> None:
    made = ActorPool(
        "worker",
        lambda i: unplaceable(i + 1),
        count=2,
        deadline_s=patient(20),
        start_s=1.0,
        needs={"nowhere": 1},
    )
    with pytest.raises(PoolError) as caught:
        made.map("square", [(1,)])
    message = str(caught.value)
    assert message.startswith("no worker remains: worker 0 not started within 1 s (ray.start_s)")
    assert "it needs 1 nowhere (the cluster has 0, 0 free)" in message and "\n" not in message
    made.close()


def test_what_raises_while_it_starts_is_named_and_not_left_out() -> None:
    made = ActorPool(
        "worker", lambda i: Worker.remote(i, "", "bug"), count=1, deadline_s=patient(20), retries=1
    )
    with pytest.raises(PoolError, match=r"worker 0: starting failed 2 times, last: KeyError"):
        made.map("square", [(1,)])
    made.close()
