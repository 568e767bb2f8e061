"""SHA256SUMS: written for checkpoints and runs, checked by sha256sum, set aside by a resume."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from envs.errors import InputError
from selfplay.rundir.checksums import CHECKSUMS, read_checksums, seal, sha256_of
from tests.patience import patient
from tests.selfplay.made_up import filled_run


def test_a_run_is_listed_but_for_what_is_no_result(tmp_path: Path) -> None:
    run = filled_run(tmp_path)
    folder = run.versions.folder(20)
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "optimizer.pt").write_bytes(b"goes when newer ones come")
    run.versions.complete(20, {"step": 20})
    (run.path / "report.html").write_text("page")
    run.log_file().write_text("log")
    (run.path / "evals" / ".base.json-x.tmp").write_text("")
    listed = read_checksums(seal(run.path))
    assert {"config.yaml", "metrics.jsonl", "evals/base.json"} <= set(listed)
    assert {"rollouts/step_000001.parquet", f"checkpoints/v000020/{CHECKSUMS}"} <= set(listed)
    assert not {name.partition("/")[0] for name in listed} & {
        "report.html",
        "logs",
        "lock",
        CHECKSUMS,
    }
    assert not [name for name in listed if "tmp" in name or name.endswith("safetensors")]
    assert set(read_checksums(folder / CHECKSUMS)) == {"model.safetensors"}
    complete = json.loads((folder / "complete.json").read_text())
    assert complete == {"step": 20, "sha256sums": sha256_of(folder / CHECKSUMS)}
    if shutil.which("sha256sum") is not None:
        command = ["sha256sum", "--check", "--quiet", CHECKSUMS]
        assert (
            subprocess.run(command, cwd=run.path, check=False, timeout=patient(20)).returncode == 0
        )


def test_a_resume_sets_the_list_aside(tmp_path: Path) -> None:
    run = filled_run(tmp_path)
    kept = seal(run.path).read_text()
    assert CHECKSUMS in run.set_aside_after(20)
    assert not (run.path / CHECKSUMS).exists()
    assert (run.path / f"{CHECKSUMS}.1").read_text() == kept
    assert f"{CHECKSUMS}.1" not in read_checksums(seal(run.path))


def test_a_broken_list_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / CHECKSUMS
    path.write_text("0" * 64 + "  a\nnothing\n")
    with pytest.raises(InputError, match=r"SHA256SUMS:2: no line of sha256sum"):
        read_checksums(path)
