"""Scorer pool: real actors, real Stockfish, killed in the middle of a batch."""

from __future__ import annotations

import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import chess
import psutil
import pytest

from envs import Task
from envs.chess.position import board_of, make_task
from rewards import RewardResult
from selfplay.config.run import RunConfig
from selfplay.domains.made import make_domain
from selfplay.scorer.pool import ScorerPool
from tests.patience import patient

pytestmark = pytest.mark.usefixtures("local_ray")
Answers = list[tuple[Task, list[str]]]


def run_config(stockfish: Path, cache: Path, **scorer: object) -> RunConfig:
    return RunConfig.model_validate(
        {
            "engine": {
                "path": stockfish,
                "nodes": 20_000,
                "cache": cache,
                "deadline_s": patient(20),
            },
            "scorer": {"count": 2, "cpus": 0.1, "deadline_s": patient(20), **scorer},
        }
    )


def answers(count: int, seed: int) -> Answers:
    """Positions some random plies in, with a legal, an illegal and an unreadable answer each."""
    rng = random.Random(seed)
    made: Answers = []
    for _ in range(count):
        board = chess.Board()
        for _ in range(rng.randint(4, 12)):
            board.push(rng.choice(list(board.legal_moves)))
        legal = board.san(rng.choice(list(board.legal_moves)))
        made.append((make_task(board), [f" {legal}", " Ka9 e9", " Qa8xh1#", f"{legal} and so on"]))
    return made


def reference(config: RunConfig, cache: Path, asked: Answers) -> list[list[RewardResult]]:
    """Score in this process, with a cache of its own."""
    own = config.model_copy(
        update={"engine": config.engine.model_copy(update={"cache": cache / "own.sqlite"})}
    )
    with make_domain("chess", own).make_scorer(evaluating=False) as scorer:
        return [scorer.score(task, texts) for task, texts in asked]


@pytest.fixture
def pool(stockfish: Path, tmp_path: Path) -> Iterator[ScorerPool]:
    made = ScorerPool(run_config(stockfish, tmp_path / "cache.sqlite"), ["chess"])
    # Both actors are up, engines started, before anything is killed: of a batch one may take all.
    made.wait_started()
    made.score(answers(4, seed=99))
    yield made
    made.close()


def engines() -> list[psutil.Process]:
    """Engine processes below this test's Ray."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if "stockfish" in Path(child.exe()).name:
                found.append(child)
        except psutil.Error:
            continue  # It ended while we looked.
    return found


def kill_when(busy: Callable[[], psutil.Process | None], killed: list[int]) -> threading.Thread:
    """Kill, from another thread, the first process that `busy` names in time."""

    def watch() -> None:
        until = time.monotonic() + patient(20)
        while time.monotonic() < until:
            process = busy()
            if process is not None:
                os.kill(process.pid, signal.SIGKILL)
                killed.append(process.pid)
                return

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def cpu_growth() -> Callable[[], psutil.Process | None]:
    """Return a function that names an engine which has begun to compute since now."""
    idle = {p.pid: sum(p.cpu_times()[:2]) for p in engines()}
    assert idle, "no engine is running"

    def busy() -> psutil.Process | None:
        for pid, spent in idle.items():
            process = psutil.Process(pid)
            if sum(process.cpu_times()[:2]) > spent + 0.05:
                return process
        return None

    return busy


def test_results_are_right_and_in_order(pool: ScorerPool, stockfish: Path, tmp_path: Path) -> None:
    asked = answers(10, seed=1)
    results = pool.score(asked)
    assert results == reference(run_config(stockfish, tmp_path), tmp_path, asked)
    for rows in results:
        legal, unread, illegal, same = rows
        assert legal.verdict in ("pass", "fail") and legal == same and legal.value >= 0.1
        assert unread.value == illegal.value == 0.0
        assert {unread.verdict, illegal.verdict} <= {"illegal", "unparsable"}
    assert len({rows[0].value for rows in results}) > 3 and pool.replaced == 0
    assert pool.score([]) == []


def test_a_killed_engine_costs_a_retry_and_nothing_else(
    pool: ScorerPool, stockfish: Path, tmp_path: Path
) -> None:
    asked = answers(40, seed=2)
    killed: list[int] = []
    thread = kill_when(cpu_growth(), killed)
    results = pool.score(asked)
    thread.join()
    assert killed, "the batch was over before an engine could be killed"
    assert all(row.verdict != "infra_error" for rows in results for row in rows)
    assert results == reference(run_config(stockfish, tmp_path), tmp_path, asked)
    assert pool.replaced == 0, "the actor lives on: only its engine was replaced"


def test_a_killed_scorer_is_replaced_and_its_engine_does_not_stay(
    pool: ScorerPool, stockfish: Path, tmp_path: Path
) -> None:
    asked = answers(40, seed=3)
    killed: list[int] = []
    orphans: list[psutil.Process] = []
    busy_engine = cpu_growth()

    def busy() -> psutil.Process | None:
        engine = busy_engine()
        if engine is None:
            return None
        orphans.append(engine)
        return engine.parent()

    thread = kill_when(busy, killed)
    results = pool.score(asked)
    thread.join()
    assert killed and pool.replaced == 1
    assert results == reference(run_config(stockfish, tmp_path), tmp_path, asked)
    gone, left = psutil.wait_procs(orphans, timeout=patient(10))
    assert gone and not left, "a killed scorer left its engine behind"


def test_an_engine_that_always_fails_is_an_infra_error(stockfish: Path, tmp_path: Path) -> None:
    """After the retries the result says so; the caller drops it."""
    wrapper = tmp_path / "engine"
    # A real engine that is cut off at the first search.
    wrapper.write_text(f"#!/bin/sh\nsed -u '/^go/Q' | {stockfish}\n")
    wrapper.chmod(0o755)
    config = run_config(wrapper, tmp_path / "cache.sqlite", count=1, retries=1)
    made = ScorerPool(config, ["chess"])
    [[row]] = made.score([(make_task(chess.Board()), [" e4"])])
    assert row.verdict == "infra_error" and row.value == 0.0
    assert chess.STARTING_FEN in str(row.evidence["detail"])
    made.close()


def test_a_position_that_costs_its_scorers_is_set_aside(
    stockfish: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The engine hangs on one position for longer than a scorer may take; the others are scored."""
    asked = answers(5, seed=5)
    bad = board_of(asked[2][0]).fen()
    wrapper = tmp_path / "engine"
    wrapper.write_text(
        "#!/bin/sh\nwhile read -r line; do\n"
        f'  case "$line" in "position fen {bad}"*) cat >/dev/null;; esac\n'
        f'  echo "$line"\ndone | {stockfish}\n'
    )
    wrapper.chmod(0o755)
    config = run_config(
        wrapper, tmp_path / "cache.sqlite", count=2, retries=1, deadline_s=4, cpus=0
    )
    config.engine.deadline_s = patient(20)
    config.engine.nodes = 500
    made = ScorerPool(config, ["chess"])
    made.wait_started()
    with caplog.at_level(logging.WARNING, "selfplay"):
        results = made.score(asked)
    verdicts = [{row.verdict for row in rows} for rows in results]
    assert [found == {"infra_error"} for found in verdicts] == [False, False, True, False, False]
    assert made.replaced == 2
    [message] = [r.getMessage() for r in caplog.records if r.name == "selfplay.scorer.pool"]
    assert bad in message and "set aside" in message and "failed 2 times" in message
    assert "failed 2 times" in str(results[2][0].evidence["detail"])
    made.close()


def test_closing_leaves_no_engine(stockfish: Path, tmp_path: Path) -> None:
    made = ScorerPool(run_config(stockfish, tmp_path / "cache.sqlite"), ["chess"])
    made.wait_started()
    made.score(answers(4, seed=4))
    running = engines()
    assert len(running) >= 2
    made.close()
    gone, left = psutil.wait_procs(running, timeout=patient(10))
    assert len(gone) == len(running) and not left
