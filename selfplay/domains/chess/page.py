"""What pages and the console show of chess: boards as inline SVG, and paired tests as sentences.

A board has the moves of the model and of the engine as arrows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import chess
import chess.svg

from selfplay.display.numbers import number, paired_lines, points, signed
from selfplay.display.text import escape
from selfplay.domains.shown import Rows, chosen

BASELINES = {
    "random_mover": "random mover",
    "first_capture": "rule: first undefended capture",
    "best_exchange": "rule: best exchange",
    "mate_or_material": "rule: mate, else material",
}
"""The random mover and the rules of envs.chess.rules -> what people read."""
NOTE = (
    '<p class="dim">Evenly spaced over the suite, whatever the model did there. Orange: the '
    "model's move; green: the engine's best.</p>"
)
_MODEL_COLOUR, _BEST_COLOUR = "#c2410cd0", "#15803dd0"
_STYLE = re.compile(r'style="([^"]*)"')


def sentences(suite: Mapping[str, Any]) -> list[str]:
    """Return what the paired tests say of a suite."""
    paired = suite.get("paired") or {}
    lines = []
    p = (paired.get("legal_rate") or {}).get("p")
    if p is not None:
        size = f"p = {p:.2g}" if p >= 1e-12 else "p < 1e-12"
        lines.append(f"legal moves, base against final (McNemar, paired): {size}")
    lines += paired_lines(paired)
    difference = paired.get("regret_vs_random") or {}
    if difference.get("value") is not None:
        lines.append(
            "regret of the final policy minus a random legal mover's, same positions: "
            + signed(difference)
        )
    for rule, found in (paired.get("vs_rules") or {}).items():
        name = BASELINES.get(rule, rule)
        if found["regret"]["value"] is not None:
            lines.append(f"the same, minus that of {name}: {signed(found['regret'])}")
            lines.append(
                f"best moves of the final policy minus those of {name}: "
                f"{points(found['best_move_rate'])}"
            )
    return lines


def pieces_svg() -> str:
    """Return the hidden SVG with the piece shapes that every board on the page uses."""
    _, begins, rest = chess.svg.board(chess.Board()).partition("<defs>")
    inner, ends, _ = rest.partition("</defs>")
    shapes = begins + inner + ends
    return f'<svg width="0" height="0" aria-hidden="true">{_as_attributes(shapes)}</svg>'


def boards_html(base: Rows, final: Rows) -> str:
    """Return positions of one suite before and after training, "" without any."""
    for suite, rows in final.items():
        pairs = list(chosen(base, {suite: rows}, lambda row: "fen" in row))
        if pairs:
            boards = "".join(pair_html(before, after) for _, before, after in pairs)
            return f'{NOTE}{pieces_svg()}<div class="grid">{boards}</div>'
    return ""


def pair_html(base: Mapping[str, Any], final: Mapping[str, Any]) -> str:
    """Return one position before and after training as a figure."""
    before, after = _board_html(base, "before"), _board_html(final, "after")
    return (
        f'<figure><div class="pair">{before}{after}</div>'
        f"<figcaption>{escape(final.get('fen', ''), 120)}</figcaption></figure>"
    )


def _board_html(row: Mapping[str, Any], when: str) -> str:
    svg = board_svg(str(row.get("fen", "")), row.get("action"), row.get("best_moves") or [])
    move = row.get("action") or "no legal move"
    regret = row.get("regret")
    cost = f", regret {number(regret)}" if regret is not None else ""
    return (
        f"<figure>{svg}<figcaption>{when}: {escape(row.get('completion', ''), 60)}"
        f" → {escape(move, 40)} ({escape(row.get('verdict', '-'), 20)}{cost})"
        "</figcaption></figure>"
    )


def board_svg(fen: str, move: str | None, best: list[str]) -> str:
    """Return the board of `fen` without piece shapes; an unreadable FEN gives a note instead."""
    try:
        board = chess.Board(fen)
    except ValueError:
        return f"<p>no board: {escape(fen, 100)}</p>"
    arrows = [_arrow(board, uci, _BEST_COLOUR) for uci in best[:1]]
    arrows.append(_arrow(board, move, _MODEL_COLOUR))
    svg = chess.svg.board(
        board,
        orientation=board.turn,
        arrows=[arrow for arrow in arrows if arrow is not None],
        coordinates=False,
    )
    return _as_attributes(_without_definitions(svg))


def _arrow(board: chess.Board, uci: str | None, colour: str) -> chess.svg.Arrow | None:
    try:
        move = chess.Move.from_uci(uci) if uci else None
    except ValueError:
        return None
    if move is None or move not in board.legal_moves:
        return None
    return chess.svg.Arrow(move.from_square, move.to_square, color=colour)


def _without_definitions(svg: str) -> str:
    first, *others = svg.split("<defs>")
    return first + "".join(other.partition("</defs>")[2] for other in others)


def _as_attributes(svg: str) -> str:
    """Turn style attributes into SVG attributes: the page's policy allows no inline style."""

    def rewrite(match: re.Match[str]) -> str:
        rules = (rule.split(":", 1) for rule in match[1].split(";") if ":" in rule)
        return " ".join(f'{name.strip()}="{value.strip()}"' for name, value in rules)

    return _STYLE.sub(rewrite, svg)
