"""Who can be compared with whom: chains of scores between players, in time linear in meetings.

Player i scored against j when i has points from j. A chain of scores from i to the root keeps i's
rating from falling without end, one from the root to i keeps it from rising without end; with both
the maximum likelihood rating exists (Ford 1957, Am. Math. Monthly 64, 28-33).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from selfplay.ratings.games import Crosstable


def reach(
    table: Crosstable, games: NDArray[np.float64], points: NDArray[np.float64], root: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return who is not infinitely below the root, and who is not infinitely above it.

    Args:
        table: who played whom.
        games, points: shape (versions, meetings), games played and a's points of them.
        root: index of the root.

    Returns:
        Two arrays of shape (versions, players).
    """
    sides = table.sides
    of_a, of_b = points > 0, points < games
    scored = np.where(sides.is_a, of_a[:, sides.meeting], of_b[:, sides.meeting])
    conceded = np.where(sides.is_a, of_b[:, sides.meeting], of_a[:, sides.meeting])
    return _reached(table, scored, root), _reached(table, conceded, root)


def components(table: Crosstable) -> list[NDArray[np.intp]]:
    """Return the groups of players with finite ratings among themselves, the largest first.

    They are the strongly connected components of "scored against" (Tarjan 1972, SIAM J. Comput. 1,
    146-160). Of groups of one size the one that played more games comes first.
    """
    games, points = table.meeting_sums(table.games), table.meeting_sums(table.points)
    sides = table.sides
    scored = np.where(sides.is_a, points[sides.meeting] > 0, (games - points)[sides.meeting] > 0)
    played = table.player_sums(games, games)
    groups = _strong(
        [sides.other[s][scored[s]].tolist() for s in map(sides.of, range(len(table.players)))]
    )
    return sorted(groups, key=lambda group: (-group.size, -played[group].sum(), group[0]))


def islands(table: Crosstable) -> list[NDArray[np.intp]]:
    """Return the groups of players that chains of games join, won or lost; the largest first."""
    size = len(table.players)
    label = np.arange(size)
    while True:
        # Each takes the smallest label around it, then what that one has come to.
        low = np.minimum(label[table.a], label[table.b])
        wider = label.copy()
        np.minimum.at(wider, table.a, low)
        np.minimum.at(wider, table.b, low)
        wider = np.minimum(wider, wider[wider])
        if (wider == label).all():
            break
        label = wider
    order = np.argsort(label, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    return sorted(groups, key=lambda group: (-group.size, group[0]))


def _reached(table: Crosstable, edges: NDArray[np.bool_], root: int) -> NDArray[np.bool_]:
    """Return who has a chain of edges to the root; an edge leads from a side's player to its other.

    Args:
        table: who played whom.
        edges: shape (versions, sides).
        root: index of the root.
    """
    sides = table.sides
    reached = np.zeros((len(edges), len(table.players)), dtype=np.bool_)
    reached[:, root] = True
    left = np.arange(len(edges))
    while left.size:
        now = reached[left]
        steps = edges[left] & now[:, sides.other]
        wider = now | np.logical_or.reduceat(steps, sides.begin, axis=1)
        reached[left] = wider
        left = left[(wider != now).any(axis=1)]
    return reached


def _strong(edges: list[list[int]]) -> list[NDArray[np.intp]]:
    """Return the strongly connected components, each sorted; Tarjan's algorithm with a stack."""
    number = [-1] * len(edges)
    low = [0] * len(edges)
    held = [False] * len(edges)
    stack: list[int] = []
    groups = []
    count = 0
    for start in range(len(edges)):
        if number[start] >= 0:
            continue
        path = [(start, iter(edges[start]))]
        number[start] = low[start] = count
        count += 1
        stack.append(start)
        held[start] = True
        while path:
            node, further = path[-1]
            for other in further:
                if number[other] < 0:
                    number[other] = low[other] = count
                    count += 1
                    stack.append(other)
                    held[other] = True
                    path.append((other, iter(edges[other])))
                    break
                if held[other]:
                    low[node] = min(low[node], number[other])
            else:
                path.pop()
                if path:
                    parent = path[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == number[node]:
                    group: list[int] = []
                    while not group or group[-1] != node:
                        group.append(stack.pop())
                        held[group[-1]] = False
                    groups.append(np.array(sorted(group), dtype=np.intp))
    return groups
