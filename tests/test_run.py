"""The miniature of the real run, as a user starts it: real engine, real Ray, TRL's real trainer.

One run goes through; a second one with the same seed is interrupted by Ctrl-C and resumed. Both
must have sampled the very same rollouts, so the seed repeats and resuming loses nothing.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from envs.chess.openings import random_opening
from envs.chess.rules import RULES
from tests.miniature import STEPS, command, selfplay

SAME = ("task_id", "seed", "index", "prompt_ids", "completion_ids", "text", "verdict", "value")
CTRL_C_SECONDS = 20.0
KILLED_SECONDS = 100.0

pytestmark = [pytest.mark.timeout(420), pytest.mark.usefixtures("stockfish")]


def rollouts(run: Path) -> list[dict[str, Any]]:
    files = sorted((run / "rollouts").glob("step_*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


@pytest.fixture(scope="module")
def runs(miniature_runs: Path) -> Path:
    """A folder with the finished run `whole`."""
    return miniature_runs


@pytest.fixture(scope="module")
def resumed(repository: Path, runs: Path) -> Path:
    """The run `torn`: Ctrl-C in the middle, then resumed to its end."""
    process = subprocess.Popen(
        command(repository, "torn"),
        cwd=runs.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith(f"step 3/{STEPS}"):
            break
    assert process.poll() is None, "".join(seen)
    family = psutil.Process(process.pid).children(recursive=True)
    assert any("stockfish" in child.name() for child in family)
    start = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    took = time.monotonic() - start
    assert process.returncode == 130, "".join(seen) + out
    assert took < CTRL_C_SECONDS
    _, alive = psutil.wait_procs(family, timeout=3)
    left = [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]
    assert not left, f"left behind: {[p.name() for p in left]}"
    assert json.loads((runs / "torn" / "summary.json").read_text())["status"] == "stopped"
    done = selfplay(runs.parent, command(repository, "torn", "--resume"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "resumed from version" in done.stdout
    return runs / "torn"


def test_run_folder_is_whole(runs: Path) -> None:
    run = runs / "whole"
    for name in ("config.yaml", "manifest.json", "metrics.jsonl", "summary.json", "report.html"):
        assert (run / name).stat().st_size > 0
    [decision] = [json.loads(x) for x in (run / "promotions.jsonl").read_text().splitlines()]
    assert decision["evaluation"] == "final" and decision["against"] == "base"
    champion = (run / "champion").read_text().strip()
    assert champion == (f"v{STEPS:06d}" if decision["promoted"] else "v000000")
    assert decision["action"] == ("promoted" if decision["promoted"] else "kept")
    checkpoint = run / "checkpoints" / f"v{STEPS:06d}"
    assert (checkpoint / "model.safetensors").exists()
    assert (checkpoint / "optimizer.pt").exists()
    assert list((run / "tb").glob("events.*"))
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in metrics] == list(range(1, STEPS + 1))
    for row in metrics:
        assert set(row["seconds"]) == {"sample", "score", "learn", "wait", "publish", "total"}
        assert row["staleness"] == 0


def test_some_games_have_an_opponent_and_the_policy_one_colour(runs: Path) -> None:
    """Anchors and every earlier version are drawn; what they draw is part of what resumes."""
    met = set()
    for path in sorted((runs / "whole" / "games").glob("*.pgn")):
        text = path.read_text(encoding="utf-8")
        for game in text.split("[Event ")[1:]:
            if theirs := re.search(r'\[Opponent "(White|Black)"\]', game):
                name = re.search(rf'\[{theirs[1]} "([^"]+)"\]', game)
                assert name is not None
                met.add(name[1])
    assert met and met <= {"random", "softmax:0.5", "rule:best_exchange", "whole@base"} | {
        f"whole@v{version:06d}" for version in range(1, STEPS)
    }
    metrics = [
        json.loads(line) for line in (runs / "whole" / "metrics.jsonl").read_text().splitlines()
    ]
    assert all(row["opponent_games"] >= 0 and row["champion"] == 0 for row in metrics)


def test_grpo_on_samples_with_staleness_killed_and_resumed(repository: Path, runs: Path) -> None:
    """Drawn answers, sampled while the learner works; what was ahead at a kill is asked again."""
    rng = random.Random(3)
    boards = [random_opening(rng, (10, 14)) for _ in range(2 * STEPS)]
    (runs.parent / "eight.epd").write_text("".join(f"{board.epd()}\n" for board in boards))
    plain = ("sampler.explore=none", "learner.advantage=grpo", "group_size=4", "max_staleness=1")
    file = ("league.opponents=none", "chess.sources={epd: 1}", "chess.epd=eight.epd")
    given = command(repository, "grpo", *plain, *file, "checkpoint.every=1")
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        given, cwd=runs.parent, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        seen = list(
            itertools.takewhile(lambda line: f"step 2/{STEPS} " not in line, process.stdout)
        )
        assert process.poll() is None, "".join(seen)
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    _, alive = psutil.wait_procs(family, timeout=KILLED_SECONDS)
    left = [p.name() for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert not left, f"left behind: {left}"
    done = selfplay(runs.parent, [*given, "--resume"])
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = [
        json.loads(line) for line in (runs / "grpo" / "metrics.jsonl").read_text().splitlines()
    ]
    assert [row["step"] for row in metrics] == list(range(1, STEPS + 1))
    assert [row["staleness"] for row in metrics].count(1) >= 2 and metrics[0]["staleness"] == 0
    # float32 on both sides: in the same version sampler and learner agree on the probabilities.
    assert metrics[0]["mismatch_max"] < 1e-3
    asked = {(row["step"], row["task_id"]) for row in rollouts(runs / "grpo")}
    assert len(asked) == len({task for _, task in asked}) == 2 * STEPS


def test_summary_has_the_stable_format(runs: Path) -> None:
    summary = json.loads((runs / "whole" / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["steps"] == STEPS
    assert summary["rollouts"] == len(rollouts(runs / "whole"))
    assert summary["wall_seconds"] > 0
    assert summary["peak_memory_bytes"] > 100e6
    for suite in ("chess/games", "chess/heldout"):
        numbers = summary["suites"][suite]
        assert set(numbers) == {"base", "prompts", "final", "random_mover", "rules", "paired"}
        assert numbers["final"]["legal_rate"]["n"] == 12
        assert set(numbers["paired"]) == {"legal_rate", "regret_vs_random", "vs_rules"}
        assert set(numbers["rules"]) == set(numbers["paired"]["vs_rules"]) == set(RULES)
        assert [(f["style"], f["shots"]) for f in numbers["prompts"]] == [
            ("fen", 0),
            ("fen", 2),
        ]
        assert all(form["legal_rate"]["n"] == 3 for form in numbers["prompts"])


def test_training_changes_the_weights(runs: Path) -> None:
    from safetensors.torch import load_file

    folder = runs / "whole" / "checkpoints"
    before = load_file(folder / "v000002" / "model.safetensors")
    after = load_file(folder / "v000004" / "model.safetensors")
    assert any((before[name] != after[name]).any() for name in before)


def test_interrupted_and_resumed_run_equals_the_whole_one(runs: Path, resumed: Path) -> None:
    whole, torn = rollouts(runs / "whole"), rollouts(resumed)
    assert [{k: row[k] for k in SAME} for row in torn] == [
        {k: row[k] for k in SAME} for row in whole
    ]
    final = [
        json.loads((run / "evals" / "final.json").read_text())["suites"]
        for run in (runs / "whole", resumed)
    ]
    assert final[0] == final[1]


def test_eval_prints_the_numbers_of_the_summary(runs: Path, resumed: Path, tmp_path: Path) -> None:
    summary = json.loads((resumed / "summary.json").read_text())
    out = tmp_path / "eval.json"
    arguments = [sys.executable, "-m", "selfplay", "eval", "torn", "--json", str(out)]
    done = selfplay(runs.parent, arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    measured = json.loads(out.read_text())["suites"]
    for suite, numbers in summary["suites"].items():
        assert measured[suite]["policy"] == numbers["final"]


def test_test_sets_are_opened_on_record_with_the_base_model_beside(
    runs: Path, resumed: Path, tmp_path: Path
) -> None:
    """Paired with the base model on the same positions, in the report, and verify still agrees."""
    out = tmp_path / "test.json"
    arguments = [sys.executable, "-m", "selfplay", "eval", "torn", "--test", "eval.positions=3"]
    few = ["--suite", "chess/endings", "--json", str(out)]
    done = selfplay(runs.parent, [*arguments, *few])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "opened 0 times before" in done.stdout
    [row] = [json.loads(line) for line in (runs / "test_openings.jsonl").read_text().splitlines()]
    assert (row["target"], row["version"], row["suites"]) == ("torn", STEPS, ["chess/endings"])
    kept = json.loads((resumed / "test" / "opening_000001.json").read_text())
    assert kept == json.loads(out.read_text())
    numbers = kept["compared"]["chess/endings"]
    assert set(numbers) == {"base", "prompts", "final", "random_mover", "rules", "paired"}
    assert kept["base"]["version"] == 0 and kept["version"] == STEPS
    assert "Test sets" in (resumed / "report.html").read_text()
    verify = [sys.executable, "-m", "selfplay", "verify", "torn"]
    verified = selfplay(runs.parent, verify)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    path = resumed / "test" / "opening_000001.json"
    kept["compared"]["chess/endings"]["final"]["regret"]["value"] = 0.001
    path.write_text(json.dumps(kept))
    verified = selfplay(runs.parent, verify)
    assert verified.returncode == 1 and f"test/{path.name}: compared" in verified.stdout


def test_held_out_positions_never_train(runs: Path) -> None:
    from envs import Task
    from envs.chess.position import task_key
    from envs.chess.suites import heldout_keys

    held_out = heldout_keys()
    rows = rollouts(runs / "whole")
    assert rows
    for row in rows:
        task = Task(row["task_id"], row["domain"], json.loads(row["payload"]))
        assert task_key(task) not in held_out


def test_taken_name_is_refused_in_one_line(repository: Path, runs: Path) -> None:
    done = selfplay(runs.parent, command(repository, "whole"))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "whole" in done.stderr
