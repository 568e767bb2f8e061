"""A real local Ray for the tests of actors; started once and shut down at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from selfplay.config.run import RunConfig
from tests.patience import patient


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """Ray as a run starts it, with 4 logical CPUs whatever the machine has."""
    from selfplay.cluster.session import ray_session

    own = {"num_cpus": 4, "object_store_mb": 200, "start_s": patient(60)}
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("RAY_ADDRESS", raising=False)
        with ray_session(RunConfig.model_validate({"ray": own})):
            yield


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One torch thread: for tiny models, on a busy machine, waiting for a second costs seconds."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
