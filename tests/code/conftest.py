"""A judge on the real sandbox, patient or hasty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rewards.code.judge import Judge
from rewards.code.sandbox import Limits, Sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.fixture(scope="module")
def judge(sandbox: Sandbox) -> Iterator[Judge]:
    with Judge(sandbox, Limits(wall_s=20.0), task_s=40.0) as made:
        yield made


@pytest.fixture(scope="module")
def hasty(sandbox: Sandbox) -> Iterator[Judge]:
    """A judge with half a second for each test."""
    with Judge(sandbox, Limits(wall_s=0.5), task_s=2.0) as made:
        yield made
