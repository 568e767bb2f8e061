"""`selfplay submit`: a run sent to a cluster as a Ray job, package and configuration included."""

from __future__ import annotations

import json
import math
import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from envs.errors import InputError
from selfplay.config.reading import dump_config, load_config
from selfplay.config.run import RunConfig
from selfplay.jobs.job import Job, find_address, free_id, running
from selfplay.jobs.packages import pack_packages
from selfplay.jobs.server import Jobs
from selfplay.rundir.manifest import SHIPPED_COMMIT, commit
from selfplay.rundir.names import check_name

JOB_CONFIG = "selfplay-job.yaml"


def submit(
    source: str,
    overrides: list[str],
    *,
    name: str | None,
    resume: bool,
    address: str | None,
    python: str,
    wait: bool,
    say: Callable[[str], object],
) -> int:
    """Send the run to the cluster; with `wait`, follow its log and return its exit code.

    Raises:
        InputError: the configuration or the address is at fault, or the run is running already.
    """
    given = load_config(source, overrides)
    config = for_job(given.model_copy(update={"name": name}) if name is not None else given)
    check_name(config.name)
    jobs = Jobs(find_address(address, given.ray.address))
    folder = config.runs_dir / config.name
    known = jobs.list()
    other = running(known, str(folder))
    if other is not None:
        raise InputError(
            f"{folder}: job {other.id} is running this run; follow it: selfplay jobs logs "
            f"{other.id} --follow"
        )
    job_id = free_id(known, config.name)
    line = entrypoint(python, overrides if resume else None)
    environment = {"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(grace_seconds(config))}}
    about = {"run": config.name, "run_folder": str(folder), "grace_s": str(grace_seconds(config))}
    with tempfile.TemporaryDirectory(prefix="selfplay-job-") as bundle:
        for note in pack(config, Path(bundle)):
            say(note)
        jobs.submit(job_id, line, {"working_dir": bundle, **environment}, about)
    say(f"job {job_id} at {jobs.address}; run folder {folder}, on storage that the nodes share")
    say(ray_line(jobs.address, jobs.get(job_id), line, environment))
    say(how_to(job_id))
    return follow(jobs, job_id, say) if wait else 0


def follow(jobs: Jobs, job_id: str, say: Callable[[str], object], *, skip: int = 0) -> int:
    """Show a job's log until it ends; return its exit code, or 130 when Ctrl-C ends the showing."""
    try:
        job = jobs.follow(job_id, lambda text: print(text, end="", flush=True), skip=skip)
    except KeyboardInterrupt:
        say(f"\njob {job_id} goes on; {how_to(job_id)}")
        return 130
    except InputError as error:
        raise InputError(f"{error}; the job may go on; {how_to(job_id)}") from error
    say(outcome(job))
    return job.code


def outcome(job: Job) -> str:
    """Return how a job ended, in a line."""
    if job.status == "FAILED" and job.exit_code is None:
        first = (job.message.strip().splitlines() or ["no reason given"])[0]
        return f"job {job.id}: failed without an exit code: {first[:300]}"
    code = f" with exit code {job.exit_code}" if job.exit_code is not None else ""
    return f"job {job.id}: {job.status.lower()}{code}"


def how_to(job_id: str) -> str:
    """Return the commands that follow and stop a job."""
    return f"follow: selfplay jobs logs {job_id} --follow; stop: selfplay jobs stop {job_id}"


def for_job(config: RunConfig) -> RunConfig:
    """Return the configuration as the job reads it: files named from the root, Ray as found.

    The job runs in a folder of its own that Ray removes, so a relative run folder would be lost.
    """
    local = Path(config.model).expanduser()
    update: dict[str, Any] = {"ray": config.ray.model_copy(update={"address": None})}
    if local.exists():
        update["model"] = str(local.absolute())
    made = _from_the_root(config.model_copy(update=update).with_absolute_paths())
    assert isinstance(made, RunConfig)
    return made


_SETTLED = {("engine", "path"), ("code", "mbpp"), ("eval", "mbpp")}
"""What may be no path, a program's bare name or a data set's id: Section.absolute did what it
could."""


def _from_the_root(section: BaseModel, name: str = "") -> BaseModel:
    changed: dict[str, Any] = {}
    for key in type(section).model_fields:
        value = getattr(section, key)
        if isinstance(value, BaseModel):
            changed[key] = _from_the_root(value, key)
        elif isinstance(value, Path) and (name, key) not in _SETTLED:
            changed[key] = value.absolute()
    return section.model_copy(update=changed)


def grace_seconds(config: RunConfig) -> int:
    """Return how long a stopped run may take: the update that runs, the save, the report."""
    return math.ceil(config.learner.deadline_s + config.checkpoint.stop_s + 60)


def entrypoint(python: str, resumed_with: list[str] | None) -> str:
    """Return the job's command line, quoted for the shell that Ray hands it to.

    Args:
        python: the interpreter on the cluster.
        resumed_with: the overrides of a resumed run, which changes its own configuration by them;
            None for a new run, whose configuration is the file.
    """
    words = [python, "-m", "selfplay", "run", JOB_CONFIG]
    if resumed_with is not None:
        words += [*resumed_with, "--resume"]
    return shlex.join(words)


def pack(config: RunConfig, folder: Path) -> list[str]:
    """Put the packages and the resolved configuration into `folder`, and nothing else.

    Returns what must be installed on the nodes (pack_packages).
    """
    notes = pack_packages(config.used_domains, folder)
    (folder / "selfplay" / SHIPPED_COMMIT).write_text(json.dumps(commit()), encoding="utf-8")
    (folder / JOB_CONFIG).write_text(dump_config(config), encoding="utf-8")
    return notes


def ray_line(address: str, job: Job, line: str, environment: dict[str, Any]) -> str:
    """Return the `ray job submit` command that does the same with what was uploaded."""
    words = ["ray", "job", "submit", "--address", address, "--submission-id", job.id]
    if job.working_dir:
        words += ["--working-dir", job.working_dir]
    words += ["--runtime-env-json", json.dumps(environment), "--"]
    return f"{shlex.join(words)} {line}"
