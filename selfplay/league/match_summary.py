"""What a match came to, from the tags of its games: score, pairs, Elo, legal answers, endings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from selfplay.league.match_file import Stored, StoredPair
from selfplay.league.player import Player
from selfplay.league.referee import RESULTS
from selfplay.stats.clustered import FORMULA, share_of_counts, stated

PENTANOMIAL = ("0", "1/2", "1", "3/2", "2")
"""Points of player A in a pair, worst first."""


def points(pair: StoredPair) -> tuple[float, float]:
    """Return player A's points in the two games. Raises KeyError where one has no result."""
    first, second = (RESULTS[game.headers["Result"]] for game in pair)
    return first, 1 - second


def summarise(
    pairs: Mapping[int, StoredPair], players: tuple[Player, Player], formula: int = FORMULA
) -> dict[str, Any]:
    """Return a match's numbers from player A's side, as JSON.

    `elo` is the difference A - B with its 95% interval from pair results (selfplay.ratings), its
    ends None where unbounded; `legal_first_try` is None for a player that never had to answer, its
    interval is over pairs: the moves of a pair's two games are not independent. `formula`: see
    selfplay/stats/clustered.py.
    """
    from selfplay.ratings import pair_elo

    counts = [0] * 5
    games: Counter[float] = Counter()
    endings: Counter[str] = Counter()
    for pair in pairs.values():
        both = points(pair)
        games.update(both)
        counts[round(2 * sum(both))] += 1
        endings.update(ending(game) for game in pair)
    played = 2 * len(pairs)
    total = sum(value * number for value, number in games.items())
    tries = [_first_try(pairs, index) for index in (0, 1)]
    rates = [share_of_counts(*found, formula) for found in tries]
    return {
        "players": [
            {
                "name": player.name,
                "version": player.version,
                "settings": player.settings,
                "repeatable": player.repeatable,
                "legal_first_try": rate.as_dict() if rate.n else None,
            }
            for player, rate in zip(players, rates, strict=True)
        ],
        "pairs": len(pairs),
        "games": played,
        "wins": games[1.0],
        "draws": games[0.5],
        "losses": games[0.0],
        "score": total / played if played else None,
        "pentanomial": counts,
        "elo": _finite(pair_elo(counts).as_dict()),
        "terminations": dict(endings.most_common()),
        **stated(formula),
    }


def ending(game: Stored) -> str:
    """Return how a game ended in few words, without what a model wrote."""
    headers = game.headers
    detail = headers.get("TerminationDetails", "?")
    if headers.get("Termination") == "rules infraction":
        return re.split(r" (?:after|at the) ", detail)[0]
    if headers.get("Termination") == "abandoned":
        return "no answer"
    return detail.partition(",")[0]


def _first_try(pairs: Mapping[int, StoredPair], player: int) -> tuple[Sequence[int], Sequence[int]]:
    """Return how many of a player's first answers were legal in each pair, and of how many."""
    legal, asked = [], []
    for pair in pairs.values():
        colours = ("White" if number == player else "Black" for number in (0, 1))
        tries = [
            game.headers.get(f"{colour}FirstTry", "0/0").split("/")
            for colour, game in zip(colours, pair, strict=True)
        ]
        legal.append(sum(int(one) for one, _ in tries))
        asked.append(sum(int(other) for _, other in tries))
    return legal, asked


def _finite(interval: dict[str, float | int | None]) -> dict[str, float | int | None]:
    """Infinity has no place in JSON."""
    return {
        key: None if isinstance(value, float) and abs(value) == float("inf") else value
        for key, value in interval.items()
    }


def summary_lines(summary: Mapping[str, Any]) -> list[str]:
    """Return a summary as lines of text."""
    first, second = summary["players"]
    counts = summary["pentanomial"]
    elo = summary["elo"]
    bars = [f"{_bounded(elo[key], f'{sign}inf')}" for key, sign in (("low", "-"), ("high", "+"))]
    low_or_high = "-inf" if summary["score"] == 0 else "+inf"
    lines = [
        f"{first['name']} - {second['name']}: {summary['pairs']} pairs, {summary['games']} games",
        f"score   {summary['score']:.4f}   +{summary['wins']} ={summary['draws']} "
        f"-{summary['losses']}",
        "pairs   "
        + "  ".join(f"{name}: {count}" for name, count in zip(PENTANOMIAL, counts, strict=True))
        + "   (points of the first player)",
        f"Elo     {_bounded(elo['value'], low_or_high)}   95%: {bars[0]} to {bars[1]}",
    ]
    for player in summary["players"]:
        rate = player["legal_first_try"]
        legal = "never asked"
        if rate is not None:
            legal = (
                f"{rate['value']:.4f} of {rate['n']} moves legal at first try, 95%: "
                f"{rate['low']:.4f} to {rate['high']:.4f}"
            )
        once = "" if player["repeatable"] else "   (not repeatable)"
        lines.append(f"legal   {player['name']}: {legal}{once}")
    ended = ", ".join(f"{count} {how}" for how, count in summary["terminations"].items())
    return [*lines, f"ended   {ended}", f"games   {summary['file']}"]


def _bounded(value: float | None, otherwise: str) -> str:
    return otherwise if value is None else f"{value:+.1f}"
