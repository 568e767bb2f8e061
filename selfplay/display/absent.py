"""What a page says in the place of what a domain cannot give it: it is not here, or it fails."""

from __future__ import annotations

from collections.abc import Iterable

from selfplay.display.text import visible
from selfplay.registry import broken, in_order, specs


def absent_notes(domains: Iterable[str]) -> list[str]:
    """Return a sentence for each of the domains that is not installed here, or is broken.

    The names may come from a stored file.
    """
    return [
        f"the domain '{visible(name, 60)}' {_why(name)}: its titles and the words for its tasks "
        "are left out"
        for name in in_order(domains)
        if name not in specs()
    ]


def _why(name: str) -> str:
    reason = broken().get(name)
    return f"cannot be used here ({reason})" if reason else "is not installed here"


def fault(domain: str, what: str, error: Exception) -> str:
    """Return in one line which method or function of a domain failed, and how."""
    first = (str(error).strip().splitlines() or [""])[0]
    return f"the domain '{domain}': {what} failed: {type(error).__name__}: {visible(first, 200)}"
