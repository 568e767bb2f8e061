"""Errors of the loop itself; bad input from outside is envs.errors.InputError."""

from __future__ import annotations


class RunCrashed(RuntimeError):
    """A run failed by our own fault; the traceback is in the file that the message names."""
