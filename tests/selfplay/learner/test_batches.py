"""Micro-batches: no group torn, nothing lost, padding where TRL wants it."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from selfplay.learner.batches import micro_batches
from selfplay.records import Group
from tests.selfplay.batches import random_group, random_groups

PAD = 2
SHAPES = [(1, 1), (1, 3), (2, 1), (2, 2), (3, 2), (4, 4)]


def unpacked(batch: dict[str, Any], group_size: int) -> list[tuple[Any, ...]]:
    """Return (prompt, [(completion, log-probs, advantage), ...]) per group of a micro-batch."""
    groups = []
    for start in range(0, len(batch["prompt_ids"]), group_size):
        rows = range(start, start + group_size)
        prompts = {tuple(batch["prompt_ids"][r][batch["prompt_mask"][r] == 1]) for r in rows}
        assert len(prompts) == 1, "a group's rows have unlike prompts"
        answers = []
        for r in rows:
            real = batch["completion_mask"][r] == 1
            logps = batch["sampler_logps"][r][real]
            answers.append(
                (tuple(batch["completion_ids"][r][real]), tuple(logps), batch["advantages"][r])
            )
        groups.append((*prompts, answers))
    return groups


def expected(group: Group) -> tuple[Any, ...]:
    answers = [
        (
            tuple(r.completion_ids),
            tuple(np.float32(r.logprobs)),
            np.float32(r.advantage),
        )
        for r in group.rollouts
    ]
    return tuple(group.rollouts[0].prompt_ids), answers


@pytest.mark.parametrize(("workers", "steps"), SHAPES)
def test_every_group_is_there_once_and_whole(workers: int, steps: int) -> None:
    groups = random_groups(1, 7, 4)
    shares = micro_batches(groups, workers=workers, steps=steps, group_size=4, pad_id=PAD)
    assert len(shares) == workers and {len(share) for share in shares} == {steps}
    found = [
        g for share in shares for b in share for g in unpacked(b, 4) if any(r[0] for r in g[1])
    ]
    wanted = [expected(g) for g in groups]
    assert sorted(found, key=repr) == sorted(wanted, key=repr)
    tokens = sum(len(r.completion_ids) for g in groups for r in g.rollouts)
    masks = sum(b["completion_mask"].sum() for share in shares for b in share)
    assert masks == tokens
    assert {int(b["num_items_in_batch"]) for share in shares for b in share} == {tokens}


def test_padding_is_left_of_prompts_and_right_of_completions() -> None:
    [[batch]] = micro_batches(random_groups(2, 5, 3), workers=1, steps=1, group_size=3, pad_id=PAD)
    assert batch["prompt_ids"].shape == batch["prompt_mask"].shape
    assert batch["prompt_mask"][:, -1].all() and batch["completion_mask"][:, 0].all()
    assert (np.diff(batch["prompt_mask"], axis=1) >= 0).all()
    assert (np.diff(batch["completion_mask"], axis=1) <= 0).all()
    assert (batch["prompt_ids"][batch["prompt_mask"] == 0] == PAD).all()
    assert (batch["completion_ids"][batch["completion_mask"] == 0] == PAD).all()
    assert batch["prompt_mask"].any(0).all() and batch["completion_mask"].any(0).all()
    assert (batch["sampler_logps"][batch["completion_mask"] == 0] == 0).all()


def test_like_lengths_lie_together() -> None:
    rng = random.Random(0)
    lengths = [9, 2, 8, 3, 9, 2, 8, 3]
    groups = [
        random_group(rng, f"made-up/{i}", size=2, prompt=n, longest=3)
        for i, n in enumerate(lengths)
    ]
    shares = micro_batches(groups, workers=2, steps=2, group_size=2, pad_id=PAD)
    widths = [[b["prompt_ids"].shape[1] for b in share] for share in shares]
    assert widths == [[2, 8], [3, 9]]
    assert all(b["prompt_mask"].all() for share in shares for b in share)


def test_a_worker_without_a_group_gets_a_masked_filler() -> None:
    groups = random_groups(3, 2, 4)
    shares = micro_batches(groups, workers=2, steps=2, group_size=4, pad_id=PAD)
    empty = [b for share in shares for b in share if not b["completion_mask"].any()]
    assert len(empty) == 2
    for batch in empty:
        assert len(batch["prompt_ids"]) == 4 and not batch["advantages"].any()
        assert batch["prompt_mask"].any()


def test_short_groups_are_filled_with_masked_rows() -> None:
    [group] = random_groups(4, 1, 3)
    [[batch]] = micro_batches([group], workers=1, steps=1, group_size=5, pad_id=PAD)
    [(prompt, answers)] = unpacked(batch, 5)
    assert (prompt, answers[:3]) == expected(group)
    assert [a[0] for a in answers[3:]] == [(), ()] and not batch["advantages"][3:].any()


def test_wrong_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one group"):
        micro_batches([], workers=1, steps=1, group_size=4, pad_id=PAD)
    with pytest.raises(ValueError, match="made-up/0: 4 rollouts > 3"):
        micro_batches(random_groups(5, 1, 4), workers=1, steps=1, group_size=3, pad_id=PAD)


def test_the_order_of_arrival_does_not_matter() -> None:
    groups = random_groups(6, 6, 2)
    one = micro_batches(groups, workers=2, steps=1, group_size=2, pad_id=PAD)
    other = micro_batches(groups[::-1], workers=2, steps=1, group_size=2, pad_id=PAD)
    for a, b in zip(one, other, strict=True):
        assert all((a[0][k] == b[0][k]).all() for k in a[0])
