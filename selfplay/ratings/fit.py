"""The Bradley-Terry fit: many weighted versions of one crosstable at once.

P(i beats j) = 1 / (1 + exp(r_j - r_i)); a draw counts as half a win of either. The ratings r, here
in nats (natural log odds), maximise the likelihood of every game together. Of each version, a
row of the arrays, one player is the root with r = 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from selfplay.ratings.games import Crosstable

_TOLERANCE = 1e-9
"""A step that moves no difference of ratings by more nats is the last one."""

_MOST_STEPS = 500


def reach(
    table: Crosstable, games: NDArray[np.float64], points: NDArray[np.float64], root: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return who is not infinitely below the root, and who is not infinitely above it.

    Player i scored against j when i has points from j. A chain of scores from i to the root keeps
    i's rating from falling without end, one from the root to i keeps it from rising without end;
    with both the maximum likelihood rating exists (Ford 1957, Am. Math. Monthly 64, 28-33).

    Args:
        table: who met whom.
        games, points: shape (versions, meetings), games played and a's points of them.
        root: index of the root.

    Returns:
        Two arrays of shape (versions, players).
    """
    size = len(table.players)
    scored = np.zeros((len(games), size, size), dtype=np.bool_)
    scored[:, table.a, table.b] = points > 0
    scored[:, table.b, table.a] = points < games
    return _reached(scored.swapaxes(1, 2), root), _reached(scored, root)


def components(table: Crosstable) -> list[NDArray[np.intp]]:
    """Return the groups of players with finite ratings among themselves, the largest first.

    Of groups of one size the one that played more games comes first.
    """
    games, points = table.meeting_sums(table.games), table.meeting_sums(table.points)
    played = table.player_sums(games, games)
    left = set(range(len(table.players)))
    groups = []
    while left:
        above, below = reach(table, games[None], points[None], min(left))
        group = np.flatnonzero(above[0] & below[0])
        left -= set(group.tolist())
        groups.append(group)
    return sorted(groups, key=lambda group: (-group.size, -played[group].sum(), group[0]))


def fit(
    table: Crosstable,
    games: NDArray[np.float64],
    points: NDArray[np.float64],
    root: int,
    near: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the ratings of each version in nats, shape (versions, players), the root's 0.

    Where a player's maximum likelihood rating is infinite it is -inf or inf, and NaN where nothing
    ties it to the root; see `reach`. Newton's method, each step shortened to log(1 + d) / d of
    itself, d being the largest change of a rating difference in nats: the logistic likelihood is
    self-concordant in that sense, so every step climbs and the steps become full ones in the end
    (Sun and Tran-Dinh 2019, Math. Program. 178, 145-213).

    Args:
        table: who met whom.
        games, points: shape (versions, meetings), games played and a's points of them.
        root: index of the root.
        near: shape (players,), where to start; infinite and NaN ones start at 0.

    Raises:
        ArithmeticError: no convergence, which would be a fault of this function.
    """
    above, below = reach(table, games, points, root)
    finite = above & below
    held = finite[:, table.a] & finite[:, table.b]
    games, points = games * held, points * held
    start = np.zeros(len(table.players)) if near is None else near
    r = np.where(finite & np.isfinite(start), start, 0.0)
    r -= r[:, [root]]
    r[~finite] = 0.0
    left = np.arange(len(games))
    for _ in range(_MOST_STEPS):
        step = _newton_step(table, r[left], games[left], points[left], finite[left], root)
        moved = np.abs(step[:, table.a] - step[:, table.b]).max(axis=1)
        shorter = np.where(moved > 1e-6, np.log1p(moved) / np.maximum(moved, 1e-6), 1.0)
        r[left] += shorter[:, None] * step
        left = left[moved > _TOLERANCE]
        if not left.size:
            break
    else:
        raise ArithmeticError(f"{left.size} Bradley-Terry fits did not converge")
    r -= r[:, [root]]
    r[above & ~below] = np.inf
    r[below & ~above] = -np.inf
    r[~above & ~below] = np.nan
    return r


def _newton_step(
    table: Crosstable,
    r: NDArray[np.float64],
    games: NDArray[np.float64],
    points: NDArray[np.float64],
    finite: NDArray[np.bool_],
    root: int,
) -> NDArray[np.float64]:
    a, b = table.a, table.b
    win = 1 / (1 + np.exp(r[:, b] - r[:, a]))
    residual = points - games * win
    weight = games * win * (1 - win)
    square = np.zeros((len(r), len(table.players), len(table.players)))
    square[:, a, b], square[:, b, a] = residual, -residual
    gradient = square.sum(axis=2)
    square[:, a, b] = square[:, b, a] = -weight
    each = np.arange(len(table.players))
    square[:, each, each] = -square.sum(axis=2) + ~finite
    # The rows of the information sum to 0; one more at the root's place holds the root at 0.
    square[:, root, root] += 1
    step: NDArray[np.float64] = np.linalg.solve(square, gradient[:, :, None])[:, :, 0]
    return step


def _reached(edges: NDArray[np.bool_], root: int) -> NDArray[np.bool_]:
    """Return whom one can reach from the root; edges[v, i, j] leads from i to j."""
    reached = np.zeros(edges.shape[:2], dtype=np.bool_)
    reached[:, root] = True
    while True:
        wider = reached | (edges & reached[:, :, None]).any(axis=1)
        if (wider == reached).all():
            return reached
        reached = wider
