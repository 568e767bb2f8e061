"""A real run passes; the same run with one thing edited is refused by a line that names it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfplay.cli.commands import app
from selfplay.report.page import render
from selfplay.rundir.checksums import CHECKSUMS
from selfplay.rundir.folder import RunDir
from selfplay.verify import verify_run
from tests.patience import RUN_S, patient
from tests.verify.tampering import CASES, STEP1, Case, in_rows, lines, put

pytestmark = pytest.mark.timeout(patient(RUN_S))


@pytest.fixture
def copy(miniature_runs: Path, tmp_path: Path) -> Path:
    """A copy of the finished miniature, to be edited."""
    return Path(shutil.copytree(miniature_runs / "whole", tmp_path / "whole"))


def test_a_real_run_agrees_and_is_left_as_it_was(miniature_runs: Path) -> None:
    run = miniature_runs / "whole"
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    findings = verify_run(RunDir.open(run), sample=None)
    assert lines(findings) == [] and findings.unchecked == []
    assert findings.verdict == "agrees"
    checked = findings.checked
    assert checked["rollouts"] == checked["rollouts decoded"] == checked["rollouts scored again"]
    assert checked["steps"] == 4 and checked["evaluation answers scored again"] == 48 + 12
    assert checked["self-play games"] > 0 and checked["checkpoints"] == 4
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_it_depends_on_nothing_but_what_is_in_the_folder(
    miniature_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renamed, moved, read-only, through a link, by a relative path, in another zone and locale."""
    moved = Path(shutil.copytree(miniature_runs / "whole", tmp_path / "a b" / "renamed.2"))
    (moved / "lock").unlink()
    for path in [*moved.rglob("*"), moved]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    (tmp_path / "link").symlink_to(moved)
    monkeypatch.chdir(tmp_path)
    environment = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONUTF8": "0", "COLUMNS": "20"}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "selfplay", "verify", "link", "--sample", "3"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=patient(60), env=os.environ | environment
    )
    for path in [moved, *moved.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)  # so that pytest can remove it
    assert done.returncode == 0, done.stdout + done.stderr
    assert "link: everything agrees" in done.stdout
    # `selfplay report` writes the same page again, whatever the folder is called.
    page = (moved / "report.html").read_bytes()
    assert render(RunDir.open("link")).encode() == page


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_edit_is_found_and_named(copy: Path, case: Case) -> None:
    """Without the hashes of the run's end: recomputing finds it (weights have their own)."""
    (copy / CHECKSUMS).unlink()
    case.edit(copy)
    findings = verify_run(RunDir.open(copy), sample=None if case.scorers else 0)
    assert findings.verdict == "differs"
    file, _, part = case.named.partition(": ")
    printed = lines(findings)
    assert [line for line in printed if line.startswith(file) and part in line], printed


def test_the_hashes_find_what_nothing_recomputes(copy: Path) -> None:
    manifest = copy / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"cores": ', '"cores": 1'))
    (copy / "evals" / "final.1.json").write_text("{}")
    findings = verify_run(RunDir.open(copy), sample=0)
    assert [line for line in lines(findings) if line.startswith("manifest.json: sha256")]
    assert [
        line for line in lines(findings) if line.startswith("evals/final.1.json: stored a file")
    ]


def test_an_edited_report_is_found_where_the_code_is_the_same(copy: Path) -> None:
    made = json.loads((copy / "manifest.json").read_text())["starts"][-1]["git"]
    if made is None or made["dirty"]:
        pytest.skip("no clean git checkout: whether the code is the same is unknown")
    report = copy / "report.html"
    report.write_text(report.read_text().replace("chess/games", "chess/gains"))
    findings = verify_run(RunDir.open(copy), sample=0)
    assert [line for line in lines(findings) if line.startswith("report.html: stored another page")]


def test_a_run_that_has_not_ended_is_checked_as_far_as_it_goes(copy: Path) -> None:
    for name in ("summary.json", CHECKSUMS, "report.html"):
        (copy / name).unlink()
    findings = verify_run(RunDir.open(copy), sample=0)
    assert lines(findings) == [] and findings.verdict == "incomplete"
    assert any("summary.json is missing" in text for text in findings.unchecked)
    folder = RunDir.open(copy)
    folder.lock()
    assert any("the run goes on" in text for text in verify_run(folder, sample=0).unchecked)
    folder.close()


def test_steps_before_a_resume_under_other_settings_are_left_out(copy: Path) -> None:
    folder = RunDir.open(copy)
    config = folder.config()
    reward = config.reward.model_copy(update={"floor": 0.3})
    folder.replace_config(config.model_copy(update={"reward": reward}))
    folder.write_manifest({"sha256": "0" * 64}, {"run": 0}, resumed_from=4)
    (copy / CHECKSUMS).unlink()
    (copy / "report.html").unlink()  # it shows the configuration
    findings = verify_run(folder, sample=0)
    assert lines(findings) == []
    assert any("another reward.floor" in text for text in findings.unchecked)


def test_content_of_another_kind_is_named_and_crashes_nothing(copy: Path) -> None:
    broken = {
        "manifest.json": '{"engine": {}, "starts": 3}',
        "metrics.jsonl": "[]\n5\n",
        "promotions.jsonl": '{"evaluation": [], "promoted": 1}\n',
        "summary.json": '{"status": "finished", "steps": [], "wall_seconds": "long"}',
        "evals/base.json": '{"step": 0, "suites": {"chess/games": 3}}',
        "evals/final.json": '{"step": "x", "suites": {"chess/games": {"rows": [7]}}}',
        "evals/step_000002.json": "[" * 100_000,
        "checkpoints/v000002/complete.json": "[]",
        "checkpoints/v000004/source.json": '{"sources": 5}',
        "rollouts/step_00000x.parquet": "PAR1",
        CHECKSUMS: "nonsense\n",
    }
    for name, text in broken.items():
        (copy / name).write_text(text)
    printed = lines(verify_run(RunDir.open(copy), sample=0))
    named = {name: [line for line in printed if line.startswith(name)] for name in broken}
    named["rollouts/step_00000x.parquet"] = [
        line for line in printed if line.startswith("rollouts:")
    ]
    named["checkpoints/v000002/complete.json"] = [line for line in printed if "v000002" in line]
    assert {name for name, found in named.items() if not found} == set(), printed


def test_the_command_prints_names_and_codes(copy: Path, tmp_path: Path) -> None:
    command = ["verify", str(copy), "--sample", "0"]
    whole = CliRunner().invoke(app, command)
    assert whole.exit_code == 0 and "everything agrees" in whole.output
    assert "sha256 of SHA256SUMS: " in whole.output
    in_rows(put(value=0.987))(copy)
    out = tmp_path / "verify.json"
    edited = CliRunner().invoke(app, [*command, "--json", str(out)])
    assert edited.exit_code == 1
    assert f"differs: {STEP1}: row 2, value: stored 0.987, recomputed " in edited.output
    report = json.loads(out.read_text())
    assert report["verdict"] == "differs"
    first = report["differences"][0]
    assert (first["file"], first["place"], first["stored"]) == (STEP1, "row 2, value", 0.987)
    (copy / "config.yaml").write_text("seed: [")
    assert CliRunner().invoke(app, command).exit_code != 0
