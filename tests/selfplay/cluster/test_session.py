"""Placement: the arithmetic, and refusal at once of what the cluster can never give."""

from __future__ import annotations

import pytest

from envs.errors import InputError
from selfplay.cluster.session import cpu_demand, plan
from selfplay.config.run import RunConfig


def config(**sampler: float) -> RunConfig:
    return RunConfig.model_validate({"sampler": sampler})


def test_demand_counts_every_actor_and_the_evaluation_scorers() -> None:
    given = RunConfig.model_validate(
        {
            "sampler": {"count": 3, "cpus": 2},
            "scorer": {"count": 4, "cpus": 0.5},
            "learner": {"workers": 2, "cpus": 1},
        }
    )
    assert cpu_demand(given) == 3 * 2 + 2 * 4 * 0.5 + 2 * 1
    for several in ("both", ["chess", "code"]):
        mixed = given.model_copy(update={"domain": several})
        assert cpu_demand(mixed) == 3 * 2 + 3 * 4 * 0.5 + 2 * 1, "each domain has its own at once"


def test_without_gpus_nobody_gets_one() -> None:
    placement = plan(config(), {"CPU": 8})
    assert (placement.sampler_gpus, placement.learner_gpus) == (0.0, 0.0)


def test_gpus_are_shared_evenly_one_each_at_most() -> None:
    assert plan(config(), {"CPU": 8, "GPU": 1}).sampler_gpus == 0.5
    assert plan(config(), {"CPU": 8, "GPU": 4}).learner_gpus == 1.0
    three = plan(config(count=2), {"CPU": 8, "GPU": 1})
    assert 3 * three.sampler_gpus <= 1


@pytest.mark.parametrize(
    ("sampler", "resources", "missing"),
    [({"count": 9}, {"CPU": 4}, "CPU"), ({"gpus": 2}, {"CPU": 8, "GPU": 1}, "GPU")],
)
def test_the_impossible_is_refused_with_the_arithmetic(
    sampler: dict[str, float], resources: dict[str, float], missing: str
) -> None:
    with pytest.raises(InputError) as caught:
        plan(config(**sampler), resources)
    assert missing in str(caught.value)
    assert str(resources[missing]) in str(caught.value)
    assert "\n" not in str(caught.value)
