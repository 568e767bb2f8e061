"""A run on a cluster of two nodes: roles where they belong, and a node lost on the way.

A run of code alone (tiny model, real sandbox, TRL's trainer; no engine) joins the cluster as a user
lets it: RAY_ADDRESS is set, nothing else. Samplers stand on one node, scorers and learner on the
other; the samplers' node is killed in the middle, and another one, with room for a single sampler,
comes later.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.clusters import Nodes, ray_nodes, start
from tests.patience import RUN_S, patient

STEPS = 4
GROUPS, GROUP_SIZE = 4, 4
SETTINGS = (
    f"steps={STEPS}",
    f"groups_per_step={GROUPS}",
    f"group_size={GROUP_SIZE}",
    "checkpoint.every=100",
    "eval.positions=2",
    "domain=code",
    "code.levels=[1]",
    "code.max_tokens=24",
    "sampler.count=2",
    "sampler.cpus=0.5",
    "sampler.threads=1",
    "sampler.resources.play=1",
    "scorer.cpus=0.5",
    "scorer.resources.learn=0.1",
    "learner.threads=1",
    "learner.resources.learn=0.5",
)
SECONDS = patient(200)

pytestmark = pytest.mark.timeout(patient(RUN_S))


def command(repository: Path, name: str, *more: str) -> list[str]:
    config = str(repository / "configs" / "smoke.yaml")
    return [sys.executable, "-m", "selfplay", "run", config, *SETTINGS, *more, "--name", name]


class Lost:
    """What became of the run that lost a node."""

    def __init__(self, folder: Path, output: str, code: int, nodes: dict[str, str]) -> None:
        self.folder = folder
        self.output = output
        self.code = code
        self.nodes = nodes
        """Role -> id: `head`, `first` (killed) and `second` (came later)."""

    def placement(self) -> list[dict[str, Any]]:
        manifest = json.loads((self.folder / "manifest.json").read_text())
        rows: list[dict[str, Any]] = manifest["starts"][-1]["placement"]
        return rows


@pytest.fixture(scope="module")
def cluster(repository: Path) -> Iterator[tuple[Nodes, dict[str, str], dict[str, str]]]:
    """A head for scorers and learner, a node for two samplers, and how to join them."""
    with ray_nodes() as nodes:
        head = nodes.order(add={"num_cpus": 2, "resources": {"learn": 1}})
        first = nodes.order(add={"num_cpus": 1, "resources": {"play": 2}})
        joins = nodes.environment | {
            "RAY_ADDRESS": head["address"],
            "PYTHONPATH": str(repository),
        }
        yield nodes, joins, {"head": head["node"], "first": first["node"]}


@pytest.fixture(scope="module")
def refused(
    repository: Path,
    cluster: tuple[Nodes, dict[str, str], dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[int, str]:
    """Exit code and output of a run that asks for what the cluster lacks."""
    _, joins, _ = cluster
    folder = tmp_path_factory.mktemp("refused")
    lines = start(command(repository, "x", "sampler.resources.tpu=1"), folder, joins)
    return lines.end(SECONDS), lines.text


@pytest.fixture(scope="module")
def lost(
    repository: Path,
    cluster: tuple[Nodes, dict[str, str], dict[str, str]],
    refused: tuple[int, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Lost:
    """The run, its samplers' node killed after the first step."""
    nodes, joins, ids = cluster
    folder = tmp_path_factory.mktemp("work")
    lines = start(command(repository, "lost"), folder, joins)
    lines.until(f"step 1/{STEPS}  reward", SECONDS)
    nodes.order(kill=ids["first"])
    second = nodes.order(add={"num_cpus": 1, "resources": {"play": 1}})
    code = lines.end(SECONDS)
    return Lost(folder / "runs" / "lost", lines.text, code, ids | {"second": second["node"]})


def test_what_the_cluster_lacks_is_refused_in_seconds(refused: tuple[int, str]) -> None:
    code, output = refused
    assert code == 2, output
    [message] = [line for line in output.splitlines() if line.startswith("error: ")]
    assert "need 2 tpu, the Ray cluster has 0; start a node with --resources=" in message


def test_a_lost_node_costs_throughput_and_not_the_run(lost: Lost) -> None:
    assert lost.code == 0, lost.output
    summary = json.loads((lost.folder / "summary.json").read_text())
    assert (summary["status"], summary["steps"]) == ("finished", STEPS)
    assert "killed and replaced" in lost.output


def test_samplers_stood_on_one_node_and_the_learner_on_the_other(lost: Lost) -> None:
    before = [row for row in lost.placement() if row["event"] == "placed"]
    first_samplers = [row for row in before if row["role"] == "sampler"][:2]
    assert {row["number"] for row in first_samplers} == {0, 1}
    assert {row["node"] for row in first_samplers} == {lost.nodes["first"]}
    for role in ("learner", "scorer"):
        assert {row["node"] for row in before if row["role"] == role} == {lost.nodes["head"]}


def test_samplers_were_lost_with_the_node_and_one_came_back_on_the_new_one(lost: Lost) -> None:
    rows = [row for row in lost.placement() if row["role"] == "sampler"]
    gone = [row for row in rows if row["event"] == "lost"]
    assert {row["number"] for row in gone} == {0, 1}
    assert {row["node"] for row in gone} == {lost.nodes["first"]}
    back = [row for row in rows if row["event"] == "placed"][2:]
    assert [row["node"] for row in back] == [lost.nodes["second"]], "it has room for one"


def test_every_rollout_is_whole_and_from_the_right_version(lost: Lost) -> None:
    files = sorted((lost.folder / "rollouts").glob("step_*.parquet"))
    assert len(files) == STEPS
    for step, file in enumerate(files, start=1):
        rows = pq.read_table(file).to_pylist()
        assert len(rows) == GROUPS * GROUP_SIZE
        assert {row["policy_version"] for row in rows} == {step - 1}
        assert len({(row["task_id"], row["index"]) for row in rows}) == len(rows)
        for row in rows:
            assert row["domain"] == "code"
            assert row["verdict"] is not None and row["verdict"] != "infra_error"
            assert len(row["logprobs"]) == len(row["completion_ids"]) > 0
    metrics = (lost.folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in metrics] == list(range(1, STEPS + 1))


def test_the_cluster_goes_on_behind_the_run(
    lost: Lost, cluster: tuple[Nodes, dict[str, str], dict[str, str]]
) -> None:
    nodes, _, _ = cluster
    # The one that was killed is forgotten when its heartbeats have been missed for long enough.
    assert {lost.nodes["head"], lost.nodes["second"]} <= set(nodes.order(alive=None)["alive"])
