"""The policy as the target's prior, by hand and against the gradient that it stands for."""

from __future__ import annotations

import pytest
import torch

from selfplay.learner.weighing import with_prior


def test_by_hand() -> None:
    # Target (0.2, 0.8) and policy (0.5, 0.1): q ~ (0.1, 0.08), and the group keeps its sum of 2.
    advantages = torch.tensor([0.4, 1.6, 0.0, 0.0])
    logps = torch.tensor([0.5, 0.1, 0.9, 0.9]).log()
    mixed = with_prior(advantages, logps, 2, 1.0)
    assert mixed.tolist() == pytest.approx([2 * 0.1 / 0.18, 2 * 0.08 / 0.18, 0.0, 0.0])


def test_without_an_exponent_nothing_changes() -> None:
    advantages = torch.tensor([0.3, 0.7, 0.25, 0.75])
    logps = torch.tensor([-40.0, -1.0, -3.0, -200.0])
    assert with_prior(advantages, logps, 2, 0.0).tolist() == pytest.approx(advantages.tolist())


def test_fillers_stay_at_zero_even_where_they_are_likely() -> None:
    mixed = with_prior(torch.tensor([0.5, 0.5, 0.0]), torch.tensor([-50.0, -50.0, 0.0]), 3, 1.0)
    assert mixed.tolist() == pytest.approx([0.5, 0.5, 0.0])


def test_it_is_the_gradient_of_the_log_of_the_expected_exponential_reward() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, generator=generator, dtype=torch.float64, requires_grad=True)
    rewards = torch.rand(4, generator=generator, dtype=torch.float64) / 0.1  # two actions unpaid
    logp = torch.log_softmax(logits, 0)[:4]
    torch.logsumexp(logp + rewards, 0).backward()
    exact, logits.grad = logits.grad, None
    weights = with_prior(torch.softmax(rewards, 0), logp.detach(), 4, 1.0)
    (weights * torch.log_softmax(logits, 0)[:4]).sum().backward()
    assert exact is not None and logits.grad is not None
    assert torch.allclose(exact, logits.grad)
