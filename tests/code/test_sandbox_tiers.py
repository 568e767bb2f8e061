"""Which tier a sandbox takes, which settings it refuses, and how it starts."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from envs.errors import InputError
from rewards.code.sandbox import Limits, Sandbox, Tier, launch, process
from rewards.code.sandbox.sandbox import _printed
from tests.code.boxes import children_of, descriptors

LIMITS = Limits(cpu_s=5, wall_s=20, memory_mb=64, output_bytes=20_000)
PROGRAM = "def double(x):\n    return 2 * x\ndef spin():\n    while True: pass\n"


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
        with sandbox.open(source, limits=replace(LIMITS, processes=1)) as candidate:
            assert candidate.call("f", []).detail == "RuntimeError: can't start new thread"


@pytest.mark.parametrize("name", ["cpu_s", "wall_s", "memory_mb", "output_bytes", "processes"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_limits_must_be_above_zero(name: str, value: float) -> None:
    with pytest.raises(InputError, match=rf"sandbox\.{name}="):
        Limits(**{name: value})


def test_other_systems_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(InputError, match="needs Linux"):
        Sandbox(LIMITS)


def test_a_library_after_a_closed_folder_is_found_out() -> None:
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
