"""How far a held-out family is from what trains, in tokens of the expression that it is about.

The distance of two families is Levenshtein's between the tokens of their expressions as Python
splits them, parameters by their place, loop variables by the order in which they appear and a drawn
constant as one token. At distance 1 a model that has learnt a training family changes one word
(`max` for `min`, `1` for `0`); so gains are reported by distance.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Sequence
from functools import cache
from string import Template

from envs.code.families.registry import FAMILIES, TRAIN

BANDS = ("one token", "two tokens", "more")
"""Of the distance to the nearest training family."""
LEAST = 3
"""Tokens between a family of the suites `far` and `test` and every training family."""

_SKIPPED = (tokenize.NEWLINE, tokenize.NL, tokenize.ENDMARKER)


@cache
def tokens(family: str) -> tuple[str, ...]:
    """Return the tokens of a family's expression, names of no meaning made alike."""
    text = Template(FAMILIES[family].expr).substitute(a="a", b="b", c="c", k="K")
    tree = ast.walk(ast.parse(text, mode="eval"))
    bound = [n.id for n in tree if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    alike = {name: f"v{number}" for number, name in enumerate(dict.fromkeys(bound))}
    found = tokenize.generate_tokens(io.StringIO(text).readline)
    return tuple(alike.get(t.string, t.string) for t in found if t.type not in _SKIPPED)


def distance(one: str, other: str) -> int:
    """Return the token distance of two families."""
    left, right = tokens(one), tokens(other)
    row = list(range(len(right) + 1))
    for i, token in enumerate(left, 1):
        before, row[0] = row[0], i
        for j, rival in enumerate(right, 1):
            cost = min(row[j] + 1, row[j - 1] + 1, before + (token != rival))
            before, row[j] = row[j], cost
    return row[-1]


def nearest(family: str, among: Sequence[str]) -> tuple[int, str]:
    """Return the least distance of a family to others, and the first that has it."""
    return min((distance(family, other), other) for other in among if other != family)


@cache
def band(family: str) -> str:
    """Return which of BANDS a held-out family is in. Raises KeyError for an unknown family."""
    tokens_away, _ = nearest(family, TRAIN)
    return BANDS[min(tokens_away, len(BANDS)) - 1]
