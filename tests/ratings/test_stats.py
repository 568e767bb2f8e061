"""Holm's correction and Student's quantiles; what the ratings package may import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.stats.intervals import holm, student_t95
from tests.patience import patient

P_VALUES = st.lists(st.floats(0, 1), max_size=12)


def test_holm_as_r_adjusts() -> None:
    # R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == [] and holm([0.2]) == [0.2] and holm([0.9, 0.8]) == [1.0, 1.0]


@given(P_VALUES, st.floats(0.001, 0.2))
def test_holm_rejects_what_the_procedure_steps_down_to(ps: list[float], alpha: float) -> None:
    rejected = set()
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        if ps[index] * (len(ps) - rank) > alpha:
            break
        rejected.add(index)
    adjusted = holm(ps)
    assert {i for i, p in enumerate(adjusted) if p <= alpha} == rejected
    assert all(p <= q <= 1 for p, q in zip(ps, adjusted, strict=True))


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_impossible_p_values_are_refused(p: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, p])


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [
        (1, 12.7062),
        (2, 4.3027),
        (3, 3.1824),
        (5, 2.5706),
        (10, 2.2281),
        (30, 2.0423),
        (100, 1.9840),
    ],
)
def test_students_quantiles_as_in_the_tables(freedom: int, quantile: float) -> None:
    assert student_t95(freedom) == pytest.approx(quantile, rel=0.01 if freedom == 2 else 3e-3)


def test_no_freedom_has_no_quantile() -> None:
    with pytest.raises(ValueError, match="freedom=0"):
        student_t95(0)


def test_the_package_imports_nothing_heavy(repository: Path) -> None:
    program = (
        "import sys, selfplay.ratings; "
        "print([m for m in ('torch', 'ray', 'chess', 'rich', 'typer') if m in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=patient(30), check=True, cwd=repository
    )
    assert done.stdout == "[]\n"
