"""Ray: found or started, asked for no more than there is, and left without a stray process."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import ray

from envs.errors import InputError
from selfplay.cluster import guard
from selfplay.cluster.placement import (
    Resources,
    demand,
    lines,
    refuse_impossible,
    roles,
    scorer_pools,
)
from selfplay.config.run import RunConfig

CONNECT_SECONDS = 10.0

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
    messages: tuple[str, ...] = ()
    """The arithmetic, for people."""


@contextmanager
def ray_session(config: RunConfig) -> Iterator[Placement]:
    """Join the cluster at `ray.address` or RAY_ADDRESS, or start a local Ray; yield the placement.

    Raises:
        InputError: no cluster answers at the address, or it lacks what the run asks for.
    """
    address = cluster_address(config)
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address:
        _join(address)
    else:
        # A watcher for spot machines that are taken away: on one machine only 200 MB of memory.
        os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
        os.environ.setdefault("GLIBC_TUNABLES", _GLIBC_TUNABLES)
        # oneDNN keeps what it made for the last 1,024 shapes, and ours hardly ever come twice:
        # some 0.3 GB each in sampler and learner of SmolLM2-135M.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    with ExitStack() as stack:
        if not address:
            stack.enter_context(_own_ray(config))
        stack.callback(ray.shutdown)
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        yield plan(config, ray.cluster_resources(), ray.available_resources(), nodes)


@contextmanager
def _own_ray(config: RunConfig) -> Iterator[None]:
    """Start a local Ray, again where it was not in time; its caller shuts it down.

    Raises:
        InputError: it does not start; the message says what to set.
    """
    until = time.monotonic() + config.ray.start_s
    while True:
        with ExitStack() as stack:
            stack.enter_context(guarded())
            try:
                _start_own(config)
            except Exception as error:
                ray.shutdown()
                if not _late(error) or time.monotonic() >= until:
                    raise _not_started(error, config) from error
                continue  # the guard ends what remains of it
            os.environ.pop(guard.MARK, None)  # what starts from now on is this process's own
            yield
            return


def _start_own(config: RunConfig) -> None:
    with _own_sigterm():
        ray.init(
            address="local",
            num_cpus=own_cpus(config),
            resources=own_resources(config),
            object_store_memory=config.ray.object_store_mb * 2**20,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )


@contextmanager
def guarded(grace_s: float = guard.GRACE_S) -> Iterator[None]:
    """Let a process of its own see to it that what the block starts ends with it (guard.py).

    What has not ended by itself `grace_s` seconds later is killed.

    Processes are known by a mark in their environment, which they inherit. Ray's agents and workers
    write their titles over their environments, as far as a title's room goes, and the mark was lost
    with it at random; SPT_NOENV keeps titles to the command line's room.
    """
    mark = secrets.token_hex(16)
    command = [sys.executable, "-I", "-S", guard.__file__, mark, str(grace_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as watcher:
        os.environ[guard.MARK] = mark
        os.environ.setdefault("SPT_NOENV", "1")
        try:
            yield
        finally:
            os.environ.pop(guard.MARK, None)
            assert watcher.stdin is not None
            watcher.stdin.close()


def _late(error: Exception) -> bool:
    """Whether Ray gave up waiting for its own processes, which a busy machine makes slow."""
    words = str(error).lower()
    return "timed out" in words or "timeout" in words or isinstance(error, TimeoutError)


def _not_started(error: Exception, config: RunConfig) -> InputError:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    if _late(error):
        return InputError(
            f"Ray did not start within {config.ray.start_s:g} s ({first}): the machine is too "
            "busy; try again later, or set a larger ray.start_s"
        )
    place = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    return InputError(
        f"Ray does not start ({type(error).__name__}: {first}); its files go to {place}: it must "
        "be writable, have room and a short path; set RAY_TMPDIR=/short/writable/folder"
    )


def cluster_address(config: RunConfig) -> str | None:
    """Return the cluster that a run joins; None: a local Ray is started for it."""
    return config.ray.address or os.environ.get("RAY_ADDRESS") or None


def check_cluster(config: RunConfig) -> None:
    """Refuse what Ray would be started, or looked for, in vain; start and join nothing.

    Raises:
        InputError: the address is none, nobody answers there, or a Ray of our own would have less
            than the run asks for.
    """
    address = cluster_address(config)
    if address:
        refuse_address(address)
        return
    own = {"CPU": float(own_cpus(config)), **own_resources(config)}
    if config.sampler.gpus or config.learner.gpus:
        own["GPU"] = float(_gpus_for_ray())
    plan(config, own)


def own_cpus(config: RunConfig) -> int:
    """Return the logical CPUs of a Ray of our own."""
    return config.ray.num_cpus or max(os.cpu_count() or 1, _ceil(cpu_demand(config)))


def _gpus_for_ray() -> int:
    """Return the GPUs that a local Ray would find; it starts nothing for that."""
    from ray._private.accelerators import get_accelerator_manager_for_resource

    manager = get_accelerator_manager_for_resource("GPU")
    visible = manager.get_current_process_visible_accelerator_ids()
    found = int(manager.get_current_node_num_accelerators())
    return found if visible is None else min(found, len(visible))


def cpu_demand(config: RunConfig) -> float:
    """Return the logical CPUs that all actors of the run reserve, evaluation scorers included."""
    return demand(roles(config, 0.0, 0.0)).get("CPU", 0.0)


def own_resources(config: RunConfig) -> dict[str, float]:
    """Return the custom resources of all actors: a Ray of our own has what the run asks for."""
    needed = demand(roles(config, 0.0, 0.0))
    return {name: amount for name, amount in needed.items() if name != "CPU"}


def plan(
    config: RunConfig,
    resources: Resources,
    free: Resources | None = None,
    nodes: Sequence[Resources] = (),
) -> Placement:
    """Return the GPUs per actor; refuse at once what the cluster can never give.

    Without an explicit setting, samplers and learner workers share the GPUs evenly, one each at
    most.

    Args:
        config: the run's.
        resources: what the cluster has.
        free: what of it is not in use; None: all.
        nodes: what each node has.

    Raises:
        InputError: more is asked for than there is; the message has the arithmetic.
    """
    actors = config.sampler.count + config.learner.workers
    gpus = resources.get("GPU", 0.0)
    even = 1.0 if gpus >= actors else (int(1000 * gpus / actors) / 1000)
    sampler = config.sampler.gpus or even
    learner = config.learner.gpus or even
    wanted = roles(config, sampler, learner)
    least = roles(config, sampler, learner, least=True)
    refuse_impossible(least, resources, nodes, scorer_pools(config))
    messages = lines(wanted, resources, resources if free is None else free)
    return Placement(sampler, learner, tuple(messages))


def _join(address: str) -> None:
    """Connect to the cluster at `address`, and start nothing.

    Raises:
        InputError: no cluster answers there.
    """
    refuse_address(address)
    try:
        with _own_sigterm():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError, AssertionError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"ray.address={address}: no Ray cluster answers there ({first[:200]})"
        ) from error


def refuse_address(address: str) -> None:
    """Refuse an address that no run can join. Raises InputError."""
    if address.startswith("ray://"):
        raise InputError(
            f"ray.address={address}: a run does not go through Ray Client; send it to the cluster "
            "with `selfplay submit`, or start it on one of the nodes"
        )
    if "://" in address:
        raise InputError(
            f"ray.address={address}: a run joins a cluster at HOST:PORT (port 6379 as a rule) or "
            "'auto'; the dashboard's address is for `selfplay submit`"
        )
    refuse_unreachable(address, f"ray.address={address}")


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep a handler that the run has set (interrupt.py): ray.init puts one that exits there."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if callable(before) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


def refuse_unreachable(address: str, what: str) -> None:
    """Refuse HOST:PORT where nothing listens: Ray itself would try for minutes.

    Raises:
        InputError: `what` in front of the reason.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"{what}: nothing answers there ({error})") from error


def _ceil(value: float) -> int:
    return int(-(-value // 1))
