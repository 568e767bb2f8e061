"""Ray: found or started, asked for no more than there is, and left without a process behind."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ray

from envs.errors import InputError
from selfplay.config import RunConfig

_GLIBC_TUNABLES = ":".join(
    (
        "glibc.malloc.hugetlb=1",
        "glibc.malloc.arena_max=1",
        "glibc.malloc.mmap_max=0",
        "glibc.malloc.trim_threshold=8589934592",
    )
)
"""What actors inherit: large blocks come from one heap of huge pages and stay there until
`release_free_memory`. By default glibc maps and unmaps each block of over 32 MB, and a fifth of an
update on the CPU goes into faulting activations in, page by page; heaps per thread cost a learner
0.25 GB (measured with SmolLM2-135M)."""


@dataclass(frozen=True, slots=True)
class Placement:
    """GPUs (fractions allowed) per sampler and per learner worker."""

    sampler_gpus: float
    learner_gpus: float


@contextmanager
def ray_session(config: RunConfig) -> Iterator[Placement]:
    """Join the cluster at `ray.address` or RAY_ADDRESS, or start a local Ray; yield the placement.

    Raises:
        InputError: no cluster answers at the address, or it lacks what the run asks for.
    """
    address = config.ray.address or os.environ.get("RAY_ADDRESS")
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address:
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(f"ray.address={address}: no Ray cluster answers there") from error
    else:
        # A watcher for spot machines that are taken away: on one machine only 200 MB of memory.
        os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
        os.environ.setdefault("GLIBC_TUNABLES", _GLIBC_TUNABLES)
        cores = config.ray.num_cpus or max(os.cpu_count() or 1, _ceil(cpu_demand(config)))
        ray.init(
            address="local",
            num_cpus=cores,
            object_store_memory=config.ray.object_store_mb * 2**20,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    try:
        yield plan(config, ray.cluster_resources())
    finally:
        ray.shutdown()


def cpu_demand(config: RunConfig) -> float:
    """Return the logical CPUs that all actors of the run reserve, evaluation scorers included."""
    pools = _scorer_pools(config)
    return (
        config.sampler.count * config.sampler.cpus
        + pools * config.scorer.count * config.scorer.cpus
        + config.learner.workers * config.learner.cpus
    )


def _scorer_pools(config: RunConfig) -> int:
    """Return how many scorer pools live at once: one per domain, and one while evaluating."""
    return 3 if config.domain == "both" else 2


def plan(config: RunConfig, resources: dict[str, float]) -> Placement:
    """Return the GPUs per actor; refuse at once what the cluster can never give.

    Without an explicit setting, samplers and learner workers share the GPUs evenly, one each at
    most.

    Raises:
        InputError: more is asked for than there is; the message has the arithmetic.
    """
    actors = config.sampler.count + config.learner.workers
    gpus = resources.get("GPU", 0.0)
    even = 1.0 if gpus >= actors else (int(1000 * gpus / actors) / 1000)
    sampler = config.sampler.gpus or even
    learner = config.learner.gpus or even
    for name, have, need in (
        ("CPU", resources.get("CPU", 0.0), cpu_demand(config)),
        ("GPU", gpus, config.sampler.count * sampler + config.learner.workers * learner),
    ):
        if need > have + 1e-6:
            raise InputError(
                f"placement: {config.sampler.count} samplers, {config.scorer.count} scorers in "
                f"each of {_scorer_pools(config)} pools (one while evaluating) and "
                f"{config.learner.workers} learner workers need {need:g} "
                f"{name}, the Ray cluster has {have:g}; lower *.count, *.cpus or *.gpus"
            )
    return Placement(sampler, learner)


def _ceil(value: float) -> int:
    return int(-(-value // 1))
