"""What a sandbox leaves behind, and what happens when its zygote dies."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from envs.errors import InputError
from rewards.code.sandbox import Limits, Sandbox, SandboxError, launch
from tests.code.boxes import children_of, descriptors
from tests.patience import patient, wait_until

LIMITS = Limits(cpu_s=5, wall_s=20, memory_mb=64, output_bytes=20_000)
PROGRAM = "def double(x):\n    return 2 * x\ndef spin():\n    while True: pass\n"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    try:
        made = Sandbox(LIMITS)
    except InputError as error:
        pytest.skip(str(error))
    with made:
        yield made


def use(sandbox: Sandbox, times: int) -> None:
    for number in range(times):
        with sandbox.open(PROGRAM) as candidate:
            assert candidate.call("double", [number]).value == 2 * number
        with sandbox.open(PROGRAM) as candidate:
            candidate.call("spin", [], wall_s=0.005)
        with sandbox.open("import os; os._exit(1)"):
            pass
        sandbox.run_program("print(input())", "x")


def test_neither_zombies_nor_descriptors_pile_up(sandbox: Sandbox) -> None:
    zygote = sandbox.zygote_pid
    assert zygote is not None
    use(sandbox, 2)
    before = descriptors("self"), descriptors(zygote), children_of(os.getpid())
    use(sandbox, 25)
    assert (descriptors("self"), descriptors(zygote), children_of(os.getpid())) == before
    assert children_of(zygote) == []
    assert sandbox.zygote_pid == zygote


def test_an_unclosed_candidate_is_killed_with_the_sandbox(sandbox: Sandbox) -> None:
    candidate = sandbox.open(PROGRAM)
    zygote = sandbox.zygote_pid
    assert zygote is not None
    (fork,) = children_of(zygote)
    sandbox.close()
    assert not Path(f"/proc/{zygote}").exists()
    wait_until(lambda: not Path(f"/proc/{fork}").exists())
    with pytest.raises(SandboxError):
        candidate.call("double", [1])
    with pytest.raises(SandboxError, match="closed"):
        sandbox.open(PROGRAM)
    sandbox.close()


def test_a_zygote_killed_between_calls_is_replaced(sandbox: Sandbox) -> None:
    first = sandbox.zygote_pid
    assert first is not None
    before = descriptors("self")
    os.kill(first, signal.SIGKILL)
    with pytest.raises(SandboxError):
        sandbox.open(PROGRAM)
    with sandbox.open(PROGRAM) as candidate:
        assert candidate.call("double", [4]).value == 8
    assert sandbox.zygote_pid not in (None, first)
    assert descriptors("self") == before


def test_a_zygote_killed_during_a_call_is_our_failure_not_the_candidates(sandbox: Sandbox) -> None:
    first = sandbox.zygote_pid
    assert first is not None
    with pytest.raises(SandboxError), sandbox.open(PROGRAM) as candidate:
        killer = threading.Timer(0.2, os.kill, (first, signal.SIGKILL))
        killer.start()
        candidate.call("spin", [])
    with sandbox.open(PROGRAM) as candidate:
        assert candidate.call("double", [4]).value == 8


def test_a_zygote_that_hangs_is_given_up(sandbox: Sandbox) -> None:
    first = sandbox.zygote_pid
    assert first is not None
    assert sandbox._zygote is not None
    sandbox._zygote._control.settimeout(0.3)
    os.kill(first, signal.SIGSTOP)
    with pytest.raises(SandboxError, match="does not answer"):
        sandbox.open(PROGRAM)
    assert not Path(f"/proc/{first}").exists()
    with sandbox.open(PROGRAM) as candidate:
        assert candidate.call("double", [4]).value == 8


def test_everything_dies_with_the_parent() -> None:
    script = (
        "import os, sys\n"
        "from rewards.code.sandbox import Sandbox\n"
        "sandbox = Sandbox()\n"
        "candidate = sandbox.open('import time\\ndef f(): time.sleep(600)')\n"
        "print(sandbox.zygote_pid, flush=True)\n"
        "sys.stdin.read()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    root = Path(launch.__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(root)},
        text=True,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        zygote = int(parent.stdout.readline())
        (fork,) = children_of(zygote)
        parent.stdin.close()
        assert parent.wait(patient(10)) == -signal.SIGKILL
    wait_until(lambda: not Path(f"/proc/{zygote}").exists())
    wait_until(lambda: not Path(f"/proc/{fork}").exists())


def test_a_fork_that_cannot_be_confined_is_our_failure(sandbox: Sandbox) -> None:
    # More CPU seconds than a limit can hold.
    with pytest.raises(SandboxError, match="confined"):
        sandbox.open(PROGRAM, limits=Limits(cpu_s=1e30))
    with sandbox.open(PROGRAM) as candidate:
        assert candidate.call("double", [4]).value == 8


def test_a_fork_that_is_gone_before_it_is_asked_is_our_failure(sandbox: Sandbox) -> None:
    with sandbox._spawn(Limits(cpu_s=1e30), []) as candidate:
        ended, _, _ = select.select([candidate._fork.pidfd], [], [], 30)
        assert ended
        with pytest.raises(SandboxError, match="confined"):
            candidate.load_source(PROGRAM, 0)


def test_doing_can_be_read_from_another_thread(sandbox: Sandbox) -> None:
    seen = set()
    with sandbox.open(PROGRAM) as candidate:
        caller = threading.Thread(target=candidate.call, args=("spin", []), kwargs={"wall_s": 0.5})
        caller.start()
        while caller.is_alive():
            seen.add(sandbox.doing)
        caller.join()
    assert "calling spin of a program" in seen
    assert sandbox.doing == "idle"
