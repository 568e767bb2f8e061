"""MasterAdamW is torch's AdamW, with what bfloat16 would lose kept in float32."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from selfplay.learner.optim import MasterAdamW

SETTINGS: dict[str, Any] = {"lr": 1e-2, "betas": (0.8, 0.95), "eps": 1e-7}


def parameters(dtype: torch.dtype, seed: int = 0) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(7, 5), (5,), (3, 4)]
    return [torch.nn.Parameter(torch.randn(s, generator=generator).to(dtype)) for s in shapes]


def groups(made: list[torch.nn.Parameter]) -> list[dict[str, Any]]:
    return [{"params": made[:1], "weight_decay": 0.1}, {"params": made[1:], "weight_decay": 0.0}]


def take_step(optimizer: Any, made: list[torch.nn.Parameter], step: int) -> None:
    generator = torch.Generator().manual_seed(100 + step)
    for index, parameter in enumerate(made):
        gradient = torch.randn(parameter.shape, generator=generator)
        # The last parameter has no gradient in every other step.
        skip = index == len(made) - 1 and step % 2
        parameter.grad = None if skip else gradient.to(parameter.dtype)
    optimizer.step()


def test_float32_equals_torch_step_by_step() -> None:
    ours, theirs = parameters(torch.float32), parameters(torch.float32)
    mine = MasterAdamW(groups(ours), **SETTINGS)
    reference = torch.optim.AdamW(groups(theirs), **SETTINGS)
    for step in range(20):
        if step == 10:
            for group in [*mine.param_groups, *reference.param_groups]:
                group["lr"] = 3e-3
        before = [p.detach().clone() for p in ours]
        take_step(mine, ours, step)
        take_step(reference, theirs, step)
        assert not torch.equal(before[0], ours[0])
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-7)


def test_bfloat16_weights_are_the_rounded_master_of_a_float32_run() -> None:
    ours = parameters(torch.bfloat16)
    exact = [torch.nn.Parameter(p.detach().float()) for p in ours]
    mine = MasterAdamW(groups(ours), **SETTINGS)
    reference = torch.optim.AdamW(groups(exact), **SETTINGS)
    for step in range(10):
        take_step(mine, ours, step)
        for a, b in zip(ours, exact, strict=True):
            b.grad = None if a.grad is None else a.grad.float()
        reference.step()
        for a, b in zip(ours, exact, strict=True):
            torch.testing.assert_close(mine.state[a]["master"], b.detach(), rtol=1e-6, atol=1e-7)
            assert torch.equal(a, mine.state[a]["master"].bfloat16())


def test_updates_below_bfloat16_rounding_add_up() -> None:
    weight = torch.nn.Parameter(torch.full((8,), 1.0, dtype=torch.bfloat16))
    optimizer = MasterAdamW([weight], lr=1e-4)
    weight.grad = torch.ones_like(weight)
    optimizer.step()
    assert torch.equal(weight, torch.ones_like(weight)), "one step is below the rounding"
    for _ in range(99):
        optimizer.step()
    # 100 steps of lr against a constant gradient: 1 - 0.01, to bfloat16's half step of 2^-9.
    assert weight.detach().float() == pytest.approx(torch.full((8,), 0.99), abs=2**-9)
    naive = torch.full((8,), 1.0, dtype=torch.bfloat16)
    for _ in range(100):
        naive -= 1e-4
    assert torch.equal(naive, torch.ones_like(naive)), "without a master nothing moves"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_state_round_trip_continues_identically(dtype: torch.dtype) -> None:
    ours = parameters(dtype)
    optimizer = MasterAdamW(groups(ours), **SETTINGS)
    for step in range(3):
        take_step(optimizer, ours, step)
    saved = copy.deepcopy(optimizer.state_dict())
    resumed = [torch.nn.Parameter(p.detach().clone()) for p in ours]
    other = MasterAdamW(groups(resumed), **SETTINGS)
    other.load_state_dict(saved)
    for parameter in resumed:
        state = other.state[parameter]
        assert {v.dtype for v in state.values()} == {torch.float32}
        assert ("master" in state) == (dtype == torch.bfloat16)
    for step in range(3, 9):
        take_step(optimizer, ours, step)
        take_step(other, resumed, step)
    for a, b in zip(ours, resumed, strict=True):
        assert torch.equal(a, b)
        for name, value in optimizer.state[a].items():
            assert torch.equal(value, other.state[b][name]), name


def test_a_loaded_state_shares_no_memory_with_what_was_loaded() -> None:
    ours = parameters(torch.bfloat16)
    optimizer = MasterAdamW(groups(ours), **SETTINGS)
    take_step(optimizer, ours, 0)
    saved = optimizer.state_dict()
    kept = copy.deepcopy(saved)
    resumed = [torch.nn.Parameter(p.detach().clone()) for p in ours]
    other = MasterAdamW(groups(resumed), **SETTINGS)
    other.load_state_dict(saved)
    take_step(other, resumed, 1)
    for index, state in kept["state"].items():
        for name, value in state.items():
            assert torch.equal(saved["state"][index][name], value), name


def test_a_closure_is_called_with_gradients() -> None:
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = MasterAdamW([weight], lr=0.1)

    def closure() -> float:
        loss = (weight**2).sum()
        loss.backward()
        return float(loss.detach())

    assert optimizer.step(closure) == 4.0
    assert weight.item() == pytest.approx(1.9)
