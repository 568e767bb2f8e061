"""Graded samples per second and core at full isolation, the fork floor beside them, as JSON.

    python benchmarks/sandbox.py [--samples 2000] [--plain] [--humaneval HumanEval.jsonl.gz]
    python benchmarks/sandbox.py --flat [--samples 20000]

Everything runs on one core: this process (the judge), the zygote with its forks, and the process of
the test code. The samples are HumanEval's canonical solutions, over and over; each must pass. The
floor is a fork that ends at once, of an interpreter with the zygote's modules. Memory and
descriptors are read ten times on the way; they must stay flat. `own_cpu_ms` is what a mean solution
and its test take on their own, without judge or sandbox: no sandbox can be faster.

`--flat` looks for what piles up instead: the zygote's memory, this process's descriptors and all
processes below it, at 0, 25, 50, 75 and 100% of the samples, a line each; exit code 1 where
descriptors or processes have become more or the zygote has grown by more than a MiB.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from envs.code.datasets import load_humaneval
from envs.code.task import CodeTask, CodeTest
from envs.errors import InputError
from rewards.code.judge import Judge
from rewards.code.sandbox import Limits, Sandbox
from rewards.code.sandbox.compact import PRELOADED

READINGS = 10
WARM_UP = 164
FLAT_SAMPLES = 20_000
FLAT_MARKS = 4
GROWN_MB = 1.0
"""What the allocator may add; a zygote that kept 100 bytes of each sample would grow by 2 MB."""
PATIENT = Limits(cpu_s=60, wall_s=30)
"""So that a busy machine makes the figures worse, not the solutions wrong."""
FLOOR = """
import gc, importlib, json, os, sys, time
for name in sys.argv[1].split():
    importlib.import_module(name)
gc.collect(); gc.disable(); gc.freeze()
began, used, count = time.perf_counter(), sum(os.times()[:4]), int(sys.argv[2])
for _ in range(count):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
print(json.dumps([time.perf_counter() - began, sum(os.times()[:4]) - used]))
"""


def fork_floor(count: int) -> dict[str, float]:
    """Return milliseconds of wall clock and of CPU for one fork, end and wait."""
    command = [sys.executable, "-S", "-c", FLOOR, PRELOADED, str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    wall, cpu = json.loads(done.stdout)
    return {"wall_ms": round(1000 * wall / count, 3), "cpu_ms": round(1000 * cpu / count, 3)}


def own_cpu_ms(tasks: list[CodeTask]) -> float:
    """Return milliseconds of CPU of a mean canonical solution and its test, run right here."""
    began = time.process_time()
    for task in tasks:
        names: dict[str, Any] = {}
        exec(compile(task.reference or "", task.key, "exec"), names)
        candidate = names[task.entry_point]
        for test in task.hidden:
            assert isinstance(test, CodeTest)
            exec(compile(test.code, task.key, "exec"), names)
            names["check"](candidate)
    return round(1000 * (time.process_time() - began) / len(tasks), 3)


def family() -> Iterator[int]:
    """Yield this process and all below it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    found = [os.getpid()]
    for pid in found:
        yield pid
        found += [child for child, parent in parents.items() if parent == pid]


def cpu_s() -> float:
    """Return the CPU seconds of the family, those of reaped children included."""
    ticks = 0
    for pid in family():
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def reading(done: int) -> dict[str, Any]:
    """Return resident MiB and open descriptors of each process of the family."""
    page = os.sysconf("SC_PAGE_SIZE") / 2**20
    rss, descriptors = [], []
    for pid in family():
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
        rss.append(round(int(pages) * page, 1))
        descriptors.append(len(os.listdir(f"/proc/{pid}/fd")))
    return {"samples": done, "rss_mb": rss, "descriptors": descriptors}


def mark(done: int, zygote: int) -> dict[str, float]:
    """Return what must not pile up: the zygote's MiB, descriptors here, processes below."""
    pages = int(Path(f"/proc/{zygote}/statm").read_text(encoding="ascii").split()[1])
    return {
        "samples": done,
        "zygote_rss_mb": round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 2),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "processes": len(list(family())) - 1,
    }


def flatness(samples: int, bubblewrap: bool | None, path: Path | None) -> bool:
    """Grade the samples, print a mark as a line of JSON at each quarter; return whether it is flat.

    Raises RuntimeError where a canonical solution fails or the zygote was replaced on the way.
    """
    tasks = load_humaneval(path)
    marks = []
    with Sandbox(PATIENT, bubblewrap=bubblewrap) as sandbox, Judge(sandbox, PATIENT) as judge:
        zygote = sandbox.zygote_pid
        assert zygote is not None
        done = -WARM_UP
        for end in (samples * part // FLAT_MARKS for part in range(FLAT_MARKS + 1)):
            while done < end:
                checked(judge, tasks[done % len(tasks)])
                done += 1
            if sandbox.zygote_pid != zygote:
                raise RuntimeError(f"the zygote was replaced before sample {done}")
            marks.append(mark(done, zygote))
            print(json.dumps(marks[-1]), flush=True)
    first, last = marks[0], marks[-1]
    grown = last["zygote_rss_mb"] - first["zygote_rss_mb"]
    more = [name for name in ("descriptors", "processes") if last[name] > first[name]]
    flat = grown <= GROWN_MB and not more
    print(json.dumps({"flat": flat, "zygote_grown_mb": round(grown, 2), "more": more}))
    return flat


def checked(judge: Judge, task: CodeTask) -> None:
    """Grade a task's canonical solution. Raises RuntimeError if it does not pass."""
    assert task.reference is not None
    verdict = judge.grade(task, task.reference).verdict
    if verdict != "pass":
        raise RuntimeError(f"{task.key}: the canonical solution got {verdict}")


def measure(samples: int, bubblewrap: bool | None, path: Path | None) -> dict[str, Any]:
    """Grade the samples and return rates and readings."""
    tasks = load_humaneval(path)
    spent: dict[str, list[float]] = {task.key: [] for task in tasks}
    with Sandbox(PATIENT, bubblewrap=bubblewrap) as sandbox, Judge(sandbox, PATIENT) as judge:

        def grade(number: int) -> None:
            task = tasks[number % len(tasks)]
            began = time.perf_counter()
            checked(judge, task)
            spent[task.key].append(time.perf_counter() - began)

        for number in range(WARM_UP):
            grade(number)
        for seconds in spent.values():
            seconds.clear()
        readings = [reading(0)]
        took = used = 0.0
        for part in range(READINGS):
            first, end = (samples * (part + step) // READINGS for step in (0, 1))
            cpu, began = cpu_s(), time.perf_counter()
            for number in range(first, end):
                grade(number)
            took, used = took + time.perf_counter() - began, used + cpu_s() - cpu
            readings.append(reading(end))
        tier = sandbox.tier.value
    slowest = max(spent, key=lambda key: median(spent[key] or [0.0]))
    rest = [second for key, seconds in spent.items() if key != slowest for second in seconds]
    return {
        "tier": tier,
        "samples": samples,
        "samples_per_s": round(samples / took, 1),
        "samples_per_cpu_s": round(samples / used, 1),
        "ms_per_sample": round(1000 * took / samples, 3),
        "cpu_ms_per_sample": round(1000 * used / samples, 3),
        "own_cpu_ms": own_cpu_ms(tasks),
        "median_ms": round(1000 * median(map(median, filter(None, spent.values()))), 3),
        "slowest": {"task": slowest, "ms": round(1000 * median(spent[slowest]), 1)},
        "samples_per_s_without_slowest": round(len(rest) / sum(rest), 1),
        "readings": readings,
    }


def main() -> None:
    """Parse the flags, keep to one core, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--samples", type=int, help=f"2000; with --flat {FLAT_SAMPLES}")
    parser.add_argument("--flat", action="store_true", help="look for what piles up")
    parser.add_argument("--plain", action="store_true", help="without bubblewrap")
    parser.add_argument("--humaneval", type=Path, default=None, help="HumanEval.jsonl.gz")
    given = parser.parse_args()
    samples = given.samples or (FLAT_SAMPLES if given.flat else 2000)
    if samples < READINGS:
        parser.error(f"--samples must be at least {READINGS}")
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    bubblewrap = False if given.plain else None
    try:
        if given.flat:
            sys.exit(0 if flatness(samples, bubblewrap, given.humaneval) else 1)
        floor = [fork_floor(300)]
        result = measure(samples, bubblewrap, given.humaneval)
    except InputError as error:
        parser.error(str(error))
    floor.append(fork_floor(300))
    result["fork_floor"] = floor
    result["python"] = platform.python_version()
    result["kernel"] = platform.release()
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
