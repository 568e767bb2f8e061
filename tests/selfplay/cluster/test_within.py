"""Calls with a deadline: what they return and raise passes through; what hangs is left alone."""

from __future__ import annotations

import threading

import pytest

from selfplay.cluster.within import Unanswered, within
from tests.patience import patient


def test_what_hangs_is_left_in_a_thread_of_its_name() -> None:
    never = threading.Event()
    with pytest.raises(Unanswered, match=r"no answer within 0\.2 s"):
        within(0.2, "the listing", never.wait)
    [left] = [thread for thread in threading.enumerate() if thread.name == "the listing"]
    assert left.daemon
    never.set()
    left.join(patient(5))
    assert not left.is_alive()


def test_answers_and_errors_pass_through() -> None:
    assert within(patient(30), "x", lambda: 42) == 42
    with pytest.raises(KeyError, match="inside"):
        within(patient(30), "x", lambda: {}["inside"])
    with pytest.raises(TimeoutError, match="its own") as caught:
        within(patient(30), "x", lambda: (_ for _ in ()).throw(TimeoutError("its own")))
    assert not isinstance(caught.value, Unanswered)
