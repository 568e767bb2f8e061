"""Engines that hang, die, flood or lie: deadlines hold, errors are named, nothing remains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import chess
import psutil
import pytest

from envs.errors import InputError
from rewards.chess.engine import Engine, EngineError
from rewards.chess.handshake import Deadlines
from tests.patience import patient, wait_until

MakeEngine = Callable[[str, str], Path]
DEADLINE = 1.5
"""Of engines that let it pass."""
HANG = "while True: signal.pause()"
ANSWER = """for move in MOVES:
    say(f"info depth 1 multipv 1 score cp 7 nodes 9 pv {move}")
say("bestmove e2e4")""".replace("MOVES", str([move.uci() for move in chess.Board().legal_moves]))

FAULTS = {
    "hangs": (HANG, "no answer in time"),
    "hangs_shortly_before_the_end": (ANSWER.rsplit("\n", 1)[0] + "\n" + HANG, "no answer in time"),
    "dies": ("os._exit(3)", "exit code 3"),
    "is_killed": ("os.kill(os.getpid(), signal.SIGSEGV)", "died of signal 11"),
    "floods_lines": ('while True: say("info string " + "x" * 999)', "no answer in time"),
    "floods_one_line": ('while True: sys.stdout.write("x" * 9999)', "a line of more than"),
    "floods_breaks": ('while True: sys.stdout.write("\\n" * 9999)', "no answer in time"),
    "floods_bytes": ("while True: os.write(1, bytes(range(256)))", "no answer in time"),
    "closes_its_output": ("os.close(1)\n" + HANG, "closed its output"),
    "has_no_scores": ('say("bestmove e2e4")', "no score for"),
    "has_garbage_scores": (
        ANSWER.replace("cp 7", "cp seven") + "\n" + ANSWER.replace("cp 7", "cp " + "9" * 5000),
        "no score for",
    ),
    "has_bounds_only": (ANSWER.replace("cp 7", "cp 7 lowerbound"), "no score for"),
    "has_illegal_moves": (ANSWER.replace("{move}", "e2e5"), "no score for"),
}


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_engine_is_named_in_time_and_gone(bad_engine: MakeEngine, fault: str) -> None:
    on_go, message = FAULTS[fault]
    path = bad_engine(fault, on_go)
    before = children()
    deadline = DEADLINE if message == "no answer in time" else patient(10)
    with Engine(path, nodes=100, deadline_s=deadline) as engine:
        # A second call starts a new process, which fails in the same way.
        for _ in range(2 if fault in ("hangs", "dies") else 1):
            start = time.monotonic()
            with pytest.raises(EngineError, match=message) as caught:
                engine.score_moves(chess.Board())
            assert time.monotonic() - start < deadline + patient(1)
            assert engine.pid is None and children() <= before
            for part in ("Bad 1.0", chess.STARTING_FEN, f"{deadline:g} s", str(path)):
                assert part in str(caught.value)


def test_a_new_process_takes_the_call_after_a_crash(bad_engine: MakeEngine, tmp_path: Path) -> None:
    mark = tmp_path / "crashed"
    crash_once = (
        f"if not os.path.exists({str(mark)!r}):\n    open({str(mark)!r}, 'w')\n    os._exit(1)"
    )
    with Engine(bad_engine("flaky", f"{crash_once}\n{ANSWER}"), nodes=1) as engine:
        with pytest.raises(EngineError, match="exit code 1"):
            engine.score_moves(chess.Board())
        scores = engine.score_moves(chess.Board())
        assert (len(scores.moves), scores.depth, scores.nodes) == (20, 1, 9)


def test_an_engine_with_one_line_only_searches_move_by_move(bad_engine: MakeEngine) -> None:
    one_line = """words = line.split()
if "searchmoves" in words:
    say(f"info depth 4 score cp {int(words[2]) + len(words)} nodes 6 pv {words[-1]}")
else:
    say("info depth 9 score cp 99 nodes 8 pv e2e4")
say("bestmove e2e4")"""
    with Engine(bad_engine("narrow", one_line), nodes=70) as engine:
        scores = engine.score_moves(chess.Board())
    assert {score.cp for score in scores.moves.values()} == {75}
    assert (len(scores.moves), scores.depth, scores.nodes) == (20, 0, 120)


def test_a_process_killed_between_calls_is_replaced_unseen(stockfish: Path) -> None:
    with Engine(stockfish, nodes=500) as engine:
        first = engine.score_moves(chess.Board())
        pid = engine.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: engine.pid is None)
        assert engine.score_moves(chess.Board()) == first
        assert engine.pid not in (None, pid)


def test_a_late_answer_never_counts_for_the_next_board(bad_engine: MakeEngine) -> None:
    stray = (
        ANSWER
        + '\nsay("info depth 9 multipv 1 score cp 999 nodes 1 pv e2e4")\nsay("bestmove e2e4")'
    )
    with Engine(bad_engine("chatty", stray), nodes=1) as engine:
        engine.score_moves(chess.Board())
        assert engine.score_moves(chess.Board()).moves["e2e4"].cp == 7


@pytest.mark.parametrize(
    ("seconds", "body", "message"),
    [
        (DEADLINE, "while True: signal.pause()", "no answer to `uci`"),
        (patient(10), "sys.exit(0)", "exit code 0"),
        (DEADLINE, "while True: say('rubbish')", "no `uciok` within"),
        (patient(10), "while True: sys.stdout.write('rubbish')", "a line of more than"),
        (patient(10), "for line in sys.stdin: say(line.strip())", "repeats"),
        (patient(10), "for line in sys.stdin: say('uciok')", "no MultiPV option"),
        (
            DEADLINE,
            "for line in sys.stdin:\n    say('option name MultiPV type spin')\n    say('uciok')",
            "uci",
        ),
    ],
)
def test_what_is_no_engine_is_refused_soon(
    script: MakeEngine, seconds: float, body: str, message: str
) -> None:
    path = script("rubbish", body)
    before, start = children(), time.monotonic()
    with pytest.raises(InputError, match=message) as caught:
        Engine(path, nodes=100, limits=Deadlines(start_s=seconds, ready_s=seconds))
    assert time.monotonic() - start < seconds + patient(1)
    assert f"engine.path={path}" in str(caught.value) and "\n" not in str(caught.value)
    assert "apt-get install stockfish" in str(caught.value)
    assert children() <= before


SLOW = """
loaded = False
for line in sys.stdin:
    word = line.split()[0] if line.split() else ""
    if word == "uci":
        say("id name Large 1.0")
        say("option name MultiPV type spin default 1 min 1 max 500")
        START
        say("uciok")
    elif word == "ucinewgame":
        NEWGAME
    elif word == "isready":
        if not loaded: READY
        loaded = True
        say("readyok")
    elif word == "go":
        GO
"""


def slow_engine(script: MakeEngine, **slow: str) -> Path:
    """An engine that takes its time in one phase; its answers are those of ANSWER."""
    rows = slow.get("go", ANSWER).splitlines()
    body = SLOW.replace("        GO\n", "".join(f"        {row}\n" for row in rows))
    for name in ("start", "newgame", "ready"):
        body = body.replace(name.upper(), slow.get(name, "pass"))
    return script("slow", body)


def test_each_phase_has_its_own_time_however_short_a_search_is(script: MakeEngine) -> None:
    """As an engine that loads a large net: slow once, and quick at its moves."""
    path = slow_engine(script, **dict.fromkeys(("start", "ready", "newgame"), "time.sleep(1.6)"))
    with Engine(path, nodes=1, deadline_s=1.5) as engine:
        assert len(engine.score_moves(chess.Board()).moves) == 20


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("start", r"no UCI engine \(no answer to `uci` within 0\.5 s.*engine\.start_s"),
        ("ready", r"not ready \(it answers `uci`, but no `readyok`.*engine\.ready_s"),
        ("newgame", r"no `readyok` after `ucinewgame` within 0\.5 s.*engine\.newgame_s"),
        ("go", r"no `bestmove` after `go` within 0\.5 s.*engine\.deadline_s"),
    ],
)
def test_what_takes_too_long_names_the_phase_and_its_key(
    script: MakeEngine, name: str, message: str
) -> None:
    path = slow_engine(script, **{name: "signal.pause()"})
    short = {"start": "start_s", "ready": "ready_s", "newgame": "newgame_s"}.get(name)
    limits = replace(Deadlines(*[patient(10)] * 3), **({short: 0.5} if short else {}))
    kind = InputError if name in ("start", "ready") else EngineError
    with (
        pytest.raises(kind, match=message),
        Engine(
            path, nodes=1, deadline_s=0.5 if name == "go" else patient(10), limits=limits
        ) as engine,
    ):
        engine.score_moves(chess.Board())


@pytest.mark.parametrize("path", ["/bin/cat", "/bin/true", "/bin/echo", "/bin/sh"])
def test_programs_of_the_system_are_no_engines(path: str) -> None:
    with pytest.raises(InputError, match="no UCI engine"):
        Engine(Path(path), nodes=100, limits=Deadlines(start_s=3.0))


def test_a_file_that_cannot_run_is_no_engine(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\x00\x01 no program")
    path.chmod(0o755)
    with pytest.raises(InputError, match="no UCI engine"):
        Engine(path, nodes=100)


def test_a_missing_file_is_no_engine(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no UCI engine") as caught:
        Engine(tmp_path / "gone", nodes=100)
    assert "\n" not in str(caught.value)


def test_close_from_another_thread_ends_a_call(bad_engine: MakeEngine) -> None:
    engine = Engine(bad_engine("hangs", HANG), nodes=1, deadline_s=9999)
    failed: list[EngineError] = []

    def ask() -> None:
        try:
            engine.score_moves(chess.Board())
        except EngineError as error:
            failed.append(error)

    pid = engine.pid
    thread = threading.Thread(target=ask)
    thread.start()
    engine.close()
    thread.join(patient(5))
    assert failed
    assert pid is not None and not psutil.pid_exists(pid)


def test_close_kills_what_a_wrapper_script_started(stockfish: Path, tmp_path: Path) -> None:
    wrapper = tmp_path / "wrapper.sh"
    wrapper.write_text(f"#!/bin/sh\n{stockfish}\nexit 0\n")
    wrapper.chmod(0o755)
    with Engine(wrapper, nodes=500) as engine:
        assert len(engine.score_moves(chess.Board()).moves) == 20
        assert engine.pid is not None
        started = psutil.Process(engine.pid).children(recursive=True)
        assert [process.name() for process in started] == ["stockfish"]
    gone, alive = psutil.wait_procs(started, timeout=patient(5))
    assert gone and not alive


PARENT = """
import sys, threading
from pathlib import Path
import chess
from rewards.chess.engine import Engine
engine = Engine(Path(sys.argv[1]), nodes=int(sys.argv[2]), deadline_s=9999)
threading.Thread(target=engine.score_moves, args=[chess.Board()], daemon=True).start()
print(engine.pid, flush=True)
threading.Event().wait()
"""


@pytest.mark.parametrize("kind", ["idle", "searching", "deaf"])
def test_no_engine_outlives_a_killed_parent(
    kind: str, stockfish: Path, bad_engine: MakeEngine, repository: Path
) -> None:
    path = bad_engine("deaf", HANG) if kind == "deaf" else stockfish
    nodes = "1000000000" if kind == "searching" else "100"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(path), nodes], stdout=subprocess.PIPE, cwd=repository
    ) as parent:
        assert parent.stdout is not None
        engine = psutil.Process(int(parent.stdout.readline()))
        assert engine.is_running()
        parent.kill()
        parent.wait(patient(10))
    gone, alive = psutil.wait_procs([engine], timeout=patient(5))
    for process in alive:
        process.kill()
    assert gone and not alive
