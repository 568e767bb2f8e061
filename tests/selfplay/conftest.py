"""A real local Ray for the tests of actors; started once and shut down at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import ray


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """Ray with 4 logical CPUs, whatever the machine has; environment as in cluster/session.py."""
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    ray.init(
        num_cpus=4,
        include_dashboard=False,
        object_store_memory=200 * 2**20,
        log_to_driver=False,
        address="local",
    )
    yield
    ray.shutdown()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One torch thread: for tiny models, on a busy machine, waiting for a second costs seconds."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
