"""Families of the test set: far from every other family, and no setting was chosen on them."""

from __future__ import annotations

from envs.code.families.base import untouched
from envs.code.families.kinds import INTS

CORES = (
    untouched(
        "count_peaks",
        INTS,
        "int",
        ("how many elements of $a are greater than the element before and the one after them",),
        "sum(u < v > w for u, v, w in zip($a, $a[1:], $a[2:]))",
        "peaks",
        near=("sum(u < v for u, v in zip($a, $a[1:]))",),
    ),
)
