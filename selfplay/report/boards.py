"""Boards as inline SVG: a position with the moves of base, final and engine as arrows."""

from __future__ import annotations

import re
from typing import Any

import chess
import chess.svg

from selfplay.display.numbers import number
from selfplay.display.text import escape

POSITIONS = 6
_MODEL_COLOUR, _BEST_COLOUR = "#c2410cd0", "#15803dd0"
_STYLE = re.compile(r'style="([^"]*)"')


def pieces_svg() -> str:
    """Return the hidden SVG with the piece shapes that every board on the page uses."""
    _, begins, rest = chess.svg.board(chess.Board()).partition("<defs>")
    inner, ends, _ = rest.partition("</defs>")
    shapes = begins + inner + ends
    return f'<svg width="0" height="0" aria-hidden="true">{_as_attributes(shapes)}</svg>'


def chosen_positions(
    base: dict[str, Any], final: dict[str, Any]
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return six (base row, final row) pairs of one suite, evenly spaced over it.

    The choice depends on the order of the suite alone, so that it cannot flatter.
    """
    for suite, numbers in final.get("suites", {}).items():
        rows = {row["task_id"]: row for row in base["suites"].get(suite, {}).get("rows", [])}
        pairs = [
            (rows[row["task_id"]], row) for row in numbers.get("rows", []) if row["task_id"] in rows
        ]
        if pairs:
            count = min(POSITIONS, len(pairs))
            return [pairs[index * len(pairs) // count] for index in range(count)]
    return []


def pair_html(base: dict[str, Any], final: dict[str, Any]) -> str:
    """Return one position before and after training as a figure."""
    before, after = _board_html(base, "before"), _board_html(final, "after")
    return (
        f'<figure><div class="pair">{before}{after}</div>'
        f"<figcaption>{escape(final.get('fen', ''), 120)}</figcaption></figure>"
    )


def _board_html(row: dict[str, Any], when: str) -> str:
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
