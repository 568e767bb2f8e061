"""Memory as it is reported, against memory that is really taken."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import sys
from multiprocessing.shared_memory import SharedMemory

import psutil
import pytest

from selfplay.models.memory import PeakMemory, held_bytes, release_free_memory
from tests.patience import patient

MEGABYTES = 200
SIZE = MEGABYTES * 1024 * 1024


def _hold(name: str, touched: multiprocessing.connection.Connection) -> None:
    shared = SharedMemory(name=name)
    touched.send(sum(bytes(shared.buf[::4096])))
    touched.recv()
    shared.close()


@pytest.mark.skipif(sys.platform != "linux", reason="proportional set sizes are Linux's")
def test_pages_that_two_processes_share_count_once() -> None:
    shared = SharedMemory(create=True, size=SIZE)
    try:
        shared.buf[:] = b"\x01" * SIZE
        before = held_bytes(psutil.Process())
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        child = context.Process(target=_hold, args=(shared.name, theirs))
        child.start()
        assert ours.recv() == SIZE // 4096
        resident = psutil.Process(child.pid).memory_info().rss
        assert resident > SIZE  # the resident set counts the shared pages a second time
        assert before - held_bytes(psutil.Process()) > 0.4 * SIZE
        ours.send("done")
        child.join(patient(10))
        assert child.exitcode == 0
    finally:
        shared.close()
        shared.unlink()


def test_the_peak_is_seen() -> None:
    with PeakMemory(every_s=0.02) as memory:
        before = held_bytes(psutil.Process())
        block = bytearray(b"\x01") * SIZE
        while memory.peak_bytes < before + 0.9 * SIZE:  # pytest's own timeout is the deadline
            pass
        assert len(block) == SIZE


def test_freed_memory_goes_back_to_the_system() -> None:
    # Blocks below glibc's threshold for own mappings, the last one kept: a heap with holes.
    blocks = [bytearray(100_000) for _ in range(2000)]
    kept = blocks[-1]
    before = psutil.Process().memory_info().rss
    blocks.clear()
    release_free_memory()
    assert kept is not None
    assert psutil.Process().memory_info().rss < before - 100_000_000
