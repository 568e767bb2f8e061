"""Proposals of the policy, run: what is deterministic, finite and not trivial becomes a task."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from envs.code.families.screen import Screen
from envs.code.proposals import Aim, Run, call_in_words, judge
from envs.code.proposer import Proposal, Rejected, inputs_of, parse
from envs.code.purity import impurity, orders_sets
from envs.code.task import CodeTask
from rewards.code.grade import clean
from rewards.code.sandbox import Sandbox, SandboxError
from rewards.result import RewardResult

CALL_S = 1.0
RUN_S = 6.0
"""For all runs of one proposal; a sound one takes a tenth of that."""
_PADDING = """_padding = []
for _n in range(1, {}):
    _padding += [lambda: 0, bytes(_n), (_n,) * _n, {{_n}}, iter([_n])]
"""
"""Before the source in every other sandbox, of another size for every input: addresses end in other
digits there."""

Known = Callable[[Proposal, CodeTask], str | None]
"""Says why a proposal that runs must not become its task, or None. May raise SandboxError."""
Boxes = Callable[[int], Sequence[Sandbox]]
"""Returns that many sandboxes with different hash seeds. May raise SandboxError."""


def score_proposal(
    boxes: Boxes,
    completion: str,
    *,
    seed: int,
    aim: Aim,
    screen: Screen | None = None,
    known: Known | None = None,
) -> RewardResult:
    """Return a `pass` of value 0 with the new task's payload as evidence, or why there is none.

    What it may return is read first (purity.py), then it runs on every input in a process of its
    own, in two sandboxes at least: in another order, with another seed, other addresses and other
    hashes of texts; where the order of a set may show, in four. What a sound proposal earns is
    known once others have tried to solve it (`proposals.reward`); the caller puts it in. `seed`
    chooses the further inputs that the proposer did not.
    """
    proposal = parse(completion)
    if isinstance(proposal, Rejected):
        return _result("unparsable", proposal.reason, None)
    function = ast.parse(proposal.source).body[0]
    assert isinstance(function, ast.FunctionDef)
    fault = impurity(function)
    if fault is not None:
        return _result("fail", f"not the same value every time: {fault} in the function", proposal)
    inputs = inputs_of(proposal, seed)
    try:
        runs = run(boxes(4 if orders_sets(function) else 2), proposal, inputs)
        made = (
            runs
            if isinstance(runs, Rejected)
            else judge(proposal, inputs, runs, aim=aim, screen=screen)
        )
        if not isinstance(made, Rejected) and known is not None:
            why = known(proposal, made)
            made = made if why is None else Rejected(why)
    except SandboxError as error:
        return _result("infra_error", str(error), proposal)
    if isinstance(made, Rejected):
        return _result("fail", made.reason, proposal)
    return _result("pass", "", proposal, made.payload())


def run(
    sandboxes: Sequence[Sandbox], proposal: Proposal, inputs: Sequence[list[Any]]
) -> list[list[Run]] | Rejected:
    """Return the runs of every input, one in each sandbox, or why they were broken off.

    Each call has a process of its own, so nothing of a call is there in the next; the sandboxes
    take turns at which end they begin. What fails on an input of its own is run no further, and
    all runs together have RUN_S seconds. Raises SandboxError.
    """
    runs: list[list[Run]] = [[] for _ in inputs]
    end = time.monotonic() + RUN_S
    for number, sandbox in enumerate(sandboxes):
        places = range(len(inputs))[:: -1 if number % 2 else 1]
        for place in places:
            if time.monotonic() > end:
                return Rejected(f"takes more than {RUN_S:g} s for {len(inputs)} inputs")
            padding = _PADDING.format(40 + 7 * place) if number % 2 else ""
            source = padding + proposal.source
            made = _call(sandbox, source, proposal.name, inputs[place], number)
            if not made.ok and place < len(proposal.inputs):
                return Rejected(f"{call_in_words(proposal, inputs[place])}: {made.detail}")
            runs[place].append(made)
    return runs


def _call(sandbox: Sandbox, source: str, name: str, args: list[Any], seed: int) -> Run:
    limits = replace(sandbox.limits, wall_s=CALL_S)
    with sandbox.open(source, seed=seed, limits=limits) as candidate:
        got = candidate.call(name, args, {}, wall_s=CALL_S)
        if got.status != "ok" and candidate.load.status != "ok":
            got = candidate.load
    return Run(got.status == "ok", got.value, got.detail or got.status)


def _result(
    verdict: Any, reason: str, proposal: Proposal | None, task: dict[str, Any] | None = None
) -> RewardResult:
    evidence = {
        "action": None if proposal is None else clean(proposal.source),
        "detail": clean(reason),
        "task": task,
    }
    return RewardResult(0.0, verdict, {"sound": float(task is not None)}, evidence)
