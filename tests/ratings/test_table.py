"""Ratings of everybody: floors, anchors, intervals and rank groups."""

from __future__ import annotations

import json
import math
import random

import pytest

from envs.errors import InputError
from selfplay.ratings import Pair, elo_of_score, rate
from selfplay.rundir.writes import plain

EVEN = [Pair("a", "b", 2, points) for points in (0.5, 1.0, 1.0, 1.5, 2.0, 0.0) * 5]


def lost(player: str, opponent: str, pairs: int) -> list[Pair]:
    return [Pair(player, opponent, 2, 0.0)] * pairs


def test_two_players_are_rated_by_their_score() -> None:
    pairs = [Pair("a", "b", 2, points) for points in (2.0, 1.0, 1.5, 1.0, 0.5, 2.0) * 4]
    found = rate(pairs, anchor="b", bootstraps=400)
    a, b = found.players
    assert (a.name, b.name) == ("a", "b")
    assert a.elo == pytest.approx(elo_of_score(8 / 12))
    assert a.low < a.elo < a.high
    assert (b.elo, b.low, b.high) == (0, 0, 0)
    assert (a.games, a.pairs, a.points) == (48, 24, 32)


def test_the_anchor_is_held_where_it_is_said() -> None:
    here = rate(EVEN, anchor="a", bootstraps=50)
    there = rate(EVEN, anchor="a", anchor_elo=1500, bootstraps=50)
    for line in here.players:
        moved = there.of(line.name)
        assert [moved.elo, moved.low, moved.high] == pytest.approx(
            [line.elo + 1500, line.low + 1500, line.high + 1500]
        )


def test_without_an_anchor_the_mean_is_held() -> None:
    pairs = EVEN + [Pair("b", "c", 2, p) for p in (1.5, 1.0, 2.0, 0.5) * 5] + lost("d", "a", 5)
    found = rate(pairs, bootstraps=50)
    assert found.anchor is None
    rated = [line.elo for line in found.players if line.status == "rated"]
    assert len(rated) == 3 and sum(rated) == pytest.approx(0, abs=1e-6)


def test_who_only_loses_is_below_the_floor_with_a_bound() -> None:
    found = rate(
        [*EVEN, *lost("weak", "a", 10), *lost("weaker", "a", 40)], anchor="a", bootstraps=50
    )
    weak, weaker = found.of("weak"), found.of("weaker")
    assert weak.status == weaker.status == "below"
    assert weak.elo == weak.low == -math.inf
    assert weak.high == pytest.approx(elo_of_score(1 - 0.025 ** (1 / 10)))
    assert weaker.high < weak.high < 0
    assert [line.name for line in found.players[2:]] == ["weak", "weaker"]
    # The others are rated as if these games had not been played.
    alone = rate(EVEN, anchor="a", bootstraps=50)
    assert found.of("b").elo == pytest.approx(alone.of("b").elo)


def test_who_only_wins_is_above_the_ceiling() -> None:
    found = rate([*EVEN, *lost("a", "strong", 10)], anchor="a", bootstraps=50)
    strong = found.players[0]
    assert (strong.name, strong.status, strong.elo, strong.high) == (
        "strong",
        "above",
        math.inf,
        math.inf,
    )
    assert strong.low == pytest.approx(-elo_of_score(1 - 0.025 ** (1 / 10)))
    assert strong.rank == 1 and found.of("a").rank == 2


def test_a_group_that_only_loses_is_below_together() -> None:
    pairs = [*EVEN, *lost("x", "a", 6), Pair("x", "y", 2, 1.5), Pair("y", "x", 2, 1.5)]
    found = rate(pairs, anchor="a", bootstraps=50)
    assert found.of("x").status == found.of("y").status == "below"
    assert found.of("x").high < 0 and found.of("y").high == math.inf  # y met no rated player


def test_players_without_a_chain_of_games_are_unconnected() -> None:
    pairs = [*EVEN, *[Pair("x", "y", 2, 1.5)] * 3, Pair("y", "x", 2, 2.0)]
    found = rate(pairs, anchor="a", bootstraps=50)
    x = found.of("x")
    assert x.status == "unconnected" and math.isnan(x.elo) and x.rank is None
    assert [line.name for line in found.players[-2:]] == ["x", "y"]


def test_an_anchor_that_only_loses_gives_way_to_the_mean_with_a_note() -> None:
    found = rate([*EVEN, *lost("random", "a", 10), *lost("random", "b", 10)], anchor="random")
    assert found.anchor is None
    assert "random" in found.notes[0] and "mean of 2" in found.notes[0]
    assert found.of("random").status == "below"
    assert found.of("a").elo == pytest.approx(-found.of("b").elo)


def test_two_players_one_of_whom_only_loses() -> None:
    found = rate(lost("a", "b", 20), anchor="b")
    assert found.of("b").elo == 0 and found.of("a").status == "below"
    assert found.of("a").high == pytest.approx(elo_of_score(1 - 0.025 ** (1 / 20)))


def test_repeatable_under_a_seed_and_whatever_the_order() -> None:
    pairs = EVEN + [Pair("b", "c", 2, p) for p in (1.5, 1.0, 2.0, 0.5) * 5]
    first, again = rate(pairs, seed=3, bootstraps=50), rate(pairs, seed=3, bootstraps=50)
    other = rate(pairs, seed=4, bootstraps=50)
    assert first == again
    assert first.of("c").elo == other.of("c").elo and first.of("c").low != other.of("c").low
    shuffled = pairs[:]
    random.Random(0).shuffle(shuffled)
    turned = [Pair(p.second, p.first, 2, 2 - p.points) for p in shuffled]
    assert rate(turned, bootstraps=0).of("c").elo == pytest.approx(first.of("c").elo)


def test_more_pairs_make_narrower_intervals() -> None:
    few, many = (rate(EVEN * n, anchor="b", bootstraps=400).of("a") for n in (1, 16))
    assert many.elo == pytest.approx(few.elo)
    assert (many.high - many.low) * 4 == pytest.approx(few.high - few.low, rel=0.25)


def test_results_that_do_not_vary_still_leave_doubt() -> None:
    a = rate([Pair("a", "b", 2, 1.0)] * 25, anchor="b", bootstraps=100).of("a")
    # 25 drawn pairs, each as one decisive game: t(24) · sqrt(4 / 25) nats.
    half = 2.0639 * 0.4 * 400 / math.log(10)
    assert (a.elo, a.low, a.high) == pytest.approx((0, -half, half), rel=1e-3)


def test_few_pairs_leave_much_doubt() -> None:
    single = rate([Pair("a", "b", 2, 1.5)], anchor="b", bootstraps=100).of("a")
    assert (single.low, single.high) == (-math.inf, math.inf)
    two = rate([Pair("a", "b", 2, 1.5), Pair("a", "b", 2, 1.0)], anchor="b").of("a")
    assert two.low < -500 and two.high > 500


def test_without_resamples_intervals_are_infinite() -> None:
    a = rate(EVEN, anchor="b", bootstraps=0).of("a")
    assert (a.low, a.high) == (-math.inf, math.inf)


def test_the_players_without_games_to_the_others_are_named() -> None:
    pairs = [*EVEN, *(Pair("x", "y", 2, p) for p in (0.5, 1.5)), Pair("u", "v", 2, 1.0)]
    found = rate(pairs, bootstraps=50)
    assert found.notes == (
        "players whom no chain of games joins to the rated ones, by group: 2 (u, v); 2 (x, y)",
    )
    assert {line.name for line in found.players if line.status == "unconnected"} == set("uvxy")


def test_fewer_resamples_of_large_lists_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(0)
    names = [f"p{i:03}" for i in range(200)]
    pairs = [Pair(*rng.sample(names, 2), 2, rng.choice([0.5, 1.0, 1.5])) for _ in range(1200)]
    monkeypatch.setattr("selfplay.ratings.table.MEETINGS_FITTED", 150_000)
    message: list[str] = []
    found = rate(pairs, progress=message.append)
    assert 100 <= found.bootstraps < 130
    assert found.notes[0].startswith(f"{found.bootstraps} resamples instead of 1000, for 200 play")
    assert message[0] == "fitting 200 players" and f"resample {found.bootstraps}/" in message[-2]
    assert rate(pairs, bootstraps=0).notes == ()
    assert rate(EVEN).bootstraps == 1000


def test_the_json_is_strict() -> None:
    found = rate([*EVEN, *lost("weak", "a", 3), Pair("x", "y", 1, 1.0)], anchor="a", bootstraps=50)
    whole = json.loads(json.dumps(plain(found.as_dict()), allow_nan=False))
    weak = next(line for line in whole["players"] if line["name"] == "weak")
    assert weak["elo"] is None and weak["low"] is None
    assert weak["high"] == pytest.approx(elo_of_score(1 - 0.025 ** (1 / 3)))
    assert weak["status"] == "below" and weak["score"] == 0
    assert whole["games"] == 67 and whole["pairs"] == 34


def test_nothing_and_nobody_are_reported() -> None:
    with pytest.raises(InputError, match="no finished games"):
        rate([])
    with pytest.raises(
        InputError, match="anchor nobody: no such player in the games; there are a, b"
    ):
        rate(EVEN, anchor="nobody")
    with pytest.raises(ValueError, match="bootstraps=-1"):
        rate(EVEN, bootstraps=-1)
    with pytest.raises(KeyError):
        rate(EVEN, bootstraps=0).of("nobody")
