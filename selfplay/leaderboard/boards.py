"""Which tables there are: one for each domain, and one for each suite that a measure ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from selfplay.leaderboard.entries import Entry, estimated_keys
from selfplay.leaderboard.runs import Run
from selfplay.registry import (
    Measure,
    domain_of_suite,
    in_order,
    measures_among,
    measures_of,
    ranked_by,
    rated_domain,
)


@dataclass(frozen=True, slots=True)
class Board:
    """One table.

    Attributes:
        id, title: of the table.
        domain: whose suites it shows.
        rated: players with a rating stand on it, ordered by that.
        suites: whose estimates are its columns.
        ranked_by: the measure that orders it, of its only suite; None: none does.
        entries: the places of its lines among all entries.
    """

    id: str
    title: str
    domain: str
    rated: bool
    suites: tuple[str, ...]
    ranked_by: str | None
    entries: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the table as JSON."""
        found = asdict(self)
        return found | {"suites": list(self.suites), "entries": list(self.entries)}


def make_boards(entries: Sequence[Entry], runs: Sequence[Run]) -> list[Board]:
    """Return the tables, by domain; where nobody was measured or rated those of the runs' domains.

    The first table of a domain has its rated games, and its suites without a ranking.
    """
    keys = estimated_keys(entries)
    ranking = {suite: measure for suite in keys if (measure := ranked_by(suite, keys[suite]))}
    rated, games = rated_domain(), any(entry.rating for entry in entries)
    measured = {domain_of_suite(suite) for suite in keys} | ({rated} if games else set())
    trained = {name for run in runs for name in run.domains}
    boards = []
    for name in in_order(measured or trained):
        mine = sorted(suite for suite in keys if domain_of_suite(suite) == name)
        plain = tuple(suite for suite in mine if suite not in ranking)
        if plain or not mine or (games and name == rated):
            places, title = _places(entries, plain, rated=name == rated), name.capitalize()
            boards.append(Board(name, title, name, name == rated, plain, None, places))
        for suite in (suite for suite in mine if suite in ranking):
            places, by = _places(entries, (suite,)), ranking[suite].key
            boards.append(Board(suite, suite, name, False, (suite,), by, places))
    return boards


def describe_measures(entries: Sequence[Entry]) -> dict[str, list[dict[str, Any]]]:
    """Return suite -> its measures in order, as JSON: what a page needs to show an estimate."""
    return {
        suite: [_described(suite, measure) for measure in measures_among(suite, keys)]
        for suite, keys in sorted(estimated_keys(entries).items())
    }


def _described(suite: str, measure: Measure) -> dict[str, Any]:
    return {
        "key": measure.key,
        "title": measure.title,
        "short": measure.short or measure.title,
        "unit": measure.unit,
        "higher_is_better": measure.higher_is_better,
        "named": measure in measures_of(suite),
    }


def _places(
    entries: Sequence[Entry], suites: Sequence[str], *, rated: bool = False
) -> tuple[int, ...]:
    return tuple(
        place
        for place, entry in enumerate(entries)
        if (rated and entry.rating) or any(entry.suites.get(suite) for suite in suites)
    )
