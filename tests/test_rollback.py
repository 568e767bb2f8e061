"""A run that is sabotaged after a promotion is not promoted and goes back to its champion.

Real parts throughout. What is made certain is how strong the versions are: a tiny random model says
nothing legal, one that was taught on random games does, and noise makes it random again. The test
puts such weights into the run's newest checkpoint while the run is stopped.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from selfplay.ratings.pgn import read_games
from selfplay.rundir.folder import RunDir
from selfplay.verify import verify_run
from tests.patience import RUN_S, patient

pytestmark = [pytest.mark.timeout(patient(2 * RUN_S)), pytest.mark.usefixtures("stockfish")]
OVERRIDES = (
    "chess.style=pgn",
    "eval.every=2",
    "eval.positions=48",
    "eval.every_positions=48",
    "eval.suites=[chess/heldout]",
    "learner.lr=1e-9",
    "learner.advantage=grpo",
    "max_staleness=1",
    "learner.dtype=float32",
    "sampler.dtype=float32",
    "match.tries=6",
    "match.max_plies=24",
    "match.limit_win=null",
    "match.opening_max_win_gap=0.5",
    "match.opening_plies=[1, 4]",
    "promotion.match=true",
    "promotion.elo1=400",
    "promotion.alpha=0.01",
    "promotion.max_pairs=40",
    "promotion.on_worse=rollback",
    "checkpoint.every=1",
    "checkpoint.keep=1",
)


class Sabotaged:
    """The run `r` in a folder of its own, a few steps at a time."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self._config = str(repository / "configs" / "smoke.yaml")
        self._folder = folder
        self.path = folder / "runs" / "r"

    def go_on(self, *overrides: str) -> str:
        resume = ["--resume"] if self.path.exists() else []
        command = [sys.executable, "-m", "selfplay", "run", self._config, *overrides]
        done = subprocess.run(
            [*command, "--name", "r", *resume],
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=patient(RUN_S),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def checkpoint(self, version: int) -> Path:
        return self.path / "checkpoints" / f"v{version:06d}"

    def weights(self, version: int) -> dict[str, torch.Tensor]:
        return load_file(self.checkpoint(version) / "model.safetensors")

    def replace(self, version: int, weights: dict[str, torch.Tensor]) -> None:
        target = self.checkpoint(version) / "model.safetensors"
        save_file(weights, target.with_suffix(".new"), metadata={"format": "pt"})
        target.with_suffix(".new").replace(target)

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.path / name).read_text().splitlines()]

    def champion(self) -> str:
        return (self.path / "champion").read_text().strip()


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.fixture(scope="module")
def run(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, taught_model: Path
) -> Sabotaged:
    """Base model, two steps, teaching, promotion, two steps, noise, rollback, one step more."""
    made = Sabotaged(repository, tmp_path_factory.mktemp("work"))
    made.go_on("steps=2", *OVERRIDES)
    assert made.champion() == "v000000"
    made.replace(2, load_file(taught_model / "model.safetensors"))
    made.go_on("steps=4")
    assert made.champion() == "v000002"
    torch.manual_seed(0)
    noised = {name: torch.randn_like(value) for name, value in made.weights(4).items()}
    made.replace(4, noised)
    assert "going back to version 2" in made.go_on("steps=6")
    return made


def test_the_decisions_and_their_evidence(run: Sabotaged) -> None:
    rows = run.lines("promotions.jsonl")
    assert [(r["evaluation"], r["version"], r["champion"], r["action"]) for r in rows] == [
        ("final", 2, 0, "kept"),
        ("step_000002", 2, 0, "promoted"),
        ("final", 4, 2, "kept"),
        ("step_000004", 4, 2, "rolled back"),
        ("final", 6, 2, "kept"),
    ]
    assert rows[1]["games"]["change"] == "better" and rows[3]["games"]["change"] == "worse"
    assert "games" in rows[3]["reason"] and rows[3]["step"] == 5
    assert rows[3]["games"]["elo"]["high"] < 0
    assert run.champion() == "v000002"


def test_weights_and_moments_are_the_champion_s(run: Sabotaged) -> None:
    assert distance(run.weights(5), run.weights(2)) == 0.0
    assert distance(run.weights(6), run.weights(2)) < 1e-6
    # Steps 1 and 2 were the champion's, 6 the third of its moments: 3 to 5 left no trace.
    state = torch.load(run.checkpoint(6) / "optimizer.pt", weights_only=True)["state"]
    assert {float(entry["step"]) for entry in state.values()} == {3.0}


def test_the_champion_s_optimiser_was_kept_for_it(run: Sabotaged) -> None:
    """`checkpoint.keep=1` would have removed it."""
    assert (run.checkpoint(2) / "optimizer.pt").exists()
    assert not (run.checkpoint(4) / "optimizer.pt").exists()


def test_the_run_is_whole(run: Sabotaged) -> None:
    metrics = run.lines("metrics.jsonl")
    assert [row["step"] for row in metrics] == [row["version"] for row in metrics] == [*range(1, 7)]
    assert [row.get("rolled_back_to") for row in metrics] == [None] * 4 + [2, None]
    assert [row["champion"] for row in metrics] == [0, 0, 2, 2, 2, 2]
    # Every start has a first batch of the version that trains; the second was sampled beside it.
    assert [row.get("staleness") for row in metrics] == [0, 1, 0, 1, None, 0]
    # float32 on both sides: in the same version sampler and learner agree on the probabilities.
    assert max(row["mismatch_max"] for row in metrics if row.get("staleness") == 0) < 1e-3
    steps = sorted(path.stem for path in (run.path / "rollouts").glob("step_*.parquet"))
    assert steps == [f"step_{step:06d}" for step in (1, 2, 3, 4, 6)]
    summary = json.loads((run.path / "summary.json").read_text())
    assert summary["status"] == "finished" and summary["steps"] == 6
    page = (run.path / "report.html").read_text()
    assert "rolled back" in page and "worse in" in page
    assert not list(run.path.rglob(".*.tmp"))


def test_the_policy_behind_the_rollback_answers_as_the_champion(run: Sabotaged) -> None:
    def answers(name: str) -> list[str]:
        suites = json.loads((run.path / "evals" / name).read_text())["suites"]
        return [row["completion"] for row in suites["chess/heldout"]["rows"]]

    assert answers("final.json") == answers("step_000002.json")
    assert answers("step_000004.json") != answers("step_000002.json")


def test_games_are_stored_under_the_versions_names_and_old_ones_set_aside(run: Sabotaged) -> None:
    names = {path.name for path in (run.path / "matches").glob("v*.pgn")}
    assert names == {
        "v000002-v000000.pgn",
        "v000004-v000002.pgn",
        "v000006-v000002.pgn",
    }
    # Version 2 met the base model before and behind its teaching, version 4 the champion before
    # and behind the noise.
    aside = {path.name for path in (run.path / "matches" / "discarded").glob("v*.pgn")}
    assert aside == {"v000002-v000000.pgn", "v000004-v000002.pgn"}
    games = read_games([run.path / "matches" / "v000004-v000002.pgn"]).games
    assert {game.white for game in games} == {"r@v000004", "r@v000002"}


def test_it_can_be_verified_and_the_sabotage_is_found(run: Sabotaged) -> None:
    """Rollback and games included: nothing differs but the weights that the test put there."""
    findings = verify_run(RunDir.open(run.path), sample=20)
    files = {difference.file for difference in findings.differences}
    lines = [difference.line() for difference in findings.differences]
    assert files == {f"checkpoints/v{v:06d}/model.safetensors" for v in (2, 4)}, lines


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("promotions.jsonl", '"change": "worse"', '"change": "even"'),
        ("promotions.jsonl", '"action": "rolled back"', '"action": "promoted"'),
        ("matches/v000004-v000002.pgn", '[Result "1-0"]', '[Result "0-1"]'),
    ],
)
def test_an_edited_decision_is_found(
    run: Sabotaged, tmp_path: Path, file: str, old: str, new: str
) -> None:
    copy = Path(shutil.copytree(run.path, tmp_path / "r"))
    text = (copy / file).read_text()
    assert old in text
    (copy / file).write_text(text.replace(old, new))
    findings = verify_run(RunDir.open(copy), sample=0)
    assert file in {difference.file for difference in findings.differences}
