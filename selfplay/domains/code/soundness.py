"""Which tasks of others are sound; a run leaves the rest out before it trains.

Training tasks of MBPP and of JSONL files are judged as `selfplay tasks check` judges them: the
reference must pass, and programs that do nothing must not. A task that pays idlers, or nobody, only
teaches the wrong thing. The built-in families are held by the project's own tests.

HumanEval and MBPP as suites are looked at too, and reported, but stay whole: their figures are
compared with other people's, over the same tasks, and a task that does not hold costs every model
the same.

Verdicts are kept twice. The run's preflight.json lists what this run left out, and a resumed run
follows it, since its curriculum fits these tasks and no others. The user's cache spares the next
run the work; its keys are the contents of a task and of the judge.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import envs.code.task
import envs.code.values
import rewards.code
from envs.code.task import CodeTask
from envs.errors import InputError
from envs.places import user_cache
from rewards.code.faults import faults
from rewards.code.sandbox import SandboxError
from rewards.code.scorer import CodeScorer
from selfplay.config.run import RunConfig
from selfplay.display.text import visible
from selfplay.domains.code.config import CodeConfig, SandboxConfig
from selfplay.domains.code.tasks import code_tasks
from selfplay.rundir.writes import write_json

FILE = "preflight.json"
SUITES = ("code/humaneval", "code/mbpp")
SHOWN = 8
"""So many unsound tasks are named one a line; of more only their number and file are named."""
_LATE = "not checked in time; raise code.preflight_s"


def sound_files(
    config: RunConfig, files: Mapping[str, Sequence[CodeTask]], make: Callable[[], CodeScorer]
) -> dict[str, list[CodeTask]]:
    """Return the tasks of each file that hold; why the others do not is printed on stderr.

    Takes at most `code.preflight_s` and one task longer; what is not reached is left out. `make`
    starts the scorer, where a verdict is missing. Raises InputError where none of a file's tasks
    holds.
    """
    suites = [suite for suite in config.suites if suite in SUITES]
    if config.section(CodeConfig).preflight_s == 0 or not (files or suites):
        return {name: list(tasks) for name, tasks in files.items()}
    with ExitStack() as stack:
        check = _Check(config, stack, make)
        stack.callback(check.book.save)
        kept = {}
        for name, tasks in files.items():
            found = check.all(f"code.{name}", tasks)
            kept[name] = [task for task in tasks if not found[task.task().id]]
            check.report(f"code.{name}", tasks, found, "left out")
            if not kept[name]:
                raise InputError(
                    f"code.{name}: none of its {len(tasks)} tasks holds; see `selfplay tasks check "
                    f"--set {name} code.{name}=FILE`"
                )
        for suite in suites:
            tasks = code_tasks(suite, config, config.eval.positions)
            check.report(f"suite {suite}", tasks, check.all(suite, tasks), "kept all the same")
    return kept


class _Check:
    """Judges the tasks whose verdict is not in the book, until the time is up."""

    def __init__(self, config: RunConfig, stack: ExitStack, make: Callable[[], CodeScorer]) -> None:
        self.book = Book(_run_folder(config), user_cache() / "preflight", judged_by(config))
        self._until = time.monotonic() + config.section(CodeConfig).preflight_s
        self._limit = config.section(CodeConfig).preflight_s
        self._stack, self._make = stack, make
        self._scorer: CodeScorer | None = None

    def all(self, name: str, tasks: Sequence[CodeTask]) -> dict[str, list[str]]:
        """Return why each task, by id, does not hold; nothing where it does."""
        new = sum(self.book.known(task) is None for task in tasks)
        if new:
            _say(f"{name}: checking {new} tasks, up to {self._limit:g} s, once")
        return {task.task().id: self._one(task) for task in tasks}

    def report(
        self, name: str, tasks: Sequence[CodeTask], found: Mapping[str, list[str]], fate: str
    ) -> None:
        """Say which tasks do not hold: one a line, or their number and the file."""
        bad = [(task.key, found[task.task().id]) for task in tasks if found[task.task().id]]
        where = self.book.file
        if len(bad) > SHOWN and where is not None:
            self.book.save()
            count = f"{len(bad)} of {len(tasks)} tasks do not hold"
            _say(f"{name}: {count} and are {fate}; see {where}")
            return
        for key, reasons in bad:
            _say(f"{name}: {key} does not hold and is {fate}: {'; '.join(reasons)}")

    def _one(self, task: CodeTask) -> list[str]:
        known = self.book.known(task)
        if known is not None:
            return known
        if time.monotonic() > self._until:
            self.book.note(task, [_LATE], lasting=False)
            return [_LATE]
        reasons, lasting = self._judged(task)
        self.book.note(task, reasons, lasting=lasting)
        return reasons

    def _judged(self, task: CodeTask) -> tuple[list[str], bool]:
        """Return a task's faults, and whether they are its own and not the sandbox's."""
        failure = ""
        for _ in range(2):
            try:
                if self._scorer is None:
                    self._scorer = self._stack.enter_context(self._make())
                return faults(task, self._scorer), True
            except SandboxError as error:
                failure = str(error)
        return [f"could not be checked: {failure}"], False


class Book:
    """Verdicts by task id: the run's own come first, then those of the user's cache."""

    def __init__(self, folder: Path | None, cache: Path, version: str) -> None:
        """Read what there is. Raises InputError for a run's file that is broken."""
        self.file = None if folder is None else folder / FILE
        self._cache = cache / f"{version}.json"
        self._run: dict[str, tuple[str, list[str]]] = {}
        self._final = False
        self._new: dict[str, list[str]] = {}
        if self.file is not None and self.file.exists():
            self._run = dict(_run_rows(self.file))
            # The curriculum in a checkpoint fits these tasks and no others: nothing is added.
            self._final = any((self.file.parent / "checkpoints").glob("v*"))
        self._cached = _cached(self._cache)

    def known(self, task: CodeTask) -> list[str] | None:
        """Return why a task does not hold (nothing: it does), or None where it is not known."""
        name = task.task().id
        if name in self._run:
            return self._run[name][1]
        if name in self._cached:
            self._run[name] = (task.key, self._cached[name])
            return self._cached[name]
        return None

    def note(self, task: CodeTask, reasons: list[str], *, lasting: bool) -> None:
        """Keep a verdict: for this run, and, if it is `lasting`, for others."""
        name = task.task().id
        self._run[name] = (task.key, reasons)
        if lasting:
            self._new[name] = reasons

    def save(self) -> None:
        """Write both files; verdicts that other runs have added to the cache stay."""
        if self.file is not None and self._run and not self._final:
            tasks = {name: {"key": key, "faults": why} for name, (key, why) in self._run.items()}
            write_json(self.file, {"tasks": tasks}, overwrite=True)
        if self._new:
            self._cached = _cached(self._cache) | self._new
            try:
                write_json(self._cache, self._cached, overwrite=True)
            except OSError as error:  # a run does without it
                _say(f"{self._cache}: cannot be written ({error.strerror}); nothing is kept there")
            self._new = {}


def judged_by(config: RunConfig) -> str:
    """Return what stands for the judge: its code, its limits and the interpreter."""
    mark = hashlib.sha256(platform.python_version().encode())
    mark.update(config.section(SandboxConfig).model_dump_json().encode())
    read = sorted(Path(rewards.code.__file__).parent.rglob("*.py"))
    read += map(Path, (envs.code.task.__file__, envs.code.values.__file__))
    for path in read:
        mark.update(path.read_bytes())
    return mark.hexdigest()[:16]


def _run_folder(config: RunConfig) -> Path | None:
    folder = config.runs_dir / config.name
    return folder if (folder / "config.yaml").is_file() else None


def _run_rows(path: Path) -> Iterator[tuple[str, tuple[str, list[str]]]]:
    try:
        tasks = json.loads(path.read_text(encoding="utf-8"))["tasks"]
        for name, row in tasks.items():
            yield str(name), (str(row["key"]), [str(reason) for reason in row["faults"]])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: cannot be read ({type(error).__name__}); put it back as it was, or start "
            "another run with --name OTHER"
        ) from None


def _cached(path: Path) -> dict[str, list[str]]:
    """Return the cache's verdicts; one that cannot be read is made anew."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): [str(reason) for reason in reasons] for name, reasons in rows.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        _say(f"{path}: cannot be read ({type(error).__name__}); the tasks are checked again")
        return {}


def _say(text: str) -> None:
    print(visible(text, 1000), file=sys.stderr, flush=True)
