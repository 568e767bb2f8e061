"""Runs as jobs on a real Ray head: streamed, stopped with their state saved, resumed, refused.

The package is shipped with the job: the head knows nothing of it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from selfplay.rundir.manifest import git_state
from tests.clusters import Head, Lines, ray_head, start
from tests.patience import RUN_S, patient

SECONDS = patient(200)
SETTINGS = (
    "checkpoint.every=1000",
    f"checkpoint.stop_s={patient(30)}",
    "eval.positions=2",
    "eval.suites=[chess/games]",
    "sampler.threads=1",
    "learner.threads=1",
)

pytestmark = [pytest.mark.timeout(patient(2 * RUN_S)), pytest.mark.usefixtures("stockfish")]


@dataclass(frozen=True)
class Client:
    """A terminal from which jobs are sent."""

    head: Head
    folder: Path
    repository: Path

    def selfplay(self, *arguments: str) -> Lines:
        environment = self.head.environment | {
            "PYTHONPATH": str(self.repository),
            "RAY_API_SERVER_ADDRESS": self.head.dashboard,
        }
        return start([sys.executable, "-m", "selfplay", *arguments], self.folder, environment)

    def submit(self, name: str, *more: str) -> Lines:
        config = str(self.repository / "configs" / "smoke.yaml")
        given = ("--name", name, "--python", sys.executable)
        return self.selfplay("submit", config, *SETTINGS, *more, *given)

    def run(self, *arguments: str) -> tuple[int, str]:
        lines = self.selfplay(*arguments)
        return lines.end(SECONDS), lines.text


@pytest.fixture(scope="module")
def client(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A head with the dashboard, and a folder to send jobs from."""
    with ray_head(cpus=3) as head:
        yield Client(head, tmp_path_factory.mktemp("work"), repository)


@dataclass(frozen=True)
class Stopped:
    """The job `torn`: Ctrl-C while its log was shown, then stopped for good."""

    left: tuple[int, str]
    again: tuple[int, str]
    status: tuple[int, str]
    stop: tuple[int, str]
    summary: dict[str, object]
    versions: list[str]


@pytest.fixture(scope="module")
def stopped(client: Client) -> Stopped:
    shown = client.submit("torn", "steps=100000")
    shown.until("step 1/100000  reward", SECONDS)
    os.kill(shown.process.pid, signal.SIGINT)
    left = (shown.end(SECONDS), shown.text)
    status = client.run("jobs", "status", "torn")
    again = client.submit("torn")
    refused = (again.end(SECONDS), again.text)
    stop = client.run("jobs", "stop", "torn")
    run = client.folder / "runs" / "torn"
    complete = sorted(path.parent.name for path in run.glob("checkpoints/*/complete.json"))
    summary = json.loads((run / "summary.json").read_text())
    return Stopped(left, refused, status, stop, summary, complete)


@pytest.fixture(scope="module")
def resumed(client: Client, stopped: Stopped) -> tuple[int, str]:
    """`torn`, resumed as another job for one step more."""
    steps = int(stopped.versions[-1][1:]) + 1
    lines = client.submit("torn", f"steps={steps}", "--resume")
    return lines.end(SECONDS), lines.text


def test_ctrl_c_leaves_the_job_running_and_says_how_to_go_on(stopped: Stopped) -> None:
    code, output = stopped.left
    assert code == 130, output
    assert "job torn goes on; follow: selfplay jobs logs torn --follow; stop:" in output
    code, output = stopped.status
    assert code == 0 and "status: running" in output, output


def test_the_exact_ray_command_is_printed(stopped: Stopped) -> None:
    [line] = [x for x in stopped.left[1].splitlines() if x.startswith("ray job submit ")]
    assert "--submission-id torn" in line and "--working-dir gcs://" in line
    assert line.endswith(f"-- {sys.executable} -m selfplay run selfplay-job.yaml")


def test_a_run_is_not_submitted_twice(stopped: Stopped) -> None:
    code, output = stopped.again
    assert code == 2
    assert "job torn is running this run" in output


def test_a_stopped_job_has_saved_its_state(stopped: Stopped) -> None:
    code, output = stopped.stop
    assert code == 0, output
    assert "saving" in output and "job torn: stopped" in output
    assert "go on with: selfplay submit CONFIG --name torn --resume" in output
    assert stopped.summary["status"] == "stopped"
    assert stopped.versions == [f"v{stopped.summary['steps']:06d}"]


def test_a_resumed_job_runs_to_its_end_with_its_log_and_exit_code(
    client: Client, stopped: Stopped, resumed: tuple[int, str]
) -> None:
    code, output = resumed
    assert code == 0, output
    done = int(stopped.versions[-1][1:])
    for line in (
        f"resumed from version {done}",
        f"step {done + 1}/{done + 1}  reward",
        "run torn: finished",
        "job torn-2: succeeded with exit code 0",
    ):
        assert line in output
    run = client.folder / "runs" / "torn"
    assert json.loads((run / "summary.json").read_text())["status"] == "finished"
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in metrics] == list(range(1, done + 2))
    starts = json.loads((run / "manifest.json").read_text())["starts"]
    assert len(starts) == 2
    assert [row["role"] for row in starts[1]["placement"]].count("learner") == 1
    sent_from = git_state(client.repository)
    assert starts[0]["git"] == sent_from, "the commit goes along"


def test_jobs_are_listed_and_their_logs_kept(client: Client, resumed: tuple[int, str]) -> None:
    code, listed = client.run("jobs", "list")
    assert code == 0, listed
    rows = {line.split()[0] for line in listed.splitlines() if "torn" in line}
    assert {"torn", "torn-2"} <= rows, listed
    code, log = client.run("jobs", "logs", "torn-2")
    assert code == 0 and "run torn: finished" in log
    code, again = client.run("jobs", "stop", "torn-2")
    assert code == 0 and "there is nothing to stop" in again


def test_a_failing_job_returns_its_exit_code(client: Client) -> None:
    lines = client.submit("failing", "sampler.resources.nowhere=1")
    assert lines.end(SECONDS) == 2, lines.text
    assert "need 1 nowhere, the Ray cluster has 0" in lines.text
    assert "job failing: failed with exit code 2" in lines.text
    assert not (client.folder / "runs" / "failing").exists(), "a run that never began"


@pytest.mark.parametrize("command", ["logs", "status", "stop"])
def test_an_unknown_job_is_refused_in_one_line(client: Client, command: str) -> None:
    code, output = client.run("jobs", command, "nobody")
    assert code == 2
    assert output.startswith(f"error: nobody: no such job at {client.head.dashboard}; the newest:")
    assert len(output.strip().splitlines()) == 1
