"""Scores again by the real scorers: what differs, what another engine says, and what hangs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chess
import pytest

from envs import Task
from envs.chess.position import make_task
from envs.code import families
from rewards import RewardResult
from selfplay.config.run import RunConfig
from selfplay.domains.checks import Kept
from selfplay.verify import Findings
from selfplay.verify.scoring import Rescorer, Results

OTHER = {"name": "Other 1.0", "sha256": "0" * 64, "options": {}}
START = make_task(chess.Board())
HUNG = f"""#!{sys.executable} -S
import signal, sys
for line in sys.stdin:
    if line.startswith("uci\\n"):
        print("id name Hung 1.0\\noption name MultiPV type spin default 1 min 1 max 500\\nuciok")
    elif line.startswith("isready"):
        print("readyok")
    elif line.startswith("go"):
        signal.pause()
    sys.stdout.flush()
"""


def compared(scorer: Rescorer, task: Task, text: str, stored: Kept, result: RewardResult) -> str:
    def made(results: Results) -> Kept:
        [one] = results
        return scorer.checks.score_of(task, one)

    return scorer.compare("f", "row 1", (task, [text]), stored, made, [result])


def chess_rescorer(path: Path, cache: Path, *engines: Any, deadline_s: float = 20) -> Rescorer:
    engine = {"path": path, "cache": cache, "nodes": 200, "deadline_s": deadline_s}
    config = RunConfig.model_validate({"engine": engine})
    return Rescorer(config, "chess", False, Findings(), engines)


def test_the_same_engine_confirms_and_refutes(stockfish: Path, tmp_path: Path) -> None:
    scorer = chess_rescorer(stockfish, tmp_path / "c.sqlite")
    identity: Any = scorer._scorers[0]
    mine = {
        "sha256": identity.identity()["sha256"],
        "options": dict(identity.identity()["options"]),
    }
    scorer.recorded = (OTHER, mine)
    for text in (" e4", " a3", " Ke2", "?"):
        [result] = scorer.score(START, [text]) or []
        stored = scorer.checks.score_of(START, result)
        assert compared(scorer, START, text, stored, result) == "same"
        assert compared(scorer, START, text, {**stored, "value": 0.77}, result) == "different"
    assert scorer.counts == {"same": 4, "different": 4}
    assert {d.place for d in scorer.findings.differences} == {"row 1.value"}
    scorer.close()
    assert scorer.findings.unchecked == []


def test_another_engine_says_nothing_of_scores_but_of_rules(
    stockfish: Path, tmp_path: Path
) -> None:
    scorer = chess_rescorer(stockfish, tmp_path / "c.sqlite", OTHER)
    [result] = scorer.score(START, [" e4"]) or []
    stored = {**scorer.checks.score_of(START, result), "value": 0.77}
    assert compared(scorer, START, " e4", stored, result) == "other scorer"
    illegal = {**stored, "legality": "illegal", "verdict": "illegal"}
    assert compared(scorer, START, " e4", illegal, result) == "different"
    assert [d.place for d in scorer.findings.differences] == ["row 1.legality"]
    scorer.close()
    [message] = scorer.findings.unchecked
    assert "Other 1.0 000000000000" in message and "1 scores differ" in message


def test_an_engine_that_hangs_is_named_and_given_up(tmp_path: Path) -> None:
    path = tmp_path / "hung"
    path.write_text(HUNG)
    path.chmod(0o755)
    scorer = chess_rescorer(path, tmp_path / "c.sqlite", deadline_s=1.5)
    board = chess.Board()
    for move in ("e2e4", "e7e5", "g1f3", "b8c6"):
        assert scorer.score(make_task(board), [" a3"]) is None
        board.push_uci(move)
    scorer.close()
    message = scorer.findings.unchecked
    assert len(message) == 4 and scorer.given_up
    assert all("no answer in time" in text and "FEN" in text for text in message[:3])
    assert "3 tasks in a row" in message[3]


def test_without_an_engine_nothing_is_scored_and_that_is_said(tmp_path: Path) -> None:
    scorer = chess_rescorer(tmp_path / "none", tmp_path / "c.sqlite")
    assert scorer.score(START, [" e4"]) is None
    assert "no such file" in scorer.findings.unchecked[0]
    scorer.close()


@pytest.fixture(scope="module")
def judge() -> Iterator[Rescorer]:
    box = {"wall_s": 0.5, "cpu_s": 1.0, "task_s": 1.0}
    config = RunConfig.model_validate({"domain": "code", "sandbox": box})
    scorer = Rescorer(config, "code", False, Findings())
    yield scorer
    scorer.close()


def test_programs_are_judged_again(judge: Rescorer) -> None:
    made = families.make(families.TRAIN[0], 1, 0)
    task = made.task()
    good = f"```python\n{made.reference}```"
    bad = f"```python\ndef {made.entry_point}(*args):\n    return None\n```"
    endless = f"```python\ndef {made.entry_point}(*args):\n    while True:\n        pass\n```"
    results = judge.score(task, [good, bad, endless]) or []
    assert [result.verdict for result in results] == ["pass", "fail", "timeout"]
    passed, failed, timed_out = (judge.checks.score_of(task, result) for result in results)
    assert compared(judge, task, good, passed, results[0]) == "same"
    assert compared(judge, task, bad, {**passed, "action": failed["action"]}, results[1]) == (
        "different"
    )
    forged = {**passed, "action": timed_out["action"]}
    assert compared(judge, task, endless, forged, results[2]) == "different"
    # What ran out of time then may well finish here: that proves nothing.
    slow = {**timed_out, "action": passed["action"]}
    assert compared(judge, task, good, slow, results[0]) == "unsteady"
