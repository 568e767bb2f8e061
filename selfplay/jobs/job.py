"""Jobs as the server describes them: ids, states, exit codes, addresses."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from envs.errors import InputError
from selfplay.display.text import visible

TERMINAL = ("SUCCEEDED", "FAILED", "STOPPED")


@dataclass(frozen=True, slots=True)
class Job:
    """What the server says about a job. Times are Unix seconds."""

    id: str
    status: str
    exit_code: int | None
    message: str
    started: float | None
    ended: float | None
    metadata: dict[str, str]
    working_dir: str | None

    @property
    def over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.status in TERMINAL

    @property
    def code(self) -> int:
        """The exit code for whoever waited: the run's own, 130 when stopped, else 1 if failed."""
        if self.status == "SUCCEEDED":
            return 0
        if self.status == "STOPPED":
            return 130
        return self.exit_code if self.exit_code is not None and 0 < self.exit_code < 256 else 1


def find_address(given: str | None, configured: str | None = None) -> str:
    """Return the job server's address: as given, of the environment, or of the configuration.

    Raises:
        InputError: there is none.
    """
    named = (
        given,
        os.environ.get("RAY_API_SERVER_ADDRESS"),
        os.environ.get("RAY_ADDRESS"),
        configured,
    )
    address = next((text for text in named if text), None)
    if address is None:
        raise InputError(
            "no cluster is named; pass --address http://HEAD:8265 (the dashboard), or set "
            "RAY_API_SERVER_ADDRESS or RAY_ADDRESS"
        )
    return address


def harmless(text: str) -> str:
    """Return a log with every character that could rewrite the terminal shown as an escape."""
    return "\n".join(visible(line, 10_000) for line in text.split("\n"))


def running(jobs: Sequence[Job], run_folder: str) -> Job | None:
    """Return the job that has the run folder in use, if there is one."""
    for job in jobs:
        if not job.over and job.metadata.get("run_folder") == run_folder:
            return job
    return None


def free_id(jobs: Sequence[Job], name: str) -> str:
    """Return `name` as submission id, or NAME-2, NAME-3, ... after those that are taken."""
    taken = {job.id for job in jobs}
    number = 1
    while (job_id := name if number == 1 else f"{name}-{number}") in taken:
        number += 1
    return job_id
