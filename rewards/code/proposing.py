"""Proposals of the policy, run: what is deterministic, finite and not trivial becomes a task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from envs.code.families.screen import Screen
from envs.code.proposals import Aim, Run, judge
from envs.code.proposer import Proposal, Rejected, inputs_of, parse
from rewards.code.grade import clean
from rewards.code.sandbox import Sandbox, SandboxError
from rewards.result import RewardResult

CALL_S = 1.0

Known = Callable[[Proposal], str | None]
"""Says why a proposal that runs gives an evaluation task away, or None. May raise SandboxError."""


def score_proposal(
    sandboxes: Sequence[Sandbox],
    completion: str,
    *,
    seed: int,
    aim: Aim,
    screen: Screen | None = None,
    known: Known | None = None,
) -> RewardResult:
    """Return a `pass` of value 0 with the new task's payload as evidence, or why there is none.

    It runs once in each of the `sandboxes`, two at least. Forks of one zygote have the same
    addresses and the same hash seed: a function that depends on `id` or `hash` shows only where the
    zygotes differ, so give them different hash seeds. What a sound proposal earns is known once
    others have tried to solve it (`proposals.reward`); the caller puts it in. `seed` chooses the
    further inputs that the proposer did not.
    """
    proposal = parse(completion)
    if isinstance(proposal, Rejected):
        return _result("unparsable", proposal.reason, None)
    inputs = inputs_of(proposal, seed)
    try:
        runs = run(sandboxes, proposal, inputs)
        made = judge(proposal, inputs, runs, aim=aim, screen=screen)
        if not isinstance(made, Rejected) and known is not None:
            told = known(proposal)
            made = made if told is None else Rejected(told)
    except SandboxError as error:
        return _result("infra_error", str(error), proposal)
    if isinstance(made, Rejected):
        return _result("fail", made.reason, proposal)
    return _result("pass", "", proposal, made.payload())


def run(
    sandboxes: Sequence[Sandbox], proposal: Proposal, inputs: Sequence[list[Any]]
) -> list[list[Run]]:
    """Return the runs of every input, one in each sandbox. Raises SandboxError."""
    runs: list[list[Run]] = [[] for _ in inputs]
    for sandbox in sandboxes:
        with sandbox.open(proposal.source) as candidate:
            for args, attempts in zip(inputs, runs, strict=True):
                got = candidate.call(proposal.name, args, {}, wall_s=CALL_S)
                attempts.append(Run(got.status == "ok", got.value, got.detail or got.status))
    return runs


def _result(
    verdict: Any, reason: str, proposal: Proposal | None, task: dict[str, Any] | None = None
) -> RewardResult:
    evidence = {
        "action": None if proposal is None else clean(proposal.source),
        "detail": clean(reason),
        "task": task,
    }
    return RewardResult(0.0, verdict, {"sound": float(task is not None)}, evidence)
