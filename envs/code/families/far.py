"""Held-out families that are three tokens and more from every training family."""

from __future__ import annotations

from envs.code.families.base import far
from envs.code.families.kinds import INTS, NAT

CORES = (
    far(
        "alternating_sum",
        INTS,
        "int",
        ("the sum of the elements of $a at even indices minus the sum of those at odd indices",),
        "sum($a[::2]) - sum($a[1::2])",
        "zigzag_sum",
        near=("sum($a[1::2]) - sum($a[::2])", "sum($a)"),
    ),
    far(
        "count_big_digits",
        NAT,
        "int",
        ("how many of the digits of $a are greater than 4",),
        "len([d for d in str($a) if int(d) > 4])",
        "big_digits",
        near=("len([d for d in str($a) if int(d) >= 4])",),
    ),
)
