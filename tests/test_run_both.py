"""Code, and both domains in one run, as a user starts them: real sandbox, engine, Ray and TRL."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from selfplay.rundir.folder import RunDir
from selfplay.verify import verify_run
from tests import miniature
from tests.patience import RUN_S, patient

STEPS = 3
pytestmark = [pytest.mark.timeout(patient(RUN_S)), pytest.mark.usefixtures("stockfish")]
COMMON = (f"steps={STEPS}", "code.max_tokens=24", "code.levels=[1]", "eval.positions=8")


def selfplay(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "selfplay", *arguments]
    return miniature.selfplay(folder, command)


def rows_of(run: Path) -> list[dict[str, Any]]:
    files = sorted((run / "rollouts").glob("step_*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def runs(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the finished run `both`, which also asks its model to propose tasks."""
    folder = tmp_path_factory.mktemp("work")
    config = str(repository / "configs" / "smoke.yaml")
    mixed = ("domain=both", "groups_per_step=4", "group_size=16", "code.samples=4")
    chess = ("sampler.explore=all_legal", "learner.advantage=target", "code.advantage=dr_grpo")
    asked = ("proposer.enabled=true", "proposer.share=0.5", "proposer.max_tokens=32")
    shares = "code.sources={families: 0.5, proposals: 0.5}"
    given = (*mixed, *chess, *COMMON, *asked, shares, "--name", "both")
    done = selfplay(folder, "run", config, *given)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "runs"


def asked_in(runs: Path, domain: str) -> list[dict[str, Any]]:
    return [row for row in rows_of(runs / "both") if row["domain"] == domain]


def test_programs_are_judged_and_recorded(runs: Path) -> None:
    rows = asked_in(runs, "code")
    assert len(rows) == STEPS * 4
    assert {row["verdict"] for row in rows} <= {"pass", "fail", "timeout", "unparsable"}
    payload = json.loads(rows[0]["payload"])
    assert payload["split"] == "train" and payload["hidden"]
    summary = json.loads((runs / "both" / "summary.json").read_text())
    suite = summary["suites"]["code/families"]
    assert suite["final"]["pass_rate"]["n"] == 8 and "pass_rate" in suite["paired"]
    sandbox = json.loads((runs / "both" / "manifest.json").read_text())["engine"]["sandbox"]
    assert sandbox["allow_weak"] is False
    # What tests draw from is kept with the run, so that verify and eval judge as it did.
    config = yaml.safe_load((runs / "both" / "config.yaml").read_text())
    assert len(bytes.fromhex(config["code"]["secret"])) == 16


def test_requests_to_propose_are_answered_and_judged(runs: Path) -> None:
    """A random model proposes nothing sound; what it says is judged and recorded all the same."""
    rows = asked_in(runs, "code/propose")
    assert len(rows) == STEPS * 4 and {row["verdict"] for row in rows} == {"unparsable"}
    for row in lines_of(runs / "both" / "metrics.jsonl"):
        assert row["proposer/sound"] == 0.0 and row["infra_errors"] == 0


def test_evaluation_asks_held_out_families_only(runs: Path) -> None:
    trained = {json.loads(row["payload"])["family"] for row in asked_in(runs, "code")}
    final = json.loads((runs / "both" / "evals" / "final.json").read_text())
    asked = {row["key"].split("/")[1] for row in final["suites"]["code/families"]["rows"]}
    assert trained and asked and not trained & asked


def test_both_domains_keep_their_shares_and_their_figures(runs: Path) -> None:
    rows = rows_of(runs / "both")
    for step in range(1, STEPS + 1):
        tasks = {(r["domain"], r["task_id"]) for r in rows if r["step"] == step}
        domains = sorted(domain for domain, _ in tasks)
        assert domains == ["chess", "chess", "code", "code/propose"]
    forced = [r for r in rows if r["finish"] == "forced"]
    assert forced and {r["domain"] for r in forced} == {"chess"}
    for row in lines_of(runs / "both" / "metrics.jsonl"):
        assert {"legal_rate", "pass_rate", "chess/reward_mean", "code/reward_mean"} <= set(row)


def test_the_gate_compares_both_domains(runs: Path) -> None:
    [decision] = lines_of(runs / "both" / "promotions.jsonl")
    assert set(decision["suites"]) == {"chess/games", "code/families"}
    champion = (runs / "both" / "champion").read_text().strip()
    assert champion == (f"v{STEPS:06d}" if decision["promoted"] else "v000000")


def test_eval_of_the_run_repeats_its_numbers(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "again.json"
    done = selfplay(runs.parent, "eval", "runs/both", "--json", str(out))
    assert done.returncode == 0, done.stderr
    again = json.loads(out.read_text())["suites"]
    final = json.loads((runs / "both" / "evals" / "final.json").read_text())["suites"]
    for suite in final:
        assert again[suite]["policy"] == final[suite]["policy"]
        answers = [row["completion"] for row in final[suite]["rows"]]
        assert [row["completion"] for row in again[suite]["rows"]] == answers


def test_what_the_run_publishes_can_be_recomputed(runs: Path) -> None:
    findings = verify_run(RunDir.open(runs / "both"), sample=60)
    assert [difference.line() for difference in findings.differences] == []
    assert findings.unchecked == [] and findings.checked["rollouts scored again"] > 0


def test_pass_at_k_and_the_sample_file(runs: Path, tmp_path: Path) -> None:
    out, samples = tmp_path / "k.json", tmp_path / "samples.jsonl"
    more = ("--samples", "3", "--k", "1,2", "--json", str(out), "--samples-out", str(samples))
    done = selfplay(
        runs.parent, "eval", "runs/both", "--suite", "families", "eval.positions=4", *more
    )
    assert done.returncode == 0, done.stderr
    numbers = json.loads(out.read_text())["suites"]["code/families"]
    assert {"pass_rate", "pass@1", "pass@2", "hack_gap"} == set(numbers["policy"])
    written = lines_of(samples)
    assert len(written) == 12 and {"task_id", "solution"} == set(written[0])
