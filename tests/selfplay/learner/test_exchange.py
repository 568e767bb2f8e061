"""The exchange between loop and learner workers, on a real actor."""

from __future__ import annotations

import time
from typing import Any

import pytest
import ray

from selfplay.learner.exchange import Command, Exchange, Report
from tests.patience import patient

pytestmark = pytest.mark.usefixtures("local_ray")


def get(ref: Any) -> Any:
    return ray.get(ref, timeout=patient(20))


@pytest.fixture
def exchange(request: pytest.FixtureRequest) -> Any:
    made = Exchange.remote(getattr(request, "param", 1))  # type: ignore[attr-defined]
    yield made
    ray.kill(made)


def test_commands_arrive_in_order(exchange: Any) -> None:
    for i in range(5):
        get(exchange.post.remote(Command("save", f"v{i}")))
    taken = [get(exchange.take.remote(0, i, 5.0)) for i in range(5)]
    assert taken == [Command("save", f"v{i}") for i in range(5)]


@pytest.mark.parametrize("exchange", [3], indirect=True)
def test_every_worker_sees_every_command_and_its_own_share(exchange: Any) -> None:
    get(exchange.post.remote(Command("update", [["a"], ["b"], ["c"]])))
    get(exchange.post.remote(Command("stop")))
    # One worker runs ahead of the others.
    assert get(exchange.take.remote(1, 0, 5.0)) == Command("update", ["b"])
    assert get(exchange.take.remote(1, 1, 5.0)) == Command("stop")
    for rank, share in ((2, "c"), (0, "a")):
        assert get(exchange.take.remote(rank, 0, 5.0)) == Command("update", [share])
        assert get(exchange.take.remote(rank, 1, 5.0)) == Command("stop")


@pytest.mark.parametrize("exchange", [2], indirect=True)
def test_what_all_have_taken_is_forgotten(exchange: Any) -> None:
    get(exchange.post.remote(Command("save", "v1")))
    assert get(exchange.take.remote(0, 0, 5.0)) == get(exchange.take.remote(1, 0, 5.0))
    with pytest.raises(KeyError):
        get(exchange.take.remote(0, 0, 5.0))


def test_a_waiting_worker_is_woken(exchange: Any) -> None:
    waiting = exchange.take.remote(0, 0, patient(60))
    assert get(exchange.next_report.remote(0.0)) is None
    assert ray.wait([waiting], timeout=0.3)[0] == []
    get(exchange.post.remote(Command("stop")))
    assert get(waiting) == Command("stop"), "long before its own wait ends"


def test_waits_end_in_time_and_lose_nothing(exchange: Any) -> None:
    start = time.monotonic()
    assert get(exchange.take.remote(0, 0, 0.2)) is None
    assert get(exchange.next_report.remote(0.2)) is None
    assert 0.4 <= time.monotonic() - start < patient(5)
    get(exchange.post.remote(Command("stop")))
    assert get(exchange.take.remote(0, 0, 5.0)) == Command("stop")


def test_reports_come_once_and_in_order(exchange: Any) -> None:
    for version in range(3):
        get(exchange.report.remote(Report("updated", {"version": version})))
    reports = [get(exchange.next_report.remote(5.0)) for _ in range(3)]
    assert [r.payload["version"] for r in reports] == [0, 1, 2]
    assert get(exchange.next_report.remote(0.1)) is None
