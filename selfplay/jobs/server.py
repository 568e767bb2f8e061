"""A cluster's job server (Ray Jobs), asked with deadlines; its logs followed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from envs.errors import InputError
from selfplay.cluster.session import refuse_unreachable
from selfplay.cluster.within import within
from selfplay.display.text import visible
from selfplay.jobs.job import Job, harmless

ANSWER_SECONDS = 60.0
"""Longest wait for one answer of the job server."""
POLL_SECONDS = 5.0
EXTRA = "python -m pip install 'ray[default]'"

_QUIET = (
    "ray.dashboard.modules.job.sdk",
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.utils",
    "ray._private.runtime_env.packaging",
    "ray._private.authentication.authentication_token_setup",
)
_Answer = TypeVar("_Answer")


class Jobs:
    """The jobs of one cluster. Every question has a deadline; what goes wrong is an InputError."""

    def __init__(self, address: str) -> None:
        """Connect to `address`: a dashboard's URL, HOST:PORT of a cluster, or `auto`.

        Raises:
            InputError: Ray's dashboard packages are missing here, or no job server answers.
        """
        self.address = address
        client = _client_class()
        _refuse_bad_address(address)
        # Ray's client lets these variables win over its argument.
        os.environ["RAY_API_SERVER_ADDRESS"] = address
        self._client = self._ask("connecting", lambda: client(address))

    def submit(
        self, job_id: str, entrypoint: str, environment: dict[str, Any], about: dict[str, str]
    ) -> None:
        """Upload the working directory of `environment` and start the job."""
        self._ask(
            f"submitting {job_id}",
            lambda: self._client.submit_job(
                entrypoint=entrypoint,
                submission_id=job_id,
                runtime_env=environment,
                metadata=about,
            ),
            5 * ANSWER_SECONDS,
        )

    def list(self) -> list[Job]:
        """Return the submitted jobs, the oldest first."""
        found = self._ask("listing the jobs", self._client.list_jobs)
        jobs = [_job(details) for details in found if details.submission_id]
        return sorted(jobs, key=lambda job: job.started or 0.0)

    def get(self, job_id: str) -> Job:
        """Return one job.

        Raises:
            InputError: there is no such job.
        """
        known = self.list()
        for job in known:
            if job.id == job_id:
                return job
        have = ", ".join(job.id for job in known[-8:]) or "none"
        raise InputError(f"{job_id}: no such job at {self.address}; the newest: {have}")

    def logs(self, job_id: str) -> str:
        """Return the whole log so far."""
        return str(self._ask(f"the log of {job_id}", lambda: self._client.get_job_logs(job_id)))

    def stop(self, job_id: str) -> None:
        """Ask the job to stop; returns at once."""
        self._ask(f"stopping {job_id}", lambda: self._client.stop_job(job_id))

    def follow(
        self,
        job_id: str,
        write: Callable[[str], object],
        *,
        skip: int = 0,
        limit_s: float | None = None,
    ) -> Job:
        """Hand the log from character `skip` on to `write` as it grows, until the job has ended.

        Args:
            job_id: which job.
            write: takes a piece of text in which nothing can rewrite a terminal.
            skip: characters of the log left out.
            limit_s: longest wait for the end; None: as long as the server answers.

        Raises:
            InputError: the server answers no more, or the job did not end in time.
        """
        until = time.monotonic() + limit_s if limit_s is not None else None
        shown = skip
        while True:
            shown = asyncio.run(self._tail(job_id, shown, write, until))
            job = self.get(job_id)
            if job.over:
                write(harmless(self.logs(job_id)[shown:]))
                return job
            if until is not None and time.monotonic() >= until:
                raise InputError(
                    f"{job_id}: has not ended within {limit_s:g} s; it is {job.status}"
                )
            # The stream ended before the job: a proxy, or a dashboard that was started anew.
            threading.Event().wait(1.0)

    async def _tail(
        self, job_id: str, shown: int, write: Callable[[str], object], until: float | None
    ) -> int:
        """Write what comes until the stream or the job ends; return how far the log was shown."""
        from aiohttp import ClientError

        stream = self._client.tail_job_logs(job_id)
        seen = 0
        following: asyncio.Future[str] | None = None
        try:
            while until is None or time.monotonic() < until:
                following = following or asyncio.ensure_future(anext(stream))
                done, _ = await asyncio.wait({following}, timeout=POLL_SECONDS)
                if not done:
                    # Silence: either a long step, or a server that has ended, which this finds out.
                    if (await asyncio.to_thread(self.get, job_id)).over:
                        break
                    continue
                try:
                    text = following.result()
                except (StopAsyncIteration, RuntimeError, OSError, ClientError):
                    break
                following = None
                write(harmless(text[max(0, shown - seen) :]))
                seen += len(text)
                shown = max(shown, seen)
        finally:
            if following is not None:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
        return shown

    def _ask(
        self, what: str, call: Callable[[], _Answer], seconds: float = ANSWER_SECONDS
    ) -> _Answer:
        from ray.exceptions import RayError

        where = f"{self.address}: {what}"
        try:
            return within(seconds, where, call)
        except InputError:
            raise
        except (OSError, RuntimeError, ValueError, AssertionError, RayError) as error:
            raise InputError(f"{where}: {_first_line(error)}") from error


def _client_class() -> Callable[[str], Any]:
    try:
        import aiohttp  # noqa: F401
        from ray.job_submission import JobSubmissionClient
    except ImportError as error:
        raise InputError(
            f"jobs need the packages of Ray's dashboard ({error.name} is missing): {EXTRA}"
        ) from error
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    with contextlib.suppress(ImportError):  # as Ray's own commands do, since there are tokens
        from ray._private.authentication import authentication_token_setup as tokens

        tokens.maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
    made: Callable[[str], Any] = JobSubmissionClient
    return made


def _refuse_bad_address(address: str) -> None:
    parts = urlsplit(address if "://" in address else f"//{address}")
    if parts.scheme == "ray":
        raise InputError(
            f"{address}: jobs go through the dashboard, not through Ray Client; pass its address, "
            "such as http://HEAD:8265"
        )
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError as error:
        raise InputError(f"{address}: {error}; pass one such as http://HEAD:8265") from error
    if parts.scheme in ("http", "https", "") and parts.hostname and port:
        mend = "" if parts.scheme else " (a dashboard's address begins with http://)"
        refuse_unreachable(f"{parts.hostname}:{port}", f"{address}{mend}")


def _job(details: Any) -> Job:
    status = getattr(details.status, "value", details.status)
    environment = details.runtime_env or {}
    return Job(
        id=str(details.submission_id),
        status=str(status),
        exit_code=details.driver_exit_code,
        message=details.message or "",
        started=details.start_time / 1000 if details.start_time else None,
        ended=details.end_time / 1000 if details.end_time else None,
        metadata=dict(details.metadata or {}),
        working_dir=environment.get("working_dir"),
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return visible(lines[0], 300) if lines else type(error).__name__
