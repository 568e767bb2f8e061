"""Ragged batches and groups with known numbers, for the tests of sampler and learner."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch

from envs import Task
from rewards import RewardResult
from selfplay.config.run import RunConfig
from selfplay.records import Group, Rollout
from tests.patience import patient

VOCABULARY = 512
SIZE, PAD = 4, 2
"""Rollouts per group, and the tiny model's pad token, in the learner's tests."""
Batch = dict[str, torch.Tensor]
Weights = dict[str, torch.Tensor]


def random_group(
    rng: random.Random, name: str, *, size: int, prompt: int, longest: int, version: int = 0
) -> Group:
    """A scored group: `size` completions of 1 to `longest` tokens after `prompt` tokens."""
    ids = [rng.randrange(3, VOCABULARY) for _ in range(prompt)]
    rollouts = []
    for index in range(size):
        count = rng.randint(1, longest)
        rollouts.append(
            Rollout(
                task_id=name,
                policy_version=version,
                seed=7,
                index=index,
                prompt_ids=ids,
                completion_ids=[rng.randrange(3, VOCABULARY) for _ in range(count)],
                logprobs=[-rng.uniform(5, 7) for _ in range(count)],
                text="",
                finish="stop",
                result=RewardResult(rng.random(), "fail"),
                advantage=rng.uniform(-1, 1),
            )
        )
    return Group(Task(name, "made-up", {}), rollouts)


def random_groups(seed: int, count: int, size: int, longest: int = 5) -> list[Group]:
    """Groups whose prompts differ in length."""
    rng = random.Random(seed)
    return [
        random_group(rng, f"made-up/{i}", size=size, prompt=rng.randint(2, 12), longest=longest)
        for i in range(count)
    ]


def tensors(arrays: dict[str, object]) -> Batch:
    """A micro-batch of batches.py as the learner's worker hands it to TRL."""
    return {name: torch.tensor(value) for name, value in arrays.items()}


def learner_config(model: Path | str, *, workers: int = 1, **learner: Any) -> RunConfig:
    """Return a run of 10 steps of 4 groups of 4, whose learner is quick and exact."""
    settings = {
        "workers": workers,
        "lr": 1e-3,
        "schedule": "linear",
        "cpus": 0.5,
        "threads": 1,
        "dtype": "float32",
        "entropy_coef_delta": 0.01,
        "entropy_target": 10.0,
        "deadline_s": patient(60),
    }
    return RunConfig.model_validate(
        {
            "model": str(model),
            "steps": 10,
            "groups_per_step": 4,
            "group_size": SIZE,
            "chess": {"max_tokens": 6},
            "sampler": {"dtype": "float32"},
            "learner": settings | learner,
        }
    )


def step_groups(step: int, count: int) -> list[Group]:
    """Groups with known numbers; those of one step are the same in every run."""
    return random_groups(1000 + step, count, SIZE, longest=6)


def distance(a: Weights, b: Weights) -> float:
    """Return the largest difference of any weight; both must have the same names."""
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)
