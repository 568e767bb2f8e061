"""The names of all held-out suites, and which of them are test sets."""

from __future__ import annotations

from collections.abc import Sequence

from envs.chess import suites as chess_suites
from envs.errors import InputError

CODE_SUITES = ("code/families", "code/far", "code/humaneval", "code/mbpp", "code/test")
"""Held-out families; those that are far from every training family; HumanEval; MBPP's validation
split (511-600); families that no setting was chosen on."""
TEST_SUITES = (*chess_suites.TEST_SUITES, "code/test")
"""Suites that nothing may be chosen on: no configuration names one, no run trains on one or is
measured on one on its way; `selfplay eval --test` alone opens them."""


def suite_names(*, test: bool = False) -> tuple[str, ...]:
    """Return the suites that `eval.suites` and `--suite` take; with `test` the test sets too."""
    names = (*chess_suites.suite_names(), *CODE_SUITES)
    return tuple(name for name in names if test or name not in TEST_SUITES)


def check_suites(names: Sequence[str], *, test: bool = False) -> list[str]:
    """Return `names` if every one is a suite that there is.

    Raises:
        InputError: one is not, the message lists those that are; or one is a test set and `test`,
            which only `selfplay eval --test` gives, is false.
    """
    for name in names:
        if name in TEST_SUITES and not test:
            raise InputError(
                f"suite {name!r} is a test set, opened by `selfplay eval --test` alone; measure "
                f"settings on {', '.join(suite_names())}"
            )
        if name not in suite_names(test=test):
            known = ", ".join(suite_names(test=test))
            raise InputError(f"suite {name!r} is unknown; there are {known}")
    return list(names)
