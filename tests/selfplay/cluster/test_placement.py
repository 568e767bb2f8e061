"""The arithmetic of roles and resources, without Ray."""

from __future__ import annotations

from typing import Any

import pytest

from envs.errors import InputError
from selfplay.cluster.placement import lines, roles, shortage
from selfplay.cluster.session import own_resources, plan
from selfplay.config.reading import parse_config
from selfplay.config.run import RunConfig


def config(**sections: Any) -> RunConfig:
    return RunConfig.model_validate(sections)


TWO_NODES = config(
    sampler={"count": 2, "cpus": 1, "resources": {"play": 1}},
    scorer={"count": 1, "cpus": 0.5},
    learner={"cpus": 4, "resources": {"learn": 1}},
)


def test_the_arithmetic_is_reported_with_what_others_hold() -> None:
    total = {"CPU": 8.0, "play": 2.0, "learn": 1.0}
    [line] = lines(roles(TWO_NODES, 0, 0), total, total)
    assert line == (
        "placement: 2 samplers x 1 CPU + 1 play + 2 scorers x 0.5 CPU + 1 learner workers x "
        "4 CPU + 1 learn = 7 CPU + 2 play + 1 learn of 8 CPU + 2 play + 1 learn"
    )
    shown = lines(roles(TWO_NODES, 0, 0), total, total | {"CPU": 5.0, "learn": 0.0})
    assert shown[1] == "placement: 2 CPU + 1 learn of that are in use by others; waiting for them"


@pytest.mark.parametrize(
    ("total", "missing"),
    [
        ({"CPU": 8.0, "learn": 1.0}, "need 2 play, the Ray cluster has 0; start a node with"),
        ({"CPU": 6.0, "play": 2.0, "learn": 1.0}, "need 7 CPU, the Ray cluster has 6; lower"),
    ],
)
def test_what_the_whole_cluster_lacks_is_refused(total: dict[str, float], missing: str) -> None:
    with pytest.raises(InputError) as caught:
        plan(TWO_NODES, total)
    assert missing in str(caught.value) and "\n" not in str(caught.value)


def test_what_fits_no_single_node_is_refused() -> None:
    nodes = [{"CPU": 3.0, "play": 2.0, "memory": 1e9}, {"CPU": 5.0, "learn": 0.5}]
    nodes += [{"CPU": 1.0, "learn": 0.5, "node:10.0.0.3": 1.0}]
    total = {"CPU": 9.0, "play": 2.0, "learn": 1.0}
    with pytest.raises(InputError) as caught:
        plan(TWO_NODES, total, total, nodes)
    assert "each of the 1 learner workers needs 4 CPU + 1 learn on one node" in str(caught.value)
    assert "the 3 nodes have 3 CPU + 2 play; 5 CPU + 0.5 learn; 1 CPU + 0.5 learn" in str(
        caught.value
    )
    nodes[1]["learn"] = 1.0
    assert plan(TWO_NODES, total, total, nodes).sampler_gpus == 0.0


def test_a_run_may_start_with_fewer_samplers_than_it_would_like() -> None:
    few = TWO_NODES.model_copy(update={"sampler": TWO_NODES.sampler.model_copy()})
    few.sampler.count, few.sampler.at_least = 64, 1
    shown = plan(few, {"CPU": 6.0, "play": 1.0, "learn": 1.0}).messages
    assert shown[0].startswith("placement: 64 samplers x 1 CPU + 1 play")
    few.sampler.at_least = 2
    with pytest.raises(InputError, match="need 2 play, the Ray cluster has 1"):
        plan(few, {"CPU": 8.0, "play": 1.0, "learn": 1.0})


def test_a_ray_of_our_own_has_what_the_run_names() -> None:
    assert own_resources(TWO_NODES) == {"play": 2, "learn": 1}
    assert own_resources(config()) == {}


def test_a_shortage_names_each_resource() -> None:
    shown = shortage({"CPU": 1, "play": 1}, {"CPU": 4}, {"CPU": 0.5})
    assert shown == (
        "it needs 1 CPU (the cluster has 4, 0.5 free) and 1 play (the cluster has 0, 0 free)"
    )


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("sampler.resources={CPU: 1}", "there are cpus and gpus"),
        ("learner.resources.tpu=0", "amounts above 0"),
        ("scorer.resources.disk=1.5", "whole ones above 1"),
        ("sampler.resources=fast", "a section of keys"),
    ],
)
def test_bad_resources_are_refused_in_one_line(override: str, fault: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_config({}, "x.yaml", [override])
    assert override.partition("=")[0].partition(".")[0] in str(caught.value)
    assert fault in str(caught.value) and "\n" not in str(caught.value)


def test_resources_are_set_by_overrides() -> None:
    made = parse_config({}, "x.yaml", ["sampler.resources.fast=1", "sampler.resources.near=0.5"])
    assert made.sampler.resources == {"fast": 1, "near": 0.5}
