"""Machines that lack something: a home, a user's name, UTF-8, a reader, room on the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from envs.errors import InputError
from envs.places import made, user_cache
from selfplay.cli.launch import _full_disk
from selfplay.cluster import guard
from selfplay.cluster.session import guarded, ray_session
from selfplay.config.run import RunConfig
from tests.patience import patient

GAMES = """[White "Müller"]
[Black "B"]
[Result "1-0"]

1. e4 1-0

[White "B"]
[Black "Müller"]
[Result "1-0"]

1. e4 1-0
"""
FORCED = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def selfplay(
    folder: Path, *arguments: str, more: dict[str, str], without: str = ""
) -> subprocess.CompletedProcess[bytes]:
    root = str(Path(__file__).resolve().parents[3])
    kept = {key: value for key, value in os.environ.items() if key != without}
    environment = kept | {"PYTHONPATH": root} | more
    command = [sys.executable, "-m", "selfplay", *arguments]
    return subprocess.run(
        command, capture_output=True, timeout=patient(30), cwd=folder, env=environment
    )


@pytest.mark.parametrize("encoding", ["", "ascii"])
def test_a_forced_ascii_locale_reads_and_shows_names(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "m\u00fc.pgn").write_text(GAMES, encoding="utf-8")
    more = FORCED | ({"PYTHONIOENCODING": encoding} if encoding else {})
    more |= {"NO_COLOR": "1", "COLUMNS": "20"}
    done = selfplay(tmp_path, "rate", "m\u00fc.pgn", "--anchor", "Müller=0", more=more)
    assert done.returncode == 0, done.stderr
    assert (b"M\\xfcller" if encoding else "Müller".encode()) in done.stdout
    assert done.stderr == b"" and b"\x1b" not in done.stdout


def test_a_home_that_cannot_be_written_is_one_line_that_says_what_to_set(tmp_path: Path) -> None:
    more = {"HOME": "/dev/null"}
    done = selfplay(tmp_path, "run", "smoke", "--dry-run", more=more, without="XDG_CACHE_HOME")
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1
    assert b"XDG_CACHE_HOME" in done.stderr
    table = selfplay(tmp_path, "doctor", "smoke", "--quick", more=more, without="XDG_CACHE_HOME")
    assert table.returncode == 1 and table.stderr == b""
    for check in (b"engine", b"model", b"disk", b"processor", b"ray"):
        assert check in table.stdout


def test_no_home_at_all_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    with pytest.raises(InputError, match=r"user id 2147483641 has none.*XDG_CACHE_HOME"):
        user_cache()
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert user_cache() == Path("/somewhere/selfplay-rlvr")
    with pytest.raises(InputError, match="cannot be made"):
        made(Path("/dev/null/x"))


def test_nobody_who_reads_is_no_traceback(tmp_path: Path) -> None:
    root = str(Path(__file__).resolve().parents[3])
    command = f"{sys.executable} -m selfplay validate quickstart | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        timeout=patient(30),
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": root},
    )
    assert done.stdout.startswith(b"name: ") and done.stderr == b""


def test_a_full_disk_is_seen_whatever_it_led_to(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(RuntimeError) as caught:
        try:
            with (tmp_path / "metrics.jsonl").open("w") as file:
                file.write("{}")
        except OSError as error:
            raise RuntimeError("at the summary") from error
    full = _full_disk(caught.value)
    assert full is not None and full.strerror == "No space left on device"
    assert _full_disk(RuntimeError("other")) is None


def test_ray_that_cannot_write_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/dev/null/x")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with (
        pytest.raises(InputError, match=r"/dev/null/x.*set RAY_TMPDIR=/short/writable/folder"),
        ray_session(RunConfig()),
    ):
        raise AssertionError("it started")


def test_what_a_killed_process_started_ends_with_it() -> None:
    """The guard ends what carries its mark and nothing else, and its patience is bounded."""
    program = (
        "import os, subprocess, sys, time\n"
        "from selfplay.cluster.session import guarded\n"
        "with guarded(grace_s=1.0):\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE,\n"
        "                             start_new_session=True)\n"
        "    os.set_inheritable(child.stdin.fileno(), True)\n"
        "    keeper = subprocess.Popen(['sleep', '999'], close_fds=False, start_new_session=True)\n"
        "    print(child.pid, keeper.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    root = str(Path(__file__).resolve().parents[3])
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": root},
    ) as run:
        assert run.stdout is not None
        started = [psutil.Process(int(word)) for word in run.stdout.readline().split()]
        assert run.wait(patient(30)) == -9 and len(started) == 2
    gone, alive = psutil.wait_procs(started, timeout=patient(10))
    assert len(gone) == 2 and not alive


def test_a_process_that_has_set_its_title_is_still_marked() -> None:
    """Ray's agents set one; it must not cover the environment, where the mark is the first word."""
    program = "import ray._raylet as r; r.setproctitle('ray::Agent'); print('titled'); input()"
    with guarded():
        mark = os.environ[guard.MARK]
        environment = {guard.MARK: mark} | dict(os.environ)
        with subprocess.Popen(
            [sys.executable, "-uc", program],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as titled:
            assert titled.stdout is not None
            assert titled.stdout.readline() == b"titled\n"
            assert psutil.Process(titled.pid).cmdline()[0] == "ray::Agent"
            assert titled.pid in guard.marked(mark)
            titled.communicate()
    assert guard.marked(mark) == []


def test_a_block_that_ends_by_itself_leaves_no_guard() -> None:
    with guarded():
        assert guard.MARK in os.environ
    assert guard.MARK not in os.environ
