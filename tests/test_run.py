"""The miniature of the real run, as a user starts it: real engine, real Ray, TRL's real trainer.

One run goes through; a second one with the same seed is interrupted by Ctrl-C, resumed, killed and
resumed again. Both must have sampled the very same rollouts, so the seed repeats and resuming loses
nothing.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from envs.chess.rules import RULES
from selfplay.cluster.guard import GRACE_S
from selfplay.rundir.folder import RunDir
from selfplay.verify import verify_run
from tests.miniature import STEPS, command, selfplay
from tests.patience import RUN_S, patient

SAME = ("task_id", "seed", "index", "prompt_ids", "completion_ids", "text", "verdict", "value")

pytestmark = [pytest.mark.timeout(patient(RUN_S)), pytest.mark.usefixtures("stockfish")]


def rollouts(run: Path) -> list[dict[str, Any]]:
    files = sorted((run / "rollouts").glob("step_*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


@pytest.fixture(scope="module")
def runs(miniature_runs: Path) -> Path:
    """A folder with the finished run `whole`."""
    return miniature_runs


@contextmanager
def started(arguments: list[str], folder: Path, until: str) -> Iterator[subprocess.Popen[str]]:
    """Run as a user does, in a session of its own, and go on at the line that begins so."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(
        arguments, cwd=folder, start_new_session=True, env=environment, **pipes
    ) as process:
        try:
            assert process.stdout is not None
            seen = list(itertools.takewhile(lambda x: not x.startswith(until), process.stdout))
            assert process.poll() is None, "".join(seen)
            yield process
        finally:
            process.kill()


def family_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    family = psutil.Process(process.pid).children(recursive=True)
    assert any("stockfish" in child.name() for child in family)
    return family


def assert_gone(family: list[psutil.Process], seconds: float) -> None:
    _, alive = psutil.wait_procs(family, timeout=patient(seconds))
    left = [p.name() for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert not left, f"still there: {left}"


@dataclass(frozen=True)
class Torn:
    """The run `torn`, and the processes of the part that was killed."""

    path: Path
    orphans: list[psutil.Process]


@pytest.fixture(scope="module")
def torn(repository: Path, runs: Path) -> Torn:
    """Ctrl-C in the second step, resumed, killed in the last step, and resumed to its end."""
    folder, given = runs.parent, command(repository, "torn")
    with started(given, folder, f"step 2/{STEPS}") as process:
        family = family_of(process)
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=patient(20))
    assert process.returncode == 130, out
    assert_gone(family, seconds=3)
    assert json.loads((runs / "torn" / "summary.json").read_text())["status"] == "stopped"
    with started([*given, "--resume"], folder, f"step {STEPS}/{STEPS}") as process:
        orphans = family_of(process)
        process.kill()
    done = selfplay(folder, [*given, "--resume"])
    assert done.returncode == 0, done.stdout + done.stderr
    # For the league every version is frozen, so nothing but the step that was killed is repeated.
    assert f"resumed from version {STEPS - 1}" in done.stdout
    return Torn(runs / "torn", orphans)


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


def test_interrupted_killed_and_resumed_run_equals_the_whole_one(runs: Path, torn: Torn) -> None:
    whole, again = rollouts(runs / "whole"), rollouts(torn.path)
    assert [{k: row[k] for k in SAME} for row in again] == [
        {k: row[k] for k in SAME} for row in whole
    ]
    final = [
        json.loads((run / "evals" / "final.json").read_text())["suites"]
        for run in (runs / "whole", torn.path)
    ]
    assert final[0] == final[1]


def test_a_killed_run_leaves_no_process(torn: Torn) -> None:
    assert_gone(torn.orphans, seconds=GRACE_S)


def test_test_sets_are_opened_on_record_with_the_base_model_beside(
    runs: Path, torn: Torn, tmp_path: Path
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
    kept = json.loads((torn.path / "test" / "opening_000001.json").read_text())
    assert kept == json.loads(out.read_text())
    numbers = kept["compared"]["chess/endings"]
    assert set(numbers) == {"base", "prompts", "final", "random_mover", "rules", "paired"}
    assert kept["base"]["version"] == 0 and kept["version"] == STEPS
    assert "Test sets" in (torn.path / "report.html").read_text()
    assert verify_run(RunDir.open(torn.path), sample=20).verdict == "agrees"
    path = torn.path / "test" / "opening_000001.json"
    kept["compared"]["chess/endings"]["final"]["regret"]["value"] = 0.001
    path.write_text(json.dumps(kept))
    differences = verify_run(RunDir.open(torn.path), sample=0).differences
    assert [one for one in differences if one.line().startswith(f"test/{path.name}: compared")]


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
