"""From scored groups to the learner's micro-batches: numpy arrays, whole groups, per worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from selfplay.records import Group

Arrays = dict[str, npt.NDArray[Any]]


def micro_batches(
    groups: Sequence[Group], *, workers: int, steps: int, group_size: int, pad_id: int
) -> list[list[Arrays]]:
    """Return `steps` micro-batches for each of `workers`, groups of like length together.

    Groups are sorted by prompt length and dealt in contiguous runs, so that padding is small and
    no group is torn. Where they do not divide evenly, masked copies of the first one make up the
    number: every worker takes part in every backward pass, and TRL gathers its metrics row by row
    from all workers, which takes the same number of rows from each.

    Each micro-batch has prompt_ids and prompt_mask (B, L), padded on the left; completion_ids,
    completion_mask and sampler_logps (B, T), padded on the right, NaN where the policy was not
    asked; advantages (B,); versions (B,) of the policy that was asked; and for the whole batch over
    all workers num_items_in_batch, its completion tokens, and num_rows_in_batch, its rows without
    the copies.
    """
    if not groups:
        raise ValueError("a batch needs at least one group")
    ordered = sorted(groups, key=lambda g: (len(g.rollouts[0].prompt_ids), g.task.id))
    total = sum(len(r.completion_ids) for g in ordered for r in g.learnt)
    runs = np.array_split(np.arange(len(ordered)), workers * steps)
    most = max(len(run) for run in runs)
    arrays = []
    for run in runs:
        chosen = [ordered[i] for i in run]
        fillers = [ordered[0]] * (most - len(chosen))
        batch = _arrays([*chosen, *fillers], group_size, pad_id)
        batch["completion_mask"][len(chosen) * group_size :] = 0
        batch["advantages"][len(chosen) * group_size :] = 0
        batch["num_items_in_batch"] = np.array(total, dtype=np.int64)
        batch["num_rows_in_batch"] = np.array(len(ordered) * group_size, dtype=np.int64)
        arrays.append(batch)
    # Runs that follow each other are alike in length: give one to each worker in the same step.
    return [arrays[worker::workers] for worker in range(workers)]


def _arrays(groups: Sequence[Group], group_size: int, pad_id: int) -> Arrays:
    longest_prompt = max(len(g.rollouts[0].prompt_ids) for g in groups)
    longest = max(len(r.completion_ids) for g in groups for r in g.learnt)
    rows = len(groups) * group_size
    batch: Arrays = {
        "prompt_ids": np.full((rows, longest_prompt), pad_id, dtype=np.int64),
        "prompt_mask": np.zeros((rows, longest_prompt), dtype=np.int64),
        "completion_ids": np.full((rows, longest), pad_id, dtype=np.int64),
        "completion_mask": np.zeros((rows, longest), dtype=np.int64),
        "sampler_logps": np.zeros((rows, longest), dtype=np.float32),
        "advantages": np.zeros(rows, dtype=np.float32),
        "versions": np.zeros(rows, dtype=np.int64),
    }
    for i, group in enumerate(groups):
        if len(group.learnt) > group_size:
            raise ValueError(f"task {group.task.id}: {len(group.learnt)} rollouts > {group_size}")
        prompt = group.learnt[0].prompt_ids
        start = i * group_size
        batch["prompt_ids"][start : start + group_size, longest_prompt - len(prompt) :] = prompt
        batch["prompt_mask"][start : start + group_size, longest_prompt - len(prompt) :] = 1
        for j, rollout in enumerate(group.learnt, start):
            count = len(rollout.completion_ids)
            batch["completion_ids"][j, :count] = rollout.completion_ids
            batch["completion_mask"][j, :count] = 1
            batch["sampler_logps"][j, :count] = rollout.logprobs or np.nan
            batch["advantages"][j] = rollout.advantage
            batch["versions"][j] = rollout.policy_version
    return batch
