"""Text that came from a model or a file, made fit to be kept, sent and shown as UTF-8."""

from __future__ import annotations

import unicodedata


def clean_text(text: str) -> str:
    """Return `text` with a question mark for each lone surrogate, which UTF-8 cannot hold.

    Everything that a model wrote passes here once, where its tokens become text; the token ids stay
    as they were drawn. Nothing else is changed: what a control character means is for the reader
    that meets it, and what is shown to people is escaped where it is shown.
    """
    if text.isascii():
        return text
    return text.encode("utf-8", errors="replace").decode("utf-8")


def whole(text: str) -> bool:
    """Return whether `text` has no lone surrogate (JSON may write one, as "\\ud800")."""
    return text.isascii() or clean_text(text) == text


def plain_words(text: str) -> str:
    """Return the words of `text` on one line, without what is neither seen nor a space.

    For what a text's escapes made: a docstring may hold anything, and becomes an instruction.
    """
    kept = (c if not unicodedata.category(c).startswith("C") else " " for c in text)
    return " ".join("".join(kept).split())
