"""The run folder: nothing torn, nothing lost, nothing overwritten, one owner."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import chess
import chess.pgn
import pytest

from envs.errors import InputError
from selfplay.config.run import RunConfig
from selfplay.records import FinishedGame
from selfplay.rundir.folder import RunDir
from selfplay.rundir.writes import plain, write_atomic, write_text
from tests.patience import patient
from tests.selfplay.made_up import evaluation, filled_run, group, metrics_row, row


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir.create(RunConfig(name="one", runs_dir=tmp_path))


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "old", overwrite=False)

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        write_atomic(path, fail, overwrite=True)
    with pytest.raises(FileExistsError):
        write_text(path, "new", overwrite=False)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_plain_makes_strict_json() -> None:
    import numpy as np

    value = {"a": float("nan"), "b": [np.float32(0.5), float("inf")], "c": np.int64(3), "d": True}
    assert plain(value) == {"a": None, "b": [0.5, None], "c": 3, "d": True}
    with pytest.raises(TypeError, match="no JSON form"):
        plain({"x": object()})


def test_a_name_that_exists_is_refused_with_both_mends(tmp_path: Path, run: RunDir) -> None:
    with pytest.raises(InputError, match=r"one: this run exists.*--name OTHER.*--resume"):
        RunDir.create(RunConfig(name="one", runs_dir=tmp_path))


@pytest.mark.parametrize("name", ["", "..", "a/b", "../x", ".hidden", "a\nb", "-x"])
def test_a_name_that_is_no_folder_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder name"):
        RunDir.create(RunConfig(name=name, runs_dir=tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def test_an_unwritable_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written: .*runs_dir=FOLDER"):
        RunDir.create(RunConfig(name="one", runs_dir=tmp_path / "file"))


def test_open_finds_by_path_and_by_name(tmp_path: Path, run: RunDir) -> None:
    assert RunDir.open("one", tmp_path).path == run.path
    assert RunDir.open(run.path).config() == RunConfig(name="one", runs_dir=tmp_path)
    with pytest.raises(InputError, match=r"two: no such run; .* has: one$"):
        RunDir.open("two", tmp_path)


def test_a_second_process_is_refused_and_told_the_pid(tmp_path: Path, run: RunDir) -> None:
    program = (
        "import sys\nfrom selfplay.rundir.folder import RunDir\n"
        "run = RunDir.open(sys.argv[1])\n"
        "try:\n    run.lock()\nexcept ValueError as error:\n    print(error)\n"
        "else:\n    print('locked')\n"
    )
    command = [sys.executable, "-c", program, str(run.path)]
    other = subprocess.run(command, capture_output=True, text=True, timeout=patient(20), check=True)
    assert f"process {os.getpid()} is running this run" in other.stdout
    run.close()
    other = subprocess.run(command, capture_output=True, text=True, timeout=patient(20), check=True)
    assert other.stdout == "locked\n"


def test_rollouts_round_trip(run: RunDir) -> None:
    text = "\ud800 e4\x00\x1b[31m\u202e"
    written = [group(text), group(" d4", trained=False)]
    run.write_rollouts(12, written)
    rows = run.rollouts.read(12)
    assert run.rollouts.files() == {12: run.path / "rollouts" / "step_000012.parquet"}
    assert run.rollouts.count() == len(rows) == 4
    assert [r["trained"] for r in rows] == [True, True, False, False]
    first, second = rows[0], rows[1]
    assert first["text"] == text.replace("\ud800", "?")
    assert first["payload"] == written[0].task.payload and first["run"] == "one"
    assert (second["value"], second["advantage"], second["seed"]) == (0.5, 0.25, 2**63 - 1)
    assert first["evidence"] == {"cp": None, "fen": "x"} and first["logprobs"] == [-0.25]
    with pytest.raises(FileExistsError):
        run.write_rollouts(12, written)


def test_a_torn_metrics_line_is_left_out_and_cut(run: RunDir) -> None:
    run.append_metrics(metrics_row(1, loss=float("nan")))
    with run.metrics.path.open("a") as file:
        file.write('{"step": 2, "rew')
    assert [r["step"] for r in run.read_metrics()] == [1]
    assert run.read_metrics()[0]["loss"] is None
    run.append_metrics(metrics_row(2))
    assert [r["step"] for r in run.read_metrics()] == [1, 2]


def test_a_damaged_middle_line_is_an_error_with_its_number(run: RunDir) -> None:
    run.metrics.path.write_text('{"step": 1}\ngarbage\n{"step": 3}\n')
    with pytest.raises(ValueError, match=r"metrics.jsonl:2: not JSON"):
        run.read_metrics()


def test_a_resume_sets_later_steps_aside_twice_without_loss(run: RunDir) -> None:
    game = FinishedGame(str(chess.pgn.Game()), {})
    for _ in range(2):
        for step in (1, 2, 3):
            if step not in run.rollouts.files():
                run.append_metrics(metrics_row(step))
                run.write_rollouts(step, [group()])
                run.append_games([game], step)
                run.write_eval(
                    f"step_{step:06d}", evaluation("x", step, [row(0, legal=True, regret=0.1)])
                )
        run.write_eval("final", evaluation("final", 3, [row(0, legal=True, regret=0.1)]))
        run.versions.folder(3).mkdir(parents=True)
        moved = run.set_aside_after(1)
        assert "2 metric rows" in moved and "evals/final.json" in moved
        assert "checkpoints/v000003 (incomplete)" in moved
    assert [r["step"] for r in run.read_metrics()] == [1]
    assert list(run.rollouts.files()) == [1] and list(run.read_evals()) == ["step_000001"]
    aside = run.path / "metrics.discarded.jsonl"
    assert [json.loads(line)["step"] for line in aside.read_text().splitlines()] == [2, 3, 2, 3]
    names = sorted(p.name for p in (run.path / "rollouts" / "discarded").iterdir())
    assert names == [
        "step_000002.1.parquet",
        "step_000002.parquet",
        "step_000003.1.parquet",
        "step_000003.parquet",
    ]


def test_only_complete_checkpoints_count(run: RunDir) -> None:
    assert run.versions.latest() is None and run.versions.champion() is None
    for version in (0, 9, 10):
        run.versions.folder(version).mkdir(parents=True)
    run.versions.complete(0, {})
    run.versions.complete(9, {"step": 9})
    run.versions.set_champion(9)
    assert list(run.versions.checkpoints()) == [0, 9]
    assert run.versions.latest() == run.path / "checkpoints" / "v000009"
    assert run.versions.champion() == 9


def decided(run: RunDir, step: int, version: int, *, promoted: bool) -> None:
    row = {"step": step, "version": version, "evaluation": f"step_{version:06d}"}
    run.append_promotion(row | {"promoted": promoted}, 0.0)


def test_a_resume_takes_back_the_champion_and_the_matches_of_later_versions(run: RunDir) -> None:
    run.versions.set_champion(0)
    for version in (4, 8):
        decided(run, version, version, promoted=True)
        run.versions.set_champion(version)
        path = run.versions.match_file(version, version - 4)
        write_text(path, "x", overwrite=False)
    moved = run.set_aside_after(6)
    assert "1 promotions" in moved and "matches/v000008-v000004.pgn" in moved
    assert run.versions.champion() == 4
    assert [path.name for path in run.versions.match_files()] == ["v000004-v000000.pgn"]
    run.set_aside_after(2)
    assert run.versions.champion() == 0 and run.versions.match_files() == []
    aside = sorted(path.name for path in (run.path / "matches" / "discarded").iterdir())
    assert aside == ["v000004-v000000.pgn", "v000008-v000004.pgn"]


def test_a_decision_outlives_a_crash_before_the_champion_s_file(run: RunDir) -> None:
    run.versions.set_champion(0)
    decided(run, 4, 4, promoted=True)
    run.set_aside_after(4)
    assert run.versions.champion() == 4


def test_a_rollback_that_was_not_done_is_decided_again(run: RunDir) -> None:
    """Its row carries the step after it, which a run resumed at the evaluation has not had."""
    decided(run, 9, 8, promoted=False)
    run.set_aside_after(9)
    assert len(run.promotions.read()) == 1
    run.set_aside_after(8)
    assert run.promotions.read() == []


def test_the_champion_s_evaluation_is_found_by_its_version(run: RunDir) -> None:
    assert run.champion_eval() is None
    run.write_eval("base", {"name": "base", "version": 0, "positions": 9, "suites": {}})
    assert (run.champion_eval() or {})["name"] == "base"
    run.write_eval("step_000004", {"name": "step_000004", "version": 4, "positions": 2})
    run.write_eval("final", {"name": "final", "version": 4, "positions": 9})
    run.versions.set_champion(4)
    assert (run.champion_eval() or {})["name"] == "final"


def test_a_final_evaluation_stays_with_its_version_when_the_run_goes_on(run: RunDir) -> None:
    run.write_eval("final", {"name": "final", "version": 4, "positions": 9})
    run.versions.set_champion(0)
    decided(run, 4, 4, promoted=True)
    assert run.set_aside_after(4) == []
    assert list(run.read_evals()) == ["step_000004"] and run.champion_eval() is not None


def test_frozen_versions_are_champions_every_kth_and_the_base_model(run: RunDir) -> None:
    assert run.versions.frozen(5) == [0]
    for version in (3, 4, 5, 8, 10):
        run.versions.folder(version).mkdir(parents=True)
        if version != 10:
            run.versions.complete(version, {})
    decided(run, 3, 3, promoted=True)
    decided(run, 8, 8, promoted=False)
    assert run.versions.frozen(5) == [0, 3, 5] and run.versions.frozen(0) == [0, 3]
    assert run.versions.model_of(0, "base-model") == "base-model"
    assert run.versions.model_of(5, "base-model") == str(run.versions.folder(5))


def test_rollouts_of_a_dropped_policy_are_set_aside(run: RunDir) -> None:
    for step in (1, 2, 3):
        run.write_rollouts(step, [group()])
    run.set_aside_rollouts([2, 3, 4])
    assert list(run.rollouts.files()) == [1]
    assert len(list((run.path / "rollouts" / "discarded").iterdir())) == 2
    run.write_rollouts(3, [group()])


def test_an_evaluation_done_again_keeps_the_old_one(run: RunDir) -> None:
    run.write_eval("base", {"version": 0, "seconds": 1, "suites": {}})
    run.write_eval("base", {"version": 0, "seconds": 2, "suites": {}})
    assert {name: e["seconds"] for name, e in run.read_evals().items()} == {"base": 2}
    assert json.loads((run.path / "evals" / "base.1.json").read_text())["seconds"] == 1


def test_the_manifest_keeps_every_start(run: RunDir) -> None:
    run.write_manifest({"name": "fish"}, {"run": 7})
    run.write_manifest({"name": "fish"}, {"run": 7}, resumed_from=4)
    manifest = run.manifest()
    assert manifest is not None
    assert [start["resumed_from"] for start in manifest["starts"]] == [None, 4]
    assert manifest["seeds"] == {"run": 7} and manifest["engine"] == {"name": "fish"}
    assert manifest["packages"]["chess"] and manifest["cpu"]["cores"] >= 1
    assert manifest["memory_bytes"] > 2**28


def test_a_run_that_never_began_goes_and_a_used_one_stays(tmp_path: Path, run: RunDir) -> None:
    assert run.remove_unused() and not run.path.exists()
    used = filled_run(tmp_path)
    assert not used.remove_unused() and used.path.exists()


def test_a_changed_config_keeps_the_old_one(run: RunDir) -> None:
    run.replace_config(run.config().model_copy(update={"steps": 7}))
    assert run.config().steps == 7
    assert f"steps: {RunConfig().steps}" in (run.path / "config.1.yaml").read_text()


def test_tensorboard_events_hold_the_numbers(run: RunDir) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from selfplay.display.tensorboard import TensorBoardLog

    log = TensorBoardLog(run.path / "tb")
    log.add(metrics_row(1))
    log.add(metrics_row(2))
    log.add_eval(evaluation("base", 0, [row(0, legal=True, regret=0.5)]))
    log.close()
    events = EventAccumulator(str(run.path / "tb"))
    events.Reload()
    assert [e.step for e in events.Scalars("reward_mean")] == [1, 2]
    assert events.Scalars("seconds/learn")[0].value == 2.0
    assert events.Scalars("eval/chess/games/regret")[0].value == 0.5
    assert "regret_mean" not in events.Tags()["scalars"]


def test_a_folder_of_before_keeps_what_its_missing_keys_meant(tmp_path: Path) -> None:
    run = RunDir.create(RunConfig(runs_dir=tmp_path, name="old"))
    run.close()
    assert run.config().reward.beyond == "ordered"  # what is written is kept
    path = run.path / "config.yaml"
    newer = ("beyond:", "flat_groups:", "explore_draws:")
    lines = [line for line in path.read_text().splitlines() if not line.strip().startswith(newer)]
    path.write_text("\n".join(lines) + "\n")
    config = run.config()
    assert (config.reward.beyond, config.learner.flat_groups) == ("tied", "drop")
    assert config.sampler.explore_draws == "uniform"
