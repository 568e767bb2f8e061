"""Ragged batches and groups with known numbers, for the tests of sampler and learner."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import torch

from envs import Task
from rewards import RewardResult
from selfplay.models import load_model, load_tokenizer
from selfplay.records import Group, Rollout

VOCABULARY = 512
Batch = dict[str, torch.Tensor]


def random_group(
    rng: random.Random, name: str, *, size: int, prompt: int, longest: int, version: int = 0
) -> Group:
    """A scored group: `size` completions of 1 to `longest` tokens behind `prompt` tokens."""
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
    """A micro-batch of batching.py as the learner's worker hands it to TRL."""
    return {name: torch.tensor(value) for name, value in arrays.items()}


@dataclass(frozen=True, slots=True)
class Plain:
    """The tiny model and what a forward without packing, cache or padding says."""

    folder: Path

    def logits(self, ids: list[int]) -> torch.Tensor:
        """Return the logits (len(ids), V) in float32 from one forward of one row."""
        model = load_model(str(self.folder), dtype=torch.float32)
        with torch.inference_mode():
            return model(torch.tensor([ids])).logits[0].float()

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the ids of `text`."""
        return tuple(load_tokenizer(str(self.folder))(text, add_special_tokens=False).input_ids)
