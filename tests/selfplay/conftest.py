"""A real local Ray for the tests of actors; started once and shut down at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import ray


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """Ray with 4 logical CPUs, whatever the machine has."""
    ray.init(
        num_cpus=4,
        include_dashboard=False,
        object_store_memory=200 * 2**20,
        log_to_driver=False,
        address="local",
    )
    yield
    ray.shutdown()
