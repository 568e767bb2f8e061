"""Real Ray clusters for tests: in processes of their own, gone at the end whatever happens."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import queue
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil
import pytest

from tests.patience import patient

HERE = Path(__file__).resolve().parent
START_SECONDS = patient(60)
"""For a machine that is busy with other things."""

_OF_OTHERS = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR")


@dataclass(frozen=True, slots=True)
class Head:
    """A head node: its dashboard, and the environment that may use it."""

    dashboard: str
    environment: dict[str, str]


class Lines:
    """The lines of a process's output, each waited for with a deadline."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.seen: list[str] = []
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        assert process.stdout is not None
        threading.Thread(target=self._read, args=(process.stdout,), daemon=True).start()

    def until(self, wanted: str, seconds: float) -> str:
        """Return the next line that holds `wanted`."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {wanted!r} in {seconds:g} s: {self.text}") from None
            assert line is not None, f"ended without {wanted!r}: {self.text}"
            if wanted in line:
                return line

    def end(self, seconds: float) -> int:
        """Return the exit code; the rest of the output is in `text`."""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(queue.Empty):
            while self._queue.get(timeout=max(0.0, deadline - time.monotonic())) is not None:
                pass
        try:
            return self.process.wait(timeout=max(1.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds:g} s: {self.text}") from None

    @property
    def text(self) -> str:
        """Everything so far."""
        return "".join(self.seen)

    def _read(self, pipe: IO[str]) -> None:
        for line in pipe:
            self.seen.append(line)
            self._queue.put(line)
        self._queue.put(None)


def start(command: list[str], folder: Path, environment: dict[str, str]) -> Lines:
    """Start a command whose output is read line by line."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    return Lines(process)


@contextlib.contextmanager
def ray_head(cpus: int) -> Iterator[Head]:
    """`ray start --head` on free ports, with the dashboard, in a session folder of its own."""
    missing = [n for n in ("aiohttp", "aiohttp_cors", "opencensus") if not _installed(n)]
    if missing:
        pytest.skip(f"Ray's dashboard needs {', '.join(missing)}: pip install 'ray[default]'")
    names = (
        *("port", "dashboard-port", "dashboard-agent-listen-port", "ray-client-server-port"),
        *("dashboard-agent-grpc-port", "metrics-export-port", "runtime-env-agent-port"),
    )
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    with session_folder() as folder:
        environment = clean_environment(folder)
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
        command += [f"--{name}={port}" for name, port in ports.items()]
        command += [f"--num-cpus={cpus}", "--object-store-memory=150000000"]
        command += ["--include-dashboard=true", "--dashboard-host=127.0.0.1"]
        command += [f"--temp-dir={folder}", "--disable-usage-stats"]
        log = folder / "head.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            dashboard = f"http://127.0.0.1:{ports['dashboard-port']}"
            _await_dashboard(process, dashboard, log)
            yield Head(dashboard, environment)
        finally:
            end_family(process)


@contextlib.contextmanager
def ray_nodes() -> Iterator[Nodes]:
    """A cluster of several nodes on this machine; see nodes.py."""
    with session_folder() as folder:
        environment = clean_environment(folder)
        with (folder / "nodes.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, str(HERE / "nodes.py"), str(START_SECONDS)],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        try:
            yield Nodes(Lines(process), environment)
        finally:
            end_family(process)


class Nodes:
    """Orders to a running nodes.py."""

    def __init__(self, lines: Lines, environment: dict[str, str]) -> None:
        self._lines = lines
        self.environment = environment

    def order(self, **order: Any) -> dict[str, Any]:
        """Return the answer: `address`, `alive`, and `node` after an `add`."""
        pipe = self._lines.process.stdin
        assert pipe is not None
        pipe.write(json.dumps(order) + "\n")
        pipe.flush()
        answer: dict[str, Any] = json.loads(self._lines.until('{"', START_SECONDS))
        return answer


@contextlib.contextmanager
def session_folder() -> Iterator[Path]:
    """A folder with a short path: Ray's sockets lie below it, and theirs are limited to 107."""
    folder = Path(tempfile.mkdtemp(prefix="ray-t-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clean_environment(folder: Path) -> dict[str, str]:
    """Return an environment in which no other Ray is found, and this one by nobody else."""
    kept = {name: value for name, value in os.environ.items() if name not in _OF_OTHERS}
    bin_folder = str(Path(sys.executable).parent)
    path = f"{bin_folder}:{kept.get('PATH', '')}"
    token = secrets.token_hex(16)
    return kept | {"RAY_TMPDIR": str(folder), "RAY_AUTH_TOKEN": token, "PATH": path}


def end_family(process: subprocess.Popen[Any]) -> None:
    """End a process and everything that it started, and nothing else."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.kill()  # `ray start --block` takes 20 s to end of itself
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait(timeout=patient(10))
    psutil.wait_procs(family, timeout=patient(10))


def free_ports(count: int) -> list[int]:
    """Return ports that are free now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _await_dashboard(process: subprocess.Popen[Any], dashboard: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(f"{dashboard}/api/version", timeout=patient(2)).close()
            return
        except urllib.error.HTTPError:
            return  # it answers: that we bring no token
        except OSError:
            threading.Event().wait(0.5)
    raise AssertionError(f"no dashboard at {dashboard} in {START_SECONDS:g} s: {log.read_text()}")
