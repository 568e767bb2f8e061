"""Runs every attack against a judge, behind the fence, and prints one line of JSON about each."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

from rewards.code.judge import Judge
from rewards.code.sandbox import Limits, Sandbox, SandboxError
from tests.attacks import on_files, on_judge, on_protocol, on_resources, on_system, on_tests
from tests.attacks.attack import (
    ABSTRACT,
    ANSWERS,
    CANARY,
    ESCAPED,
    HIDDEN,
    HONEST,
    HONEST_PROGRAM,
    MODULE,
    OUTSIDE,
    TCP_PORT,
    UDP_PORT,
    VISIBLE,
    Attack,
    Kind,
    riddle,
    task,
)
from tests.attacks.fence import CHECKOUT, enter

ATTACKS = [
    *on_judge.ATTACKS,
    *on_tests.ATTACKS,
    *on_protocol.ATTACKS,
    *on_system.ATTACKS,
    *on_files.ATTACKS,
    *on_resources.ATTACKS,
]
GETS_THROUGH = {
    "open-answers": "pass",
    "write-canary": "files",
    "unlink-canary": "files",
    "kill-victim": "victim",
    "udp": "sockets",
    "renice-parent": "its deed was not refused",
    "memfd": "its deed was not refused",
}
"""Attacks that a sandbox of rlimits alone must lose to, and what the guard says of each."""
REFUSAL = "rewards.code.judge.refusal"
"""What keeps tests that run an answer out; without it their process has to hold."""
LIMITS = Limits(cpu_s=2, wall_s=6.0, memory_mb=96, output_bytes=20_000)
TASK_S = 12.0
HASTY_WALL_S, HASTY_TASK_S = 0.25, 0.6
"""For attacks that hang by intent."""
PATIENT_S = 60.0
"""For honest programs, on a machine that is busy."""


@dataclass(frozen=True)
class Record:
    """What came of one attack; `violations` names what it reached although it must not."""

    name: str
    kind: str
    verdict: str
    status: str
    passed: int
    seconds: float
    violations: list[str]


class Bait:
    """Files, sockets and processes that the sandbox must keep out of reach, and their guard."""

    def __init__(self) -> None:
        folder = Path(OUTSIDE)
        folder.mkdir()
        Path(CANARY).write_text("untouched", encoding="ascii")
        answers = {str(xs): riddle(xs) for xs in (*VISIBLE, *HIDDEN)}
        answers |= {" ".join(map(str, xs)): riddle(xs) for xs in (*VISIBLE, *HIDDEN)}
        Path(ANSWERS).write_text(json.dumps(answers), encoding="ascii")
        text = f"KNOWN = {answers!r}\ndef riddle(xs): return KNOWN[str(xs)]\n"
        Path(MODULE).write_text(text, encoding="ascii")
        self._sockets = [
            _bound(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", TCP_PORT)),
            _bound(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", UDP_PORT)),
            _bound(socket.AF_UNIX, socket.SOCK_STREAM, f"{OUTSIDE}/socket"),
            _bound(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{ABSTRACT}"),
        ]
        for path in (OUTSIDE, *map(str, folder.iterdir())):
            os.chmod(path, 0o777)
        self._victim = subprocess.Popen(["/bin/sleep", "3600"])
        self._before = self._state()

    @property
    def victim(self) -> int:
        """Process id of somebody else's process under our own uid."""
        return self._victim.pid

    def violations(self) -> list[str]:
        """Return what has changed since the start, and take that as the new start."""
        now = self._state()
        changed = [f"{key}: {now[key]}" for key in now if now[key] != self._before[key]]
        self._before = now
        return changed

    def _state(self) -> dict[str, Any]:
        ready = select.select(self._sockets, [], [], 0)[0]
        files = {}
        for path in sorted(Path(OUTSIDE).iterdir()):
            facts = path.lstat()
            files[path.name] = (facts.st_mode, facts.st_size, facts.st_mtime_ns, facts.st_nlink)
        return {
            "files": files,
            "canary": Path(CANARY).read_text(encoding="ascii") if "canary.txt" in files else "gone",
            "/tmp": sorted(os.listdir("/tmp")),
            "/dev/shm": sorted(os.listdir("/dev/shm")),
            "sockets": [self._sockets.index(one) for one in ready],
            "victim": self._victim.poll(),
            "limits": [resource.getrlimit(n) for n in range(16)],
            "priority": os.getpriority(os.PRIO_PROCESS, 0),
            "processors": sorted(os.sched_getaffinity(0)),
            "host name": socket.gethostname(),
        }


def _bound(family: int, kind: int, address: Any) -> socket.socket:
    made = socket.socket(family, kind)
    made.bind(address)
    if kind == socket.SOCK_STREAM:
        made.listen()
    return made


def processes() -> set[int]:
    """Return every process in the fence."""
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def family(pid: int | None) -> set[int]:
    """Return a process and all below it."""
    found = [] if pid is None else [pid]
    for one in found:
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{one}/task/{one}/children").read_text(encoding="ascii")
            found += map(int, children.split())
    return set(found)


def attacked(sandbox: Sandbox, judge: Judge, bait: Bait, attack: Attack, kind: Kind) -> Record:
    """Let one attack at one task, and look at what it has done."""
    source = attack.source
    for word, meaning in (("PARENT", os.getpid()), ("VICTIM", bait.victim), ("CHECKOUT", CHECKOUT)):
        source = source.replace(word, str(meaning))
    zygote, before, opened = sandbox.zygote_pid, processes(), len(os.listdir("/proc/self/fd"))
    began = time.monotonic()
    verdict, status, passed, found = "", "", 0, []
    try:
        with mock.patch(REFUSAL, lambda _: None) if attack.runs else contextlib.nullcontext():
            grade = judge.grade(task(kind, attack.test), source)
        if attack.runs and judge.grade(task(kind, attack.test), source).status != "refused":
            found.append("its test was not refused")
        verdict, status, passed = grade.verdict, grade.status, grade.hidden.passed
        for failure in (grade.hidden_failure, grade.visible_failure):
            if failure is not None and ESCAPED in (failure.trial.got or ""):
                found.append("its deed was not refused")
    except SandboxError as error:
        verdict, found = "infra_error", [f"looks like our own failure: {error}"]
    seconds = time.monotonic() - began
    found += bait.violations()
    if sandbox.zygote_pid != zygote:
        found.append("the zygote died")
    # The process of the tests may have been replaced, which is the judge's own doing.
    if left := processes() - before - family(judge.tests_pid):
        found.append(f"processes left: {sorted(left)}")
    if len(os.listdir("/proc/self/fd")) > opened + 2:
        found.append("descriptors left")
    return Record(attack.name, kind, verdict, status, passed, seconds, found)


def tell(**message: Any) -> None:
    """Print one line of JSON."""
    print(json.dumps(message), flush=True)


def honest(sandbox: Sandbox) -> dict[str, str]:
    """Return the verdict on the right program for each kind of test."""
    kinds: tuple[Kind, ...] = ("calls", "asserts", "check", "program")
    with Judge(sandbox, Limits(cpu_s=60, wall_s=PATIENT_S), task_s=4 * PATIENT_S) as judge:
        return {
            kind: judge.grade(task(kind), HONEST_PROGRAM if kind == "program" else HONEST).verdict
            for kind in kinds
        }


class Weak(Sandbox):
    """A sandbox with holes, to prove that attacks and guard would find them."""

    try_seccomp = False


def main() -> None:
    """Enter the fence, set out the bait, attack."""
    user, wrapped, *weak = sys.argv[1:]
    enter("root" if user == "root" else "ordinary")
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    bait = Bait()
    if weak:
        with Weak(LIMITS, bubblewrap=False, allow_weak=True) as sandbox:
            tell(tier=sandbox.tier.name)
            with Judge(sandbox, LIMITS, task_s=TASK_S) as judge:
                for attack in (attack for attack in ATTACKS if attack.name in GETS_THROUGH):
                    tell(record=asdict(attacked(sandbox, judge, bait, attack, "calls")))
        return
    with Sandbox(LIMITS, bubblewrap=wrapped == "yes") as sandbox:
        tell(tier=sandbox.tier.name, uid=os.geteuid(), honest=honest(sandbox))
        short = replace(LIMITS, wall_s=HASTY_WALL_S)
        with (
            Judge(sandbox, LIMITS, task_s=TASK_S) as patient,
            Judge(sandbox, short, task_s=HASTY_TASK_S) as hasty,
        ):
            for attack in ATTACKS:
                judge = hasty if attack.hangs else patient
                for kind in attack.kinds:
                    tell(begins=f"{attack.name} on {kind}")
                    tell(record=asdict(attacked(sandbox, judge, bait, attack, kind)))
        tell(ended=True, honest=honest(sandbox))


if __name__ == "__main__":
    main()
