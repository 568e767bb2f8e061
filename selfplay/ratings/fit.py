"""The Bradley-Terry fit: many weighted versions of one crosstable at once.

P(i beats j) = 1 / (1 + exp(r_j - r_i)); a draw counts as half a win of either. The ratings r, here
in nats (natural log odds), maximise the likelihood of every game together. Of each version, a
row of the arrays, one player is the root with r = 0.

Few players are fitted by solving Newton's equations outright. For many that takes the cube of their
number; then the equations, which join only players that played each other, are solved by conjugate
gradients, and time and memory are linear in the meetings.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from selfplay.ratings.games import Crosstable
from selfplay.ratings.reach import reach

DENSE_PLAYERS = 150
"""Up to this number Newton's equations are solved outright."""

_TOLERANCE = 1e-9
"""A step that moves no difference of ratings by more nats is the last one."""

_MOST_STEPS = 500

_RESIDUAL = 1e-2
"""Conjugate gradients end where the residual's norm is this small a part of the gradient's."""

_MOST_ITERATIONS = 2000
"""Then an inexact step is taken, which climbs as well."""


def fit(
    table: Crosstable,
    games: NDArray[np.float64],
    points: NDArray[np.float64],
    root: int,
    near: NDArray[np.float64] | None = None,
    tolerance: float = _TOLERANCE,
) -> NDArray[np.float64]:
    """Return the ratings of each version in nats, shape (versions, players), the root's 0.

    Where a player's maximum likelihood rating is infinite it is -inf or inf, and NaN where nothing
    ties it to the root; see `reach`. Newton's method, each step shortened to log(1 + d) / d of
    itself, d being the largest change of a rating difference in nats: the logistic likelihood is
    self-concordant in that sense, so every step climbs and the steps become full ones in the end
    (Sun and Tran-Dinh 2019, Math. Program. 178, 145-213). Inexact steps climb too, and converge
    (Dembo, Eisenstat and Steihaug 1982, SIAM J. Numer. Anal. 19, 400-408).

    Args:
        table: who played whom.
        games, points: shape (versions, meetings), games played and a's points of them.
        root: index of the root.
        near: shape (players,), where to start; infinite and NaN ones start at 0.
        tolerance: in nats; more than DENSE_PLAYERS players are fitted no more closely than this.

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
    dense = len(table.players) <= DENSE_PLAYERS
    tolerance = _TOLERANCE if dense else tolerance
    for _ in range(_MOST_STEPS):
        newton = _dense_step if dense else _sparse_step
        step = newton(table, r[left], games[left], points[left], finite[left], root)
        moved = np.abs(step[:, table.a] - step[:, table.b]).max(axis=1)
        shorter = np.where(moved > 1e-6, np.log1p(moved) / np.maximum(moved, 1e-6), 1.0)
        r[left] += shorter[:, None] * step
        left = left[moved > tolerance]
        if not left.size:
            break
    else:
        raise ArithmeticError(f"{left.size} Bradley-Terry fits did not converge")
    r -= r[:, [root]]
    r[above & ~below] = np.inf
    r[below & ~above] = -np.inf
    r[~above & ~below] = np.nan
    return r


def _dense_step(
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


def _sparse_step(
    table: Crosstable,
    r: NDArray[np.float64],
    games: NDArray[np.float64],
    points: NDArray[np.float64],
    finite: NDArray[np.bool_],
    root: int,
) -> NDArray[np.float64]:
    """Return Newton's step by conjugate gradients.

    The information is the Laplacian of the meetings' weights; it does not know the common level of
    those that are finite, and nothing about the others, whose gradient is 0. The preconditioner is
    the diagonal and, for lists in which a long chain of meetings joins the first to the last, the
    levels of blocks of near players, solved outright (two-level additive Schwarz: Toselli and
    Widlund 2005, Domain Decomposition Methods, section 2.5).
    """
    sides = table.sides
    win = 1 / (1 + np.exp(r[:, table.b] - r[:, table.a]))
    residual = points - games * win
    weight = (games * win * (1 - win))[:, sides.meeting]
    signed = np.where(sides.is_a, residual[:, sides.meeting], -residual[:, sides.meeting])
    gradient = np.add.reduceat(signed, sides.begin, axis=1)
    diagonal = np.add.reduceat(weight, sides.begin, axis=1)
    diagonal[~finite | (diagonal <= 0)] = 1.0
    step = np.zeros_like(r)
    wanted = (_RESIDUAL**2) * np.einsum("ij,ij->i", gradient, gradient)
    left = np.flatnonzero(wanted > 0)
    g, w, d, wanted = gradient[left], weight[left], diagonal[left], wanted[left]
    block = table.near_blocks
    coarse = _coarse_inverse(table, weight[left], block)
    x = np.zeros_like(g)
    z = g / d + _coarse_step(g, coarse, block)
    p = z.copy()
    steepness = np.einsum("ij,ij->i", g, z)
    for _ in range(_MOST_ITERATIONS):
        product = d * p - np.add.reduceat(w * p[:, sides.other], sides.begin, axis=1)
        curvature = np.einsum("ij,ij->i", p, product)
        length = np.where(curvature > 0, steepness / np.maximum(curvature, 1e-300), 0.0)
        x += length[:, None] * p
        g -= length[:, None] * product
        z = g / d + _coarse_step(g, coarse, block)
        next_steepness = np.einsum("ij,ij->i", g, z)
        going = (np.einsum("ij,ij->i", g, g) > wanted) & (length > 0)
        p = z + (next_steepness / np.maximum(steepness, 1e-300))[:, None] * p
        steepness = next_steepness
        if not going.all():
            step[left[~going]] = x[~going]
            left, g, w, d, x, p = (part[going] for part in (left, g, w, d, x, p))
            coarse = coarse[going]
            steepness, wanted = steepness[going], wanted[going]
            if not left.size:
                return step
    step[left] = x
    return step


def _coarse_inverse(
    table: Crosstable,
    weight: NDArray[np.float64],
    block: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return the inverse of the blocks' own Laplacian of each version, a little held down."""
    sides, size = table.sides, int(block.max()) + 1
    owner = np.repeat(np.arange(len(block)), np.diff(np.append(sides.begin, len(sides.other))))
    place = block[owner] * size + block[sides.other]
    inverse = np.empty((len(weight), size, size))
    for version, weights in enumerate(weight):
        joined = np.bincount(place, weights, size * size).reshape(size, size)
        np.fill_diagonal(joined, 0.0)
        total = joined.sum(axis=1)
        held = max(float(total.mean()), 1e-12)
        inverse[version] = np.linalg.inv(np.diag(total + 1e-6 * held) - joined)
    return inverse


def _coarse_step(
    gradient: NDArray[np.float64], inverse: NDArray[np.float64], block: NDArray[np.intp]
) -> NDArray[np.float64]:
    size = inverse.shape[1]
    sums = np.stack([np.bincount(block, row, size) for row in gradient])
    levels: NDArray[np.float64] = np.einsum("vij,vj->vi", inverse, sums)
    return levels[:, block]
