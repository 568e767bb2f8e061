"""The names of all held-out suites."""

from __future__ import annotations

from envs.chess import suites as chess_suites

CODE_SUITES = ("code/families", "code/humaneval", "code/mbpp")
"""Held-out families; HumanEval; MBPP's validation split (511-600)."""


def suite_names() -> tuple[str, ...]:
    """Return every suite that `eval.suites` and `--suite` take."""
    return (*chess_suites.suite_names(), *CODE_SUITES)
