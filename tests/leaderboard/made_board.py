"""Run folders and game files of known content, for the tests of the leaderboard."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from selfplay.config.run import RunConfig
from selfplay.leaderboard import Leaderboard, Options, gather
from selfplay.rundir.folder import RunDir
from selfplay.stats.intervals import bootstrap_mean, wilson
from tests.selfplay.made_up import evaluation, group, metrics_row, row

LONG = (
    "1. e4 {[%eval 0.3]} e5 {[%eval 0.3]} 2. Nf3 {[%eval 0.2]} Nc6 {[%eval 0.3]} "
    "3. Bc4 {[%eval 0.2]} Nd4 {[%eval 1.2]} 4. O-O {[%eval 0.4]} b5 {[%eval 1.5]} "
    "5. Bxf7+ {[%eval 0.9]} Kxf7 {[%eval 0.9]} 6. Nxe5+ {[%eval -0.4]} Ke8 {[%eval #4]}"
)
"""A game with evaluations, a castling and moves that lose much: 4... b5 and 6... Ke8."""


def pgn(
    white: str, black: str, result: str, *, number: str = "1", moves: str = "1. e4 e5", **tags: str
) -> str:
    """One game as text; tags in the form of selfplay match."""
    values = {"Event": "m", "Round": number, "White": white, "Black": black, "Result": result}
    lines = [f'[{key} "{value}"]' for key, value in (values | tags).items()]
    return "\n".join(lines) + f"\n\n{moves} {result}\n\n"


def write_match(path: Path, a: str, b: str, results: Sequence[str], **tags: str) -> Path:
    """A file of pairs: in each, `a` has White first and has `result` from its side."""
    swapped = {"1-0": "0-1", "0-1": "1-0", "1/2-1/2": "1/2-1/2"}
    games = []
    for pair, result in enumerate(results, start=1):
        games.append(pgn(a, b, result, number=f"{pair}.1", **tags))
        games.append(pgn(b, a, swapped[result], number=f"{pair}.2", **tags))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(games), encoding="utf-8")
    return path


def answer(index: int, verdict: str, text: str = "return x") -> dict[str, Any]:
    """One evaluated code task."""
    failed = {"hidden": index % 2 == 0, "input": f"f({index})", "expected": "1", "got": text}
    return {
        "task_id": f"code/{index}",
        "key": f"families/task{index}/1/0",
        "program": f"def f(x):\n    {text}",
        "verdict": verdict,
        "failed": None if verdict == "pass" else failed,
    }


def code_suite(passed: int, tasks: int, text: str = "return x") -> dict[str, Any]:
    """The numbers of a code suite in which the first `passed` of `tasks` pass."""
    rows = [answer(i, "pass" if i < passed else "fail", text) for i in range(tasks)]
    estimates = [1.0] * passed + [0.25] * (tasks - passed)
    policy = {
        "pass_rate": wilson(passed, tasks).as_dict(),
        "pass@10": bootstrap_mean(estimates).as_dict(),
        "hack_gap": bootstrap_mean([0.1, 0.2, 0.0]).as_dict(),
    }
    return {"policy": policy, "infra_errors": 0, "rows": rows}


def made_run(runs_dir: Path, name: str = "alpha", text: str = " e4", passed: int = 20) -> RunDir:
    """A finished run of both domains: 20 steps of 4 rollouts, champion at step 10."""
    run = RunDir.create(RunConfig(name=name, runs_dir=runs_dir, model=text.strip() or "m"))
    for step in range(1, 21):
        run.append_metrics(metrics_row(step, wall_s=10.0 * step, rollouts=4, time=1.7e9 + step))
    for step in (1, 10, 20):
        run.write_rollouts(step, [group(text), group(text, trained=False)])
    for key, step, legal in (("base", 0, 10), ("step_000010", 10, 30), ("final", 20, 38)):
        rows = [row(i, legal=i < legal, regret=0.25 - 0.005 * step) for i in range(40)]
        record = evaluation(key, step, rows)
        record["suites"]["code/families"] = code_suite(min(40, 1 + step * passed // 20), 40, text)
        run.write_eval(key, record)
    run.write_manifest({"name": text}, {"run": 0})
    promotion = {"step": 10, "version": 10, "evaluation": "step_000010", "against": "base"}
    difference = {"value": 0.2, "low": 0.1, "high": 0.3, "n": 40}
    suites = {"chess/games": {"change": "better", "p": 0.001, "difference": difference}}
    message = {"promoted": True, "reason": f"better in {text}", "suites": suites}
    run.append_promotion(promotion | message, 1.7e9)
    run.versions.set_champion(10)
    return run


def made_board(folder: Path, text: str = " e4", **options: Any) -> Leaderboard:
    """Two runs, anchors and an outsider; `text` is what the model says wherever it may."""
    runs = [made_run(folder / "runs", "alpha", text), made_run(folder / "runs", "beta", text, 35)]
    draw, win, loss = "1/2-1/2", "1-0", "0-1"
    tags = {"WhiteFirstTry": "9/10", "BlackFirstTry": "5/10", "Date": "2026.01.02"}
    meetings = [
        ("alpha@base", "random", [loss, draw, loss, win, loss]),
        ("alpha@v000010", "random", [win, draw, win, draw]),
        ("alpha@v000020", "random", [win, win, draw, win, draw]),
        ("alpha@v000020", "alpha@v000010", [win, draw, loss, win, draw, draw]),
        ("beta@v000020", "softmax:0.1,nodes=200", [loss, loss, draw, loss]),
        ("softmax:0.1,nodes=200", "alpha@v000020", [win, win, draw, win]),
    ]
    files = [
        write_match(folder / "games" / f"{number}.pgn", a, b, results, **tags)
        for number, (a, b, results) in enumerate(meetings)
    ]
    outside = folder / "games" / "outside.pgn"
    one = pgn("Outsider", "softmax:0.1,nodes=200", win, moves=LONG, Annotator="lichess")
    two = pgn("softmax:0.1,nodes=200", "Outsider", loss, moves="1. d4 {+0.31/12 0.5s} d5 {-0.2/9}")
    outside.write_text(one + two, encoding="utf-8")
    return gather(runs, [*files, outside], Options(bootstraps=100, **options))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file."""
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value
