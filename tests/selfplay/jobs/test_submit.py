"""What is sent to a cluster, and how its answers are read; no cluster is needed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import DistributionFinder, MetadataPathFinder
from pathlib import Path
from typing import Any

import pytest

from envs.errors import InputError
from selfplay.cluster.session import _join
from selfplay.config.reading import load_config
from selfplay.config.run import RunConfig
from selfplay.jobs.job import Job, find_address, free_id, harmless, running
from selfplay.jobs.packages import pack_packages
from selfplay.jobs.server import Jobs
from selfplay.jobs.submit import (
    JOB_CONFIG,
    entrypoint,
    for_job,
    grace_seconds,
    outcome,
    pack,
    ray_line,
    submit,
)
from selfplay.registry import GROUP


def job(job_id: str, status: str = "RUNNING", **given: Any) -> Job:
    made: dict[str, Any] = {
        "exit_code": None,
        "message": "",
        "started": None,
        "ended": None,
        "metadata": {"run_folder": f"/runs/{job_id}"},
        "working_dir": None,
    }
    return Job(id=job_id, status=status, **(made | given))


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cluster is named by the environment, and none stays named."""
    monkeypatch.setenv("RAY_ADDRESS", "")
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "")


def test_the_address_is_the_one_given_then_the_environments_then_the_configurations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(InputError, match="--address http://HEAD:8265"):
        find_address(None)
    assert find_address(None, "c:6379") == "c:6379"
    monkeypatch.setenv("RAY_ADDRESS", "b:6379")
    assert find_address(None, "c:6379") == "b:6379"
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://a:8265")
    assert find_address(None, "c:6379") == "http://a:8265"
    assert find_address("http://given:1", "c:6379") == "http://given:1"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ray://head:10001", "not through Ray Client"),
        ("http://127.0.0.1:99999", "http://HEAD:8265"),
        ("http://nowhere.invalid:8265", "nothing answers there"),
    ],
)
def test_an_address_that_cannot_be_is_refused_in_one_line(address: str, message: str) -> None:
    pytest.importorskip("aiohttp", reason="without Ray's dashboard packages that is said first")
    with pytest.raises(InputError) as caught:
        Jobs(address)
    assert str(caught.value).startswith(address) and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nobody_listening_is_said_at_once() -> None:
    pytest.importorskip("aiohttp", reason="without Ray's dashboard packages that is said first")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening: connections are refused
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(InputError, match="nothing answers there"):
            Jobs(address)
        with pytest.raises(InputError, match=r"ray\.address=127\.0\.0\.1:\d+: nothing answers"):
            _join(address.removeprefix("http://"))


@pytest.mark.parametrize(
    ("address", "message"),
    [("ray://head:10001", "selfplay submit"), ("http://head:8265", "HOST:PORT")],
)
def test_a_run_joins_no_dashboard_and_no_client_server(address: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        _join(address)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "name", "message"),
    [
        ([], "a/b", "name: 'a/b' is no folder name"),
        (["runs_dir=s3://bucket/runs"], None, "mount the storage and name the mount point"),
        (["steps=none"], None, "'steps' is 'none', expected a whole number"),
    ],
)
def test_what_cannot_run_is_refused_before_anybody_is_asked(
    overrides: list[str], name: str | None, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        submit(
            "smoke",
            overrides,
            name=name,
            resume=False,
            address="http://127.0.0.1:1",
            python="python",
            wait=True,
            say=print,
        )
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_question_has_a_deadline_and_is_named() -> None:
    never = threading.Event()
    jobs = Jobs.__new__(Jobs)
    jobs.address = "http://x"
    with pytest.raises(InputError, match=r"http://x: listing: no answer within 0\.2 s"):
        jobs._ask("listing", never.wait, 0.2)
    never.set()


def test_ids_follow_from_the_run_and_are_never_taken_twice() -> None:
    assert free_id([], "run") == "run"
    assert free_id([job("run"), job("run-3"), job("run-2")], "run") == "run-4"
    assert free_id([job("run-2")], "run") == "run"


def test_the_job_that_has_the_folder_is_found_while_it_runs() -> None:
    known = [job("a", "SUCCEEDED"), job("b", "PENDING"), job("c", metadata={})]
    assert running(known, "/runs/a") is None
    found = running(known, "/runs/b")
    assert found is not None and found.id == "b"


@pytest.mark.parametrize(
    ("status", "exit_code", "code"),
    [
        ("SUCCEEDED", 0, 0),
        ("FAILED", 2, 2),
        ("FAILED", 1, 1),
        ("FAILED", 130, 130),
        ("FAILED", None, 1),
        ("FAILED", -9, 1),
        ("STOPPED", None, 130),
    ],
)
def test_exit_codes(status: str, exit_code: int | None, code: int) -> None:
    assert job("x", status, exit_code=exit_code).code == code


def test_a_job_that_never_started_tells_why() -> None:
    failed = job("x", "FAILED", message="Job supervisor actor died\nmore")
    assert outcome(failed) == "job x: failed without an exit code: Job supervisor actor died"


def test_nothing_in_a_log_rewrites_the_terminal() -> None:
    assert harmless("step 1\n\x1b[2Jgone\r\u202e\n") == "step 1\n\\x1b[2Jgone\\r\\u202e\n"


def test_the_entrypoint_is_quoted() -> None:
    assert entrypoint("python", None) == f"python -m selfplay run {JOB_CONFIG}"
    hostile = "engine.path=/x; rm -rf $HOME"
    assert entrypoint("py thon", [hostile]) == (
        f"'py thon' -m selfplay run {JOB_CONFIG} '{hostile}' --resume"
    )


def test_the_ray_command_names_what_was_uploaded() -> None:
    line = ray_line(
        "http://h:8265", job("x", working_dir="gcs://p.zip"), "python -m y", {"env_vars": {}}
    )
    assert line == (
        "ray job submit --address http://h:8265 --submission-id x --working-dir gcs://p.zip "
        "--runtime-env-json '{\"env_vars\": {}}' -- python -m y"
    )


def test_files_are_named_from_the_root_and_the_address_stays_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    given = RunConfig.model_validate(
        {
            "model": "model",
            "runs_dir": "runs",
            "chess": {"puzzles": "p.csv"},
            "engine": {"path": "stockfish", "cache": "c.sqlite"},
            "eval": {"mbpp": "sub/m.jsonl"},
            "code": {"mbpp": "google-research-datasets/mbpp"},
            "ray": {"address": "head:6379", "start_s": 7},
        }
    )
    made = for_job(given)
    assert made.runs_dir == tmp_path / "runs"
    assert made.model == str(tmp_path / "model")
    assert made.chess.puzzles == tmp_path / "p.csv"
    assert made.engine.cache == tmp_path / "c.sqlite"
    assert made.engine.path == Path("stockfish"), "looked up on each node's PATH"
    assert made.eval.mbpp == tmp_path / "sub" / "m.jsonl"
    assert made.code.mbpp == Path("google-research-datasets/mbpp"), "an id is no path"
    assert (made.ray.address, made.ray.start_s) == (None, 7)
    assert for_job(RunConfig(model="tiny-random")).model == "tiny-random"


def test_what_is_shipped_is_the_package_and_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = for_job(RunConfig(name="shipped"))
    assert pack(config, tmp_path) == []
    names = {path.name for path in tmp_path.iterdir()}
    about = {name for name in names if name.startswith("selfplay_rlvr-")}
    assert len(about) == 1 and names - about == {"envs", "rewards", "selfplay", JOB_CONFIG}
    assert load_config(tmp_path / JOB_CONFIG, []) == config
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (tmp_path / "selfplay" / "jobs" / "submit.py") in files
    assert not [path for path in files if "__pycache__" in path.parts or path.suffix == ".pyc"]
    assert not [path for path in files if path.suffix in (".safetensors", ".parquet", ".pt")]
    assert sum(path.stat().st_size for path in files) < 20e6


def carried(folder: Path) -> dict[str, str]:
    """The domains that Python finds where it knows of nothing but what was packed."""
    found = MetadataPathFinder.find_distributions(DistributionFinder.Context(path=[str(folder)]))
    points = [point for one in found for point in one.entry_points if point.group == GROUP]
    return {point.name: point.value for point in points}


CHESS_AND_CODE = {
    "chess": "selfplay.domains.chess:SPEC",
    "code": "selfplay.domains.code:SPEC",
}


def test_the_domains_of_a_job_are_found_on_a_node_that_has_none(tmp_path: Path) -> None:
    """The toy is no part of this package, and is carried where a job uses it."""
    (tmp_path / "chess").mkdir()
    pack(for_job(RunConfig()), tmp_path / "chess")
    assert carried(tmp_path / "chess") == CHESS_AND_CODE
    (tmp_path / "toy").mkdir()
    both = RunConfig.model_validate({"domain": ["chess", "toy"], "groups_per_step": 2})
    assert pack(for_job(both), tmp_path / "toy") == []
    assert carried(tmp_path / "toy") == CHESS_AND_CODE | {"toy": "toy:SPEC"}
    assert (tmp_path / "toy" / "toy.py").is_file()
    asked = [sys.executable, "-c", "import selfplay, toy; print(selfplay.__file__, toy.__file__)"]
    alone = {**os.environ, "PYTHONPATH": str(tmp_path / "toy")}
    said = subprocess.run(asked, cwd=tmp_path, env=alone, capture_output=True, text=True).stdout
    assert said.count(str(tmp_path / "toy")) == 2


@pytest.mark.parametrize(
    ("requires", "compiled", "note"),
    [
        ("sympy>=1\nRequires-Dist: selfplay-rlvr", False, "what go-domain needs on every node: sy"),
        (
            'sympy; extra=="plots"\nRequires-Dist: selfplay-rlvr-words',
            False,
            "on every node: selfplay-rlvr-words",
        ),
        ("selfplay_rlvr", True, "install go-domain on every node: it has compiled parts (fast.cp"),
    ],
)
def test_what_cannot_be_carried_is_to_be_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requires: str, compiled: bool, note: str
) -> None:
    site, bundle = tmp_path / "site", tmp_path / "bundle"
    package, about = site / "go_domain", site / "go_domain-1.dist-info"
    for folder in (package, about, bundle):
        folder.mkdir(parents=True)
    (package / "__init__.py").touch()
    if compiled:
        (package / f"fast{EXTENSION_SUFFIXES[0]}").touch()
    head = f"Metadata-Version: 2.1\nName: go-domain\nVersion: 1\nRequires-Dist: {requires}\n"
    (about / "METADATA").write_text(head)
    (about / "entry_points.txt").write_text(f"[{GROUP}]\ngo = go_domain:SPEC\n")
    monkeypatch.syspath_prepend(site)
    [said] = pack_packages(["go"], bundle)
    assert note in said
    assert ("go" in carried(bundle)) is (bundle / "go_domain").is_dir() is not compiled


def test_a_stopped_run_may_finish_its_update_and_save() -> None:
    config = RunConfig.model_validate(
        {"learner": {"deadline_s": 100}, "checkpoint": {"stop_s": 20.5}}
    )
    assert grace_seconds(config) == 181
