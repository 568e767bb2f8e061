"""The families that came later, under the judge: their references pass, idle programs do not."""

from __future__ import annotations

from envs.code.families import FAR, TEST, make
from rewards.code.faults import faults
from rewards.code.scorer import CodeScorer


def test_far_and_test_families_hold() -> None:
    """A level each, in turn; the older families are judged by `selfplay tasks check`."""
    found = {}
    with CodeScorer() as scorer:
        for number, family in enumerate((*FAR, *TEST)):
            task = make(family, 1 + number % 3, 0)
            found[task.key] = faults(task, scorer)
    assert not {key: reasons for key, reasons in found.items() if reasons}
