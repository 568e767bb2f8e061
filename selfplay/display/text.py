"""Hostile text made harmless to show: control characters, bidirectional marks, markup."""

from __future__ import annotations

import html
import unicodedata

_KEPT = {"\n": "⏎", "\t": "⇥"}
"""White space that is shown by a sign, since a table cell has one line."""


def visible(text: str, limit: int = 400) -> str:
    """Return `text` on one line with every character that is not printable shown as an escape.

    Control and format characters (terminal escapes, bidirectional overrides, zero-width marks),
    private-use characters and lone surrogates could rewrite a terminal or a page around them.

    Args:
        text: anything, a model's completion for instance.
        limit: characters of `text` looked at; a longer one ends in an ellipsis.
    """
    shown = "".join(_one(character) for character in text[:limit])
    return shown + "…" if len(text) > limit else shown


def escape(text: object, limit: int = 100_000) -> str:
    """Return `text` made visible and escaped for HTML text and quoted attributes."""
    return html.escape(visible(str(text), limit), quote=True)


def _one(character: str) -> str:
    if character in _KEPT:
        return _KEPT[character]
    category = unicodedata.category(character)
    if category[0] == "C" or category in ("Zl", "Zp"):
        return character.encode("unicode_escape", errors="backslashreplace").decode("ascii")
    return character
