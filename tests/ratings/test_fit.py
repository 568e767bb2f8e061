"""The Bradley-Terry fit against published fits, another algorithm, and its own conditions."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from selfplay.ratings import Pair
from selfplay.ratings.fit import fit
from selfplay.ratings.games import Crosstable
from selfplay.ratings.reach import components, islands, reach
from tests.patience import computing

# Home team, visitors, games won by each: American League East 1987 (Agresti, Categorical Data
# Analysis, 2nd edition 2002, table 10.10; `baseball` of the R package BradleyTerry2).
BASEBALL = {
    "Milwaukee": {"Detroit": (4, 3), "Toronto": (4, 2), "New York": (4, 3), "Boston": (6, 1)},
    "Detroit": {"Milwaukee": (3, 3), "Toronto": (4, 2), "New York": (4, 3), "Boston": (6, 0)},
    "Toronto": {"Milwaukee": (2, 5), "Detroit": (4, 3), "New York": (2, 4), "Boston": (4, 3)},
    "New York": {"Milwaukee": (3, 3), "Detroit": (5, 1), "Toronto": (2, 5), "Boston": (4, 3)},
    "Boston": {"Milwaukee": (5, 1), "Detroit": (2, 5), "Toronto": (3, 3), "New York": (4, 2)},
    "Cleveland": {"Milwaukee": (2, 5), "Detroit": (3, 3), "Toronto": (3, 4), "New York": (4, 3)},
    "Baltimore": {"Milwaukee": (2, 5), "Detroit": (1, 5), "Toronto": (1, 6), "New York": (2, 4)},
}
for home, cleveland, baltimore in (
    ("Milwaukee", (4, 2), (6, 0)),
    ("Detroit", (6, 1), (4, 3)),
    ("Toronto", (4, 2), (6, 0)),
    ("New York", (4, 2), (6, 1)),
    ("Boston", (5, 2), (6, 0)),
):
    BASEBALL[home] |= {"Cleveland": cleveland, "Baltimore": baltimore}
BASEBALL["Cleveland"] |= {"Boston": (4, 2), "Baltimore": (2, 4)}
BASEBALL["Baltimore"] |= {"Boston": (1, 6), "Cleveland": (3, 4)}

BASEBALL_FIT = {  # Agresti, section 10.6.2: log odds against Baltimore
    "Milwaukee": 1.58,
    "Detroit": 1.44,
    "Toronto": 1.29,
    "New York": 1.25,
    "Boston": 1.11,
    "Cleveland": 0.68,
    "Baltimore": 0.0,
}

# Stigler 1994: citations of a journal (row) in another (column), read as wins; fit of Turner and
# Firth 2012 (J. Stat. Software 48:9, section 2.1).
CITATIONS = {
    ("Biometrika", "Comm Statist"): (730, 33),
    ("Biometrika", "JASA"): (498, 320),
    ("Biometrika", "JRSS-B"): (221, 284),
    ("Comm Statist", "JASA"): (68, 813),
    ("Comm Statist", "JRSS-B"): (17, 276),
    ("JASA", "JRSS-B"): (142, 325),
}
CITATIONS_FIT = {"Biometrika": 0.0, "Comm Statist": -2.9491, "JASA": -0.4796, "JRSS-B": 0.2690}

POINTS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)).filter(
        lambda row: row[0] != row[1]
    ),
    min_size=1,
    max_size=25,
)


def won(first: str, second: str, wins: int, losses: int) -> list[Pair]:
    """Single games, as many as were won and lost."""
    return [Pair(first, second, 1, 1.0)] * wins + [Pair(first, second, 1, 0.0)] * losses


def fitted(pairs: list[Pair], root: str) -> dict[str, float]:
    """Ratings in nats by name."""
    table = Crosstable.of(pairs)
    games, points = table.meeting_sums(table.games), table.meeting_sums(table.points)
    r = fit(table, games[None], points[None], table.players.index(root))[0]
    return dict(zip(table.players, r.tolist(), strict=True))


def test_agrestis_baseball() -> None:
    rows = [(a, b, *w) for a, met in BASEBALL.items() for b, w in met.items()]
    assert len(rows) == 42 and sum(r[2] + r[3] for r in rows) == 7 * 6 // 2 * 13
    found = fitted([pair for row in rows for pair in won(*row)], "Baltimore")
    assert {team: round(r, 2) for team, r in found.items()} == BASEBALL_FIT


def test_stiglers_citations() -> None:
    pairs = [pair for (a, b), w in CITATIONS.items() for pair in won(a, b, *w)]
    assert fitted(pairs, "Biometrika") == pytest.approx(CITATIONS_FIT, abs=5e-5)


def test_two_players_in_closed_form() -> None:
    pairs = [*won("a", "b", 5, 2), Pair("b", "a", 2, 1.0)]  # 6 of 9 points
    assert fitted(pairs, "b")["a"] == pytest.approx(np.log(6 / 3))


def test_a_chain_adds_up() -> None:
    pairs = won("a", "b", 3, 1) + won("b", "c", 3, 1) + won("c", "d", 1, 9)
    assert fitted(pairs, "a") == pytest.approx(
        {"a": 0, "b": -np.log(3), "c": -2 * np.log(3), "d": -2 * np.log(3) + np.log(9)}
    )


def minorised(table: Crosstable, rounds: int = 5000) -> NDArray[np.float64]:
    """The same maximum by Hunter's MM algorithm (2004, Ann. Stat. 32, 384-406), root 0."""
    games, points = table.meeting_sums(table.games), table.meeting_sums(table.points)
    scored = table.player_sums(points, games - points)
    strength = np.ones(len(table.players))
    for _ in range(rounds):
        share = games / (strength[table.a] + strength[table.b])
        strength = scored / table.player_sums(share, share)
        strength /= strength[0]
    return np.log(strength)


def test_another_algorithm_finds_the_same() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(0, 1.5, 8)
    pairs = []
    for _ in range(250):
        a, b = rng.choice(8, 2, replace=False)
        taken = rng.binomial(4, 1 / (1 + np.exp(truth[b] - truth[a]))) / 2
        pairs.append(Pair(f"p{a}", f"p{b}", 2, float(taken)))
    found = fitted(pairs, "p0")
    assert list(found.values()) == pytest.approx(minorised(Crosstable.of(pairs)), abs=1e-6)


@given(POINTS)
def test_finite_ratings_explain_the_points_and_others_are_infinite(
    rows: list[tuple[int, int, int]],
) -> None:
    pairs = [Pair(f"p{a}", f"p{b}", 2, half / 2) for a, b, half in rows]
    table = Crosstable.of(pairs)
    games, points = table.meeting_sums(table.games), table.meeting_sums(table.points)
    root = 0
    r = fit(table, games[None], points[None], root)[0]
    assert r[root] == 0
    held = np.isfinite(r[table.a]) & np.isfinite(r[table.b])
    a, b = table.a[held], table.b[held]
    expected, scored = np.zeros_like(r), np.zeros_like(r)
    for player, other, taken in ((a, b, points[held]), (b, a, (games - points)[held])):
        np.add.at(expected, player, games[held] / (1 + np.exp(r[other] - r[player])))
        np.add.at(scored, player, taken)
    assert expected == pytest.approx(scored, abs=1e-6)
    # Whoever is infinitely above another took every point from them.
    for one, two, n, taken in zip(table.a, table.b, games, points, strict=True):
        if not (np.isfinite(r[one]) and np.isfinite(r[two])) and r[one] != r[two]:
            assert taken == (n if r[one] > r[two] else 0) or np.isnan(r[one] + r[two])


def test_versions_are_fitted_alone_and_may_fall_apart() -> None:
    table = Crosstable.of(won("a", "b", 3, 1) + won("b", "c", 2, 2) + won("a", "d", 1, 1))
    games = np.array([[4.0, 2, 4], [4, 0, 4], [4, 2, 0], [0, 2, 4]])
    points = np.array([[3.0, 1, 2], [4, 0, 4], [1, 0, 0], [0, 1, 2]])
    r = fit(table, games, points, root=0, near=np.array([0.0, 9, -9, np.inf]))
    log3 = np.log(3)
    assert r[0] == pytest.approx([0, -log3, -log3, 0])
    assert r[1].tolist()[1:3] == [-np.inf, -np.inf] and np.isnan(r[1, 3])
    assert r[2, 1] == pytest.approx(log3) and np.isnan(r[2, 2]) and r[2, 3] == np.inf
    assert np.isnan(r[3, 1]) and np.isnan(r[3, 2]) and r[3, 3] == pytest.approx(0)


def test_nearly_separated_results_converge() -> None:
    # One point in 100,000 between each two of a chain: ratings up to 57 nats apart.
    pairs = [Pair(f"p{i}", f"p{i + 1}", 100_000, 99_999.0) for i in range(5)]
    assert fitted(pairs, "p0")["p5"] == pytest.approx(-5 * np.log(99_999), rel=1e-9)


def test_groups_hold_those_with_finite_distances() -> None:
    pairs = won("a", "b", 1, 1) + won("b", "c", 1, 1) + won("a", "d", 3, 0) + won("x", "y", 2, 2)
    groups = [
        [Crosstable.of(pairs).players[i] for i in g] for g in components(Crosstable.of(pairs))
    ]
    assert groups == [["a", "b", "c"], ["x", "y"], ["d"]]


def sparse_pairs(rng: np.random.Generator, players: int, pairs: int) -> list[Pair]:
    """Pairs between the next few of a ring: long chains from one side to the other."""
    elos = rng.normal(0, 150, players)
    found = []
    for _ in range(pairs):
        a = int(rng.integers(players))
        b = (a + int(rng.integers(1, 8))) % players
        chance = 1 / (1 + 10 ** ((elos[b] - elos[a]) / 400))
        points = float(rng.binomial(4, chance)) / 2
        found.append(Pair(f"p{a:04}", f"p{b:04}", 2, points))
    return found


def test_many_players_are_fitted_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    table = Crosstable.of(sparse_pairs(rng, 160, 600))
    drawn = rng.multinomial(600, np.full(600, 1 / 600), size=5)
    games = table.meeting_sums(drawn * table.games)
    points = table.meeting_sums(drawn * table.points)
    root = int(components(table)[0][0])
    sparse = fit(table, games, points, root)
    monkeypatch.setattr("selfplay.ratings.fit.DENSE_PLAYERS", 1000)
    dense = fit(table, games, points, root)
    assert np.isfinite(dense).sum() > 300 and not np.isfinite(dense).all()
    np.testing.assert_allclose(sparse, dense, atol=1e-7)


@given(POINTS)
def test_reach_and_groups_are_those_of_paths(rows: list[tuple[int, int, int]]) -> None:
    pairs = [Pair(str(a), str(b), 2, points / 2) for a, b, points in rows]
    table = Crosstable.of(pairs)
    size = len(table.players)
    games, points = table.meeting_sums(table.games), table.meeting_sums(table.points)
    scored = np.eye(size, dtype=bool)
    scored[table.a, table.b] |= points > 0
    scored[table.b, table.a] |= points < games
    met = scored | scored.T
    for _ in range(size):
        scored = (scored.astype(int) @ scored) > 0
        met = (met.astype(int) @ met) > 0
    for root in range(size):
        above, below = reach(table, games[None], points[None], root)
        assert (above[0] == scored[:, root]).all() and (below[0] == scored[root]).all()
    for groups, joined in ((components(table), scored & scored.T), (islands(table), met)):
        assert sorted(np.concatenate(groups).tolist()) == list(range(size))
        for group in groups:
            assert set(group.tolist()) == set(np.flatnonzero(joined[group[0]]).tolist())


def test_a_long_chain_of_meetings_is_fitted_too() -> None:
    """Only neighbours met: between the ends lie 3,000 meetings, and the ratings say so."""
    pairs = [
        Pair(f"p{i:04}", f"p{i + 1:04}", 2, points) for i in range(3000) for points in (0.5, 1.0)
    ]
    table = Crosstable.of(pairs)
    games, points = table.meeting_sums(table.games), table.meeting_sums(table.points)
    begin = time.process_time()
    ratings = fit(table, games[None], points[None], 0)[0]
    assert time.process_time() - begin < computing(3.0)
    step = np.log(2.5 / 1.5)  # 2.5 of 4 games
    np.testing.assert_allclose(np.diff(ratings), step, atol=1e-6)


def test_blocks_are_of_near_players() -> None:
    pairs = [Pair(f"p{i:03}", f"p{i + 1:03}", 2, 1.0) for i in range(199)]
    table = Crosstable.of([*pairs, Pair("x", "y", 2, 1.0)])
    block = table.blocks(10)
    assert len(set(block.tolist())) == 10 and np.bincount(block).max() <= 21
    chain = np.abs(np.diff(block[:200]))  # from one end to the other
    assert chain.sum() == chain.astype(bool).sum() <= 10


def test_time_and_memory_grow_with_the_games_not_with_the_players_squared() -> None:
    rng = np.random.default_rng(4)
    table = Crosstable.of(sparse_pairs(rng, 3000, 15_000))
    games, points = table.meeting_sums(table.games), table.meeting_sums(table.points)
    root = int(components(table)[0][0])
    tracemalloc.start()
    begin = time.process_time()
    ratings = fit(table, games[None], points[None], root)
    took, most = time.process_time() - begin, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.isfinite(ratings).sum() > 2500
    # 3,000² numbers alone would be 72 MB, and one solution of such equations some seconds.
    assert most < 20e6 and took < computing(4.0)
