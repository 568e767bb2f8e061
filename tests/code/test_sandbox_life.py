"""What a sandbox leaves behind, what happens when its zygote dies, and which tier it takes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from envs.errors import InputError
from rewards.code.sandbox import Limits, Sandbox, SandboxError, Tier, launch, process
from rewards.code.sandbox.sandbox import _printed

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


def children_of(pid: int) -> list[int]:
    """Return the process ids of a process's children, zombies among them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                found.append(int(entry.name))
    return sorted(found)


def descriptors(pid: int | str) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


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


def wait_until(holds: object) -> None:
    assert callable(holds)
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        os.sched_yield()


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
        assert parent.wait(30) == -signal.SIGKILL
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


class NoLandlock(Sandbox):
    try_landlock = False


class NoSeccomp(Sandbox):
    try_seccomp = False


def test_without_landlock_no_file_is_opened() -> None:
    with NoLandlock(LIMITS, bubblewrap=False) as sandbox:
        assert sandbox.tier is Tier.SECCOMP
        assert all(sandbox.attacks.values())
        source = "import math, re, typing, collections, statistics\ndef f(): return math.sqrt(4)"
        with sandbox.open(source) as candidate:
            assert candidate.call("f", []).value == 2.0
        with sandbox.open("import sqlite3") as candidate:
            assert candidate.load.status == "exception"
        with sandbox.open(f"open({os.__file__!r})") as candidate:
            assert candidate.load.detail.startswith("PermissionError")


def test_rlimits_alone_are_refused_unless_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    _printed.clear()
    with pytest.raises(InputError, match=r"sandbox\.allow_weak=true") as caught:
        NoSeccomp(LIMITS, bubblewrap=False)
    assert "\n" not in str(caught.value)
    assert "read_file" in str(caught.value)
    with NoSeccomp(LIMITS, bubblewrap=False, allow_weak=True) as sandbox:
        assert sandbox.tier is Tier.RLIMITS
        assert not sandbox.attacks["udp"]
        with sandbox.open(PROGRAM) as candidate:
            assert candidate.call("double", [4]).value == 8
    assert "sandbox: rlimits only (" in capfd.readouterr().err


def test_a_refused_sandbox_leaves_nothing() -> None:
    before = descriptors("self"), children_of(os.getpid())
    with pytest.raises(InputError):
        NoSeccomp(LIMITS, bubblewrap=False)
    assert (descriptors("self"), children_of(os.getpid())) == before


def test_the_tier_is_printed_once(capfd: pytest.CaptureFixture[str]) -> None:
    _printed.clear()
    for _ in range(2):
        with Sandbox(LIMITS) as sandbox:
            text = f"sandbox: {sandbox.tier.value} (17 of 17 attacks refused)\n"
    assert capfd.readouterr().err == text


def test_bubblewrap_that_is_missing_or_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="no bwrap on PATH; run `apt-get install bubblewrap`"):
        Sandbox(LIMITS, bubblewrap=True)
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho no namespaces for you >&2\nexit 1\n", encoding="ascii")
    broken.chmod(0o755)
    with pytest.raises(InputError, match="no namespaces for you"):
        Sandbox(LIMITS, bubblewrap=True)
    with Sandbox(LIMITS) as sandbox:
        assert sandbox.tier in (Tier.LANDLOCK, Tier.SECCOMP)


def test_numpy_where_it_is_allowed() -> None:
    pytest.importorskip("numpy")
    answer = "[float(np.random.rand()), int(np.arange(n).sum())]"
    source = f"import numpy as np\ndef f(n):\n    return {answer}"
    limits = Limits(numpy=True, wall_s=20)
    answers = []
    with Sandbox(limits) as sandbox:
        for _ in range(2):
            with sandbox.open(source) as candidate:
                answers.append(candidate.call("f", [10]).value)
        with sandbox.open("import pytest") as candidate:
            assert candidate.load.status == "exception"
        with pytest.raises(ValueError, match=r"limits\.numpy"):
            sandbox.open(source, limits=LIMITS)
    assert answers[0] == answers[1]
    assert answers[0][1] == 45


def test_threads_where_they_are_allowed() -> None:
    source = (
        "import threading\n"
        "def f():\n"
        "    found = []\n"
        "    one = threading.Thread(target=found.append, args=(1,))\n"
        "    one.start()\n"
        "    one.join()\n"
        "    return found\n"
        "def fork():\n"
        "    import os\n"
        "    return os.fork()\n"
    )
    with Sandbox(Limits(processes=4, memory_mb=256, wall_s=20)) as sandbox:
        with sandbox.open(source) as candidate:
            assert candidate.call("f", []).value == [1]
            assert candidate.call("fork", []).detail.startswith("PermissionError")
        with sandbox.open(source, limits=LIMITS) as candidate:
            assert candidate.call("f", []).detail == "RuntimeError: can't start new thread"


@pytest.mark.parametrize("name", ["cpu_s", "wall_s", "memory_mb", "output_bytes", "processes"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_limits_must_be_above_zero(name: str, value: float) -> None:
    with pytest.raises(InputError, match=rf"sandbox\.{name}="):
        Limits(**{name: value})


def test_other_systems_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(InputError, match="needs Linux"):
        Sandbox(LIMITS)


def test_a_library_behind_a_closed_folder_is_found_out() -> None:
    with tempfile.TemporaryDirectory() as name:
        closed = Path(name)
        library = closed / "lib"
        library.mkdir()
        closed.chmod(0o755)
        assert launch.open_to_all(library)
        closed.chmod(0o700)
        assert not launch.open_to_all(library)


def test_the_uid_is_nobodys() -> None:
    uid = launch.unused_uid()
    if os.geteuid() != 0:
        assert uid is None
    else:
        assert uid is not None
        assert uid >= 1000


def test_a_start_that_fails_says_why() -> None:
    with pytest.raises(process.StartError, match="No such file"):
        process.Zygote(
            bubblewrap="/no/such/bwrap", landlock=True, seccomp=True, numpy=False, hash_seed=0
        )
