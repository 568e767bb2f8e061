"""Behind the fence: kills a judge while its programs sleep and spin, and looks for what is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.attacks.fence import enter
from tests.patience import patient

_BUSY = r"""
import sys, time
from rewards.code.sandbox import Call, Limits, Sandbox
sandbox = Sandbox(Limits(cpu_s=200, wall_s=600), bubblewrap=sys.argv[1] == "yes")
sources = {
    "sleeps": "import time\ndef f(): time.sleep(600)",
    "spins": "def f():\n    while True: pass",
    "threads": "import ctypes, threading, time\ndef f():\n"
    "    for _ in range(3): threading.Thread(target=time.sleep, args=(600,)).start()\n"
    "    ctypes.CDLL(None).pthread_exit(None)",
    "ignores": "import signal, time\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n"
    "def f(): time.sleep(600)",
}
kept = [sandbox.open(source, ahead=[Call("f", [], {})]) for source in sources.values()]
assert all(candidate.load.status == "ok" for candidate in kept)
print("busy", flush=True)
time.sleep(600)
"""
LIMIT_S = patient(10.0)


def others() -> list[str]:
    """Return the other processes behind the fence that live, with what they run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in (1, os.getpid(), os.getppid()):
            try:
                fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                text = (entry / "cmdline").read_text(encoding="utf-8").replace("\0", " ")
            except OSError:
                continue
            # A process whose first thread has ended looks dead while others live on.
            if fields[0] != "Z" or int(fields[17]) > 1:
                found.append(f"{entry.name} {fields[0]} {text[:60]}")
    return found


def main() -> None:
    """Print `gone` where all is gone soon, and what is left otherwise."""
    user, wrapped = sys.argv[1:]
    enter("root" if user == "root" else "ordinary")
    before = others()
    command = [sys.executable, "-s", "-S", "-P", "-B", "-X", "utf8", "-c", _BUSY, wrapped]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as judge:
        try:
            assert judge.stdout is not None and judge.stdout.readline() == "busy\n"
            during = others()
            assert len(during) >= len(before) + 6, during
        finally:
            judge.send_signal(signal.SIGKILL)
    until = time.monotonic() + LIMIT_S
    while (left := others()) != before and time.monotonic() < until:
        os.sched_yield()
    print("gone" if left == before else f"left: {left}")


if __name__ == "__main__":
    main()
