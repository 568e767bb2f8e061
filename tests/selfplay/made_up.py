"""Run folders filled with known numbers, for the tests of summary, report and command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import chess

from envs.chess.position import make_task
from rewards import RewardResult
from selfplay.config.run import RunConfig
from selfplay.records import Group, Rollout
from selfplay.rundir.folder import RunDir
from selfplay.stats.intervals import bootstrap_mean, wilson


def group(text: str = " e4", *, trained: bool = True) -> Group:
    """Two rollouts of the start position, both with `text`."""
    task = make_task(chess.Board())
    rollouts = [
        Rollout(
            task_id=task.id,
            policy_version=3,
            seed=2**63 - 1,
            index=index,
            prompt_ids=[1, 2],
            completion_ids=[5],
            logprobs=[-0.25],
            text=text,
            finish="word",
            result=RewardResult(0.5 * index, "fail", {"legal": 1.0}, {"fen": "x", "cp": None}),
            advantage=0.5 * index - 0.25,
        )
        for index in range(2)
    ]
    return Group(task, rollouts, trained)


def row(index: int, *, legal: bool, regret: float, text: str = " e4") -> dict[str, Any]:
    """One evaluated position whose random mover loses 0.2."""
    return {
        "task_id": f"chess/{index}",
        "fen": chess.STARTING_FEN,
        "completion": text,
        "verdict": "fail" if legal else "illegal",
        "action": "e2e4" if legal else None,
        "regret": regret if legal else None,
        "best": False if legal else None,
        "random_regret": 0.2,
        "random_best": 0.05,
        "best_moves": ["d2d4"],
        "rules": {"first_capture": {"action": None, "regret": 0.15, "best": 0.1}},
    }


def evaluation(name: str, step: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """An evaluation file of one suite with the numbers that follow from `rows`."""
    legal = [r for r in rows if r["verdict"] == "fail"]
    policy = {
        "legal_rate": wilson(len(legal), len(rows)).as_dict(),
        "best_move_rate": wilson(0, len(rows)).as_dict(),
        "regret": bootstrap_mean([r["regret"] for r in legal]).as_dict(),
    }
    mover = {
        "best_move_rate": bootstrap_mean([0.05] * len(rows)).as_dict(),
        "regret": bootstrap_mean([0.2] * len(rows)).as_dict(),
    }
    rules = {
        "first_capture": {
            "best_move_rate": bootstrap_mean([0.1] * len(rows)).as_dict(),
            "regret": bootstrap_mean([0.15] * len(rows)).as_dict(),
        }
    }
    numbers = {"policy": policy, "random_mover": mover, "rules": rules, "rows": rows}
    if name == "base":
        form = {"style": "fen_legal", "shots": 3, "positions": len(rows), "policy": policy}
        numbers["prompts"] = [form | {"rows": rows}]
    suites = {"chess/games": numbers}
    return {
        "name": name,
        "version": step,
        "step": step,
        "positions": len(rows),
        "seconds": 1.0,
        "suites": suites,
    }


def metrics_row(step: int, **changes: Any) -> dict[str, Any]:
    """One step's row with some values null."""
    seconds = {"sample": 1.0, "score": 0.5, "learn": 2.0, "publish": 0.1, "wait": 0.0, "total": 4.0}
    return {
        "step": step,
        "version": step,
        "reward_mean": 0.01 * step,
        "legal_rate": 0.5,
        "regret_mean": None,
        "entropy": 1.0 / step,
        "groups_with_spread": 0.1 * (step % 10),
        "tokens_per_s": 100.0,
        "seconds": seconds,
    } | changes


def filled_run(
    runs_dir: Path, text: str = " e4", name: str = "made-up", config: RunConfig | None = None
) -> RunDir:
    """A finished run: 20 steps, rollouts of three of them, base and final evaluation."""
    run = RunDir.create(config or RunConfig(name=name, runs_dir=runs_dir))
    for step in range(1, 21):
        run.append_metrics(metrics_row(step))
    for step in (1, 10, 20):
        run.write_rollouts(step, [group(text), group(text, trained=False)])
    base = [row(i, legal=i < 10, regret=0.25, text=text) for i in range(40)]
    final = [row(i, legal=i < 38, regret=0.1 + 0.001 * i, text=text) for i in range(40)]
    run.write_eval("base", evaluation("base", 0, base))
    run.write_eval("final", evaluation("final", 20, final))
    run.write_manifest({"name": text}, {"run": 0})
    return run
