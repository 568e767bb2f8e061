"""From a proposal that was run to a task, and what its proposer earns."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from envs.code.families.screen import Screen
from envs.code.prompts import call_text, chat_text
from envs.code.proposer import LEAST_INPUTS, Proposal, Rejected
from envs.code.task import CallTest, CodeTask
from envs.code.values import Unsupported, pack, shown

Aim = Literal["predict", "reimplement"]
"""`predict`: say what the function returns for an input; `reimplement`: write it from examples."""

VISIBLE = 3
_LEAST_HIDDEN = 3
_UNLIKE = "not the same value every time"
_MAX_PROMPT = 1500
"""Bytes of the question, and so the most tokens: a prompt beyond a model's context ends a run."""
_MAX_RESULT = 300
"""Characters of a result, written out."""


@dataclass(frozen=True, slots=True)
class Run:
    """What became of one call in the sandbox: a value, or the reason why there is none."""

    ok: bool
    value: Any = None
    detail: str = ""


def judge(
    proposal: Proposal,
    inputs: Sequence[list[Any]],
    runs: Sequence[Sequence[Run]],
    *,
    aim: Aim,
    screen: Screen | None = None,
) -> CodeTask | Rejected:
    """Return the task that a proposal becomes, or why it becomes none.

    `runs[i]` are the runs, two at least and in interpreters of their own, on `inputs[i]`, of which
    the first are the proposal's. Rejected is what fails or does not end on its own inputs, does
    not return the same value every time on any input, is trivial (fewer than three different
    results, or the first argument given back) or does what an evaluation task asks (`screen`).
    """
    own = len(proposal.inputs)
    cases: list[CallTest] = []
    for i, (args, attempts) in enumerate(zip(inputs, runs, strict=True)):
        fault = _fault(attempts)
        if fault is None:
            cases.append(CallTest(list(args), attempts[0].value))
        elif i < own or fault == _UNLIKE:
            return Rejected(f"{call_in_words(proposal, args)}: {fault}")
    fault = _trivial(cases)
    if fault:
        return Rejected(fault)
    if screen is not None and screen.agrees(cases):
        return Rejected("does what an evaluation task asks")
    made = _predict(proposal, cases) if aim == "predict" else _reimplement(proposal, cases)
    if isinstance(made, CodeTask) and len(chat_text(made).encode()) > _MAX_PROMPT:
        return Rejected("a task that takes too much room to ask")
    return made


def call_in_words(proposal: Proposal, args: list[Any]) -> str:
    """Return a call of a proposal as it is written in a reason."""
    return call_text(proposal.name, CallTest(list(args), None))[:80]


def reward(solved: int, tried: int) -> float:
    """Return the proposer's reward: 1 - solve rate, 0 where nobody or everybody solves it.

    A proposal that is rejected earns 0 as well. Source: "Absolute Zero" (Zhao et al. 2025,
    arXiv:2505.03335), the learnability reward.
    """
    if not 0 < solved < tried:
        return 0.0
    return 1.0 - solved / tried


def _fault(attempts: Sequence[Run]) -> str | None:
    if len(attempts) < 2:
        raise ValueError("a proposal must be run twice on every input")
    failed = next((attempt for attempt in attempts if not attempt.ok), None)
    if failed is not None:
        some = any(attempt.ok for attempt in attempts)
        return _UNLIKE if some else failed.detail or "failed"
    try:
        packed = {pack(attempt.value) for attempt in attempts}
    except Unsupported as error:
        return str(error)
    if len(packed) > 1:
        return _UNLIKE
    return "a long result" if len(packed.pop()) > _MAX_RESULT else None


def _trivial(cases: Sequence[CallTest]) -> str | None:
    results = {pack(case.expected) for case in cases}
    if len(cases) < LEAST_INPUTS + 1:
        return "too few inputs on which it works"
    if all(type(case.expected) is bool for case in cases):
        counts = [sum(case.expected is value for case in cases) for value in (True, False)]
        return None if min(counts) * 4 >= len(cases) else "hardly more than one result"
    if len(results) < 3:
        return "fewer than three different results"
    if all(pack(case.expected) == pack(case.args[0]) for case in cases):
        return "gives its argument back"
    if any(case.expected is None for case in cases):
        return "returns None"
    return None


def _reimplement(proposal: Proposal, cases: Sequence[CallTest]) -> CodeTask | Rejected:
    visible, hidden = cases[:VISIBLE], cases[VISIBLE:]
    if len({pack(case.expected) for case in visible}) < 2:
        return Rejected("its first calls all return the same")
    if len(hidden) < _LEAST_HIDDEN or len({pack(case.expected) for case in hidden}) < 2:
        return Rejected("too few different results for hidden tests")
    instruction = " ".join(proposal.doc.split())[:500]
    return CodeTask(
        dataset="proposals",
        key=_key("reimplement", proposal, cases),
        split="train",
        instruction=instruction or "Write the function that these examples come from.",
        kind="calls",
        hidden=tuple(hidden),
        visible=tuple(visible),
        entry_point=proposal.name,
        signature=proposal.header,
        reference=proposal.source,
    )


def _predict(proposal: Proposal, cases: Sequence[CallTest]) -> CodeTask | Rejected:
    """Return a task that asks for one result: of the cases that cannot be guessed, the last."""
    usual = {pack(case.expected) for case in cases[:LEAST_INPUTS]}
    for case in reversed(cases):
        guessable = type(case.expected) is bool or pack(case.expected) in usual
        if guessable or len(shown(case.expected, 1000)) > 80:
            continue
        call = call_text(proposal.name, case)
        return CodeTask(
            dataset="proposals",
            key=_key("predict", proposal, [case]),
            split="train",
            instruction=f"What does {call} return?",
            kind="calls",
            hidden=(CallTest([], case.expected),),
            entry_point="answer",
            prefix=f"{proposal.source}\n\nassert {call} ==",
            reference=f"def answer():\n    return {case.expected!r}\n",
            answer="literal",
        )
    return Rejected("every result can be guessed")


def _key(aim: Aim, proposal: Proposal, cases: Sequence[CallTest]) -> str:
    text = "\n".join([proposal.source, *(repr(case.args) for case in cases)])
    return (
        f"proposals/{aim}/{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
    )
