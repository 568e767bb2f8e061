"""index.html: data, styles and scripts in one file under a policy that runs these scripts alone.

The data is JSON in a script tag that no browser runs; the scripts build the page from it by
textContent. Should a text of a model get out of its place all the same, the policy neither runs
scripts other than ours (by their hash) nor loads anything from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib import resources
from typing import Any

from selfplay.display.text import escape
from selfplay.domains.chess.page import pieces_svg
from selfplay.leaderboard.build import Leaderboard
from selfplay.leaderboard.values import harmless
from selfplay.rundir.writes import plain

SCRIPTS = (
    *("dom.js", "numbers.js", "standings.js", "details.js", "table.js", "charts.js"),
    *("matrix.js", "board.js", "curve.js", "viewer.js", "evidence.js", "main.js"),
)
"""In the order in which they follow each other inside one function."""

_SIGNS = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def render(board: Leaderboard) -> str:
    """Return the page."""
    data = {**board.data, "games": board.games, "answers": board.answers}
    script, style = script_text(), asset("page.css")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_digest(script)}'",
            f"style-src '{_digest(style)}'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )
    title = escape(board.data["title"], 200)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{title}</title><style>{style}</style></head>\n"
        f'<body><a class="skip" href="#standings">Skip to the standings</a>{pieces_svg()}'
        f'<main id="page"><h1>{title}</h1><noscript><p>This page needs its own scripts; the same '
        "numbers stand in leaderboard.md and leaderboard.csv beside it.</p></noscript></main>\n"
        f'<script type="application/json" id="data">{embedded(data)}</script>\n'
        f"<script>{script}</script></body></html>\n"
    )


def embedded(data: Any) -> str:
    """Return `data` as JSON that cannot end the script tag that it stands in.

    Everything but ASCII is written as \\uXXXX (U+2028 and U+2029 with it), and so are <, > and &.
    """
    text = json.dumps(
        plain(harmless(data)), ensure_ascii=True, allow_nan=False, separators=(",", ":")
    )
    for sign, code in _SIGNS.items():
        text = text.replace(sign, code)
    return text


@cache
def asset(name: str) -> str:
    """Return a file of assets/."""
    return (resources.files("selfplay.leaderboard") / "assets" / name).read_text(encoding="utf-8")


@cache
def script_text() -> str:
    """Return all scripts as one function that leaves no name behind."""
    parts = "\n".join(asset(name) for name in SCRIPTS)
    return f"(() => {{\n'use strict';\n{parts}\n}})();\n"


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
