"""InputError: bad input from outside, reported in one line."""

from __future__ import annotations


class InputError(ValueError):
    """What somebody gave us is wrong; the message is one line: file or key, fault, mend.

    The command line prints it and exits with 2; anything else is our own crash and exits with 1.
    """
