"""What many tests share: the engine, the optional data folder and a tiny model."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import hypothesis
import pytest

from tests.patience import TEST_S, patient

# How long an example takes says more about the machine's other work than about the code.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

REPOSITORY = Path(__file__).resolve().parents[1]


# Whole runs and clusters of their own, besides what asks for `local_ray` or `miniature_runs`.
# test_rollback stands at the end of the other half, so that both end at about the same time.
RUNS = {"test_domains_doc", "test_jobs", "test_nodes", "test_rayjob", "test_run", "test_run_both"}


def pytest_configure() -> None:
    """Heed Ctrl-C even in the background of a shell script, which starts commands deaf to it.

    The processes that tests start and interrupt would inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what starts Ray: `make test` runs it beside the rest (scripts/test.py).

    Each test has a deadline; whoever needs another one has a mark of its own.
    """
    if item.get_closest_marker("timeout") is None:
        item.add_marker(pytest.mark.timeout(patient(TEST_S)))
    fixtures = set(getattr(item, "fixturenames", ()))
    if item.path.stem in RUNS or not fixtures.isdisjoint({"local_ray", "miniature_runs"}):
        item.add_marker("ray")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of development data that is no part of the repository."""
    named = os.environ.get("SELFPLAY_SHARED")
    root = Path(named) if named else REPOSITORY.parent / "shared"
    data = root / "data"
    if not data.is_dir():
        pytest.skip(f"no development data: {data} is missing; set SELFPLAY_SHARED to its parent")
    return data


@pytest.fixture(scope="session")
def stockfish() -> Path:
    """A real Stockfish."""
    usual = Path("/usr/games/stockfish")
    found = shutil.which("stockfish") or (str(usual) if usual.exists() else None)
    if found is None:
        pytest.skip("no Stockfish on PATH or in /usr/games; make setup installs it")
    return Path(found)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random Llama and its tokenizer; read it, never write to it."""
    from selfplay.models.tiny import build_tiny_model

    return build_tiny_model(tmp_path_factory.mktemp("models") / "tiny", seed=0)


@pytest.fixture(scope="session")
def taught_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of which about a fifth of the answers in PGN style are legal."""
    import torch

    from tests.league.teaching import teach_tiny_model

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return teach_tiny_model(tmp_path_factory.mktemp("models") / "taught")
    finally:
        torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def miniature_runs(
    repository: Path, stockfish: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with the finished run `whole`: real engine, Ray and trainer. Never write to it."""
    from tests.miniature import command, selfplay

    folder = tmp_path_factory.mktemp("work")
    done = selfplay(folder, command(repository, "whole"))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "runs"
