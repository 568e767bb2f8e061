"""Code scorers that die, hang or lose their sandbox mid-batch: a retry, and nothing else."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import psutil
import pytest

from envs import Task
from envs.code import families
from envs.code.task import CodeTask
from rewards import RewardResult
from selfplay.config.run import RunConfig
from selfplay.scorer.pool import ScorerPool
from tests.patience import patient

pytestmark = pytest.mark.usefixtures("local_ray")
TASKS = 6


def batch(count: int = TASKS) -> list[tuple[Task, Sequence[str]]]:
    """Tasks answered by their reference, by nothing useful, and by a program that never ends."""
    asked = []
    for family in families.TRAIN[:count]:
        task = families.make(family, 1, 0)
        asked.append((task.task(), [f"```python\n{task.reference}```", idle(task), spin(task)]))
    return asked


def idle(task: CodeTask) -> str:
    return f"```python\ndef {task.entry_point}(*args):\n    return None\n```"


def spin(task: CodeTask) -> str:
    return f"```python\ndef {task.entry_point}(*args):\n    while True:\n        pass\n```"


def pool(deadline_s: float = patient(20)) -> ScorerPool:
    sandbox = {"wall_s": 0.5, "cpu_s": 1.0, "task_s": 1.0}
    scorer = {"count": 2, "deadline_s": deadline_s, "cpus": 0}
    config = RunConfig.model_validate({"domain": "code", "sandbox": sandbox, "scorer": scorer})
    made = ScorerPool(config, ["code"])
    made.wait_started()
    made.score([(task, answers[:1]) for task, answers in batch()])
    return made


@pytest.fixture
def scorers() -> Iterator[ScorerPool]:
    made = pool()
    yield made
    made.close()


def busy_scorers() -> list[psutil.Process]:
    """Scorer actors at work: Ray names the process after the method that runs."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if " ".join(child.cmdline()).startswith("ray::ScorerActor.score"):
                found.append(child)
        except psutil.Error:
            continue  # It ended while we looked.
    return found


def meanwhile(strike: Callable[[psutil.Process], None], struck: list[int]) -> threading.Thread:
    """Strike the first scorer that is seen at work, from another thread, in time."""

    def watch() -> None:
        until = time.monotonic() + patient(20)
        while time.monotonic() < until:
            for process in busy_scorers():
                strike(process)
                struck.append(process.pid)
                return

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def check(results: Sequence[Sequence[RewardResult]], count: int = TASKS) -> None:
    verdicts = [[row.verdict for row in rows] for rows in results]
    assert verdicts == [["pass", "fail", "timeout"]] * count


def test_a_killed_scorer_costs_a_retry_and_leaves_no_sandbox(scorers: ScorerPool) -> None:
    struck: list[int] = []
    families_of: list[psutil.Process] = []

    def kill(process: psutil.Process) -> None:
        families_of.extend(process.children(recursive=True))
        os.kill(process.pid, signal.SIGKILL)

    thread = meanwhile(kill, struck)
    check(scorers.score(batch()))
    thread.join()
    assert struck and scorers.replaced == 1
    _, left = psutil.wait_procs(families_of, timeout=patient(10))
    assert families_of and not left, "a killed scorer left its sandbox behind"


def test_a_killed_sandbox_is_replaced_by_its_scorer(scorers: ScorerPool) -> None:
    struck: list[int] = []

    def kill_children(process: psutil.Process) -> None:
        for child in process.children():
            child.kill()

    thread = meanwhile(kill_children, struck)
    check(scorers.score(batch()))
    thread.join()
    assert struck and scorers.replaced == 0, "the actor lives on: only its sandbox was replaced"


def test_a_scorer_that_hangs_is_killed_at_its_deadline() -> None:
    made = pool(deadline_s=8.0)
    struck: list[int] = []
    hung: list[psutil.Process] = []

    def stop(process: psutil.Process) -> None:
        hung.append(process)
        os.kill(process.pid, signal.SIGSTOP)

    try:
        thread = meanwhile(stop, struck)
        check(made.score(batch(2)), 2)
        thread.join()
        assert struck and made.replaced == 1
        # Ray ends it without its help; a pid that nobody has is gone already.
        _, left = psutil.wait_procs([p for p in hung if p.is_running()], timeout=patient(10))
        assert not left, "what hung is still there"
    finally:
        made.close()
