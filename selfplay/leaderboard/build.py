"""From run folders and PGN files to everything that the leaderboard says, as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import selfplay
from envs.errors import InputError
from selfplay.display.absent import absent_notes
from selfplay.leaderboard.analyse import Analyst
from selfplay.leaderboard.boards import describe_measures, make_boards
from selfplay.leaderboard.charts import make_charts
from selfplay.leaderboard.entries import Entry, make_entries
from selfplay.leaderboard.games import Games, read_all
from selfplay.leaderboard.runs import Run, read_run
from selfplay.leaderboard.shown import choose, read_places, self_play
from selfplay.ratings import Game, Ratings, pair_up, rate
from selfplay.registry import domain_of_suite
from selfplay.rundir.folder import RunDir

FORMAT = "selfplay-leaderboard/1"
ZERO = "random"
"""Held at 0 where no anchor is named and it played."""
ANSWERS_SHOWN = 60

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What a user can choose.

    Attributes:
        title: of the page.
        anchor, anchor_elo: the player that is held; None: `random` at 0 if it played.
        bootstraps, seed: of the ratings' intervals; None: 1000 resamples, or fewer of large lists.
        games_shown: games in the viewer, at most.
        analyse: nodes per position for the shown games; None: no engine is started.
        engine: its path; None: Stockfish.
    """

    title: str = "Leaderboard"
    anchor: str | None = None
    anchor_elo: float = 0.0
    bootstraps: int | None = None
    seed: int = 0
    games_shown: int = 100
    analyse: int | None = None
    engine: Path | None = None


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """`data` is leaderboard.json; `games` and `answers` are for the page alone."""

    data: dict[str, Any]
    games: list[dict[str, Any]]
    answers: list[dict[str, Any]]


def gather(
    folders: Sequence[RunDir],
    files: Sequence[Path],
    options: Options,
    progress: Progress = lambda text: None,
) -> Leaderboard:
    """Read the runs and the games, rate everybody in one fit, and put it all together.

    Args:
        folders: runs; the PGN files below their matches/ count as if they were named.
        files: PGN files of matches.
        options: see Options.
        progress: called with what is being done.

    Raises:
        InputError: a damaged file, two runs of one name, a file given twice, an unknown anchor.
        RunCrashed: the engine failed twice on one position.
    """
    runs = []
    for folder in folders:
        progress(f"reading {folder.path}")
        runs.append(read_run(folder))
    _check_names(runs)
    absent = absent_notes(_domains_of(runs))
    for note in absent:
        progress(f"note: {note}")
    games = read_all(_all_files(runs, files))
    progress(f"rating {len(games.players)} players over {len(games.rated)} games")
    ratings = _ratings(games, options, progress)
    entries = make_entries(runs, ratings, games.players)
    with _analyst(options, progress) as analyst:
        shown = _shown_games(runs, games, options, analyst)
        by = analyst.name if analyst is not None else None
    _add_acpl(entries, shown)
    data = {
        "format": FORMAT,
        "title": options.title,
        "generated": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": f"selfplay-rlvr {selfplay.__version__}",
        "ratings": _ratings_facts(ratings),
        "analysis": by,
        "notes": [*(ratings.notes if ratings else ()), *games.notes, *absent],
        "runs": [{"name": run.name, "status": run.status} for run in runs],
        "entries": [entry.as_dict() for entry in entries],
        "boards": [board.as_dict() for board in make_boards(entries, runs)],
        "measures": describe_measures(entries),
        "head_to_head": head_to_head(games.rated, [entry.name for entry in entries]),
        "charts": make_charts(runs, entries),
        "promotions": [{"run": run.name, **row} for run in runs for row in run.promotions],
    }
    return Leaderboard(data, shown, _answers(runs))


def head_to_head(games: Sequence[Game], names: Sequence[str]) -> list[list[int]]:
    """Return [a, b, wins of a, draws, wins of b] for every pairing, as places in `names`."""
    place = {name: number for number, name in enumerate(names)}
    counted: dict[tuple[int, int], list[int]] = {}
    for game in games:
        white, black = place[game.white], place[game.black]
        counts = counted.setdefault((min(white, black), max(white, black)), [0, 0, 0])
        score = game.score if white < black else 1 - game.score
        counts[round(2 - 2 * score)] += 1
    return [[a, b, *counts] for (a, b), counts in sorted(counted.items())]


def _domains_of(runs: Sequence[Run]) -> set[str]:
    """Return the names of the domains that the runs train or were measured on."""
    suites = (suite for run in runs for found in run.evaluations for suite in found.suites)
    return {domain_of_suite(suite) for suite in suites}.union(*(run.domains for run in runs))


def _check_names(runs: Sequence[Run]) -> None:
    for name, times in Counter(run.name for run in runs).items():
        if times > 1:
            paths = ", ".join(str(run.path) for run in runs if run.name == name)
            raise InputError(
                f"{paths}: {times} runs named {name}, which games cannot distinguish; give one of "
                "them, or copy one to a folder of another name"
            )


def _all_files(runs: Sequence[Run], files: Sequence[Path]) -> list[Path]:
    """Return the PGN files, those of the runs last. Raises InputError for one given twice."""
    for path, times in Counter(path.resolve() for path in files).items():
        if times > 1:
            raise InputError(f"{path}: given {times} times with --games; give it once")
    given = {path.resolve() for path in files}
    own = [path for run in runs for path in run.matches if path.resolve() not in given]
    return [*files, *own]


def _ratings(games: Games, options: Options, progress: Progress) -> Ratings | None:
    if not games.rated:
        if options.anchor is not None:
            raise InputError(f"--anchor {options.anchor}: there are no games; give --games")
        return None
    anchor, elo = options.anchor, options.anchor_elo
    if anchor is None and ZERO in games.players:
        anchor, elo = ZERO, 0.0
    return rate(
        pair_up(games.rated),
        anchor=anchor,
        anchor_elo=elo,
        bootstraps=options.bootstraps,
        seed=options.seed,
        progress=progress,
    )


def _ratings_facts(ratings: Ratings | None) -> dict[str, Any] | None:
    if ratings is None:
        return None
    facts = ratings.as_dict()
    return {k: v for k, v in facts.items() if k not in ("players", "notes")}


@contextmanager
def _analyst(options: Options, progress: Progress) -> Iterator[Analyst | None]:
    if options.analyse is None:
        yield None
        return
    with Analyst(options.engine, options.analyse, progress) as analyst:
        yield analyst


def _shown_games(
    runs: Sequence[Run], games: Games, options: Options, analyst: Analyst | None
) -> list[dict[str, Any]]:
    first = {name for name in games.players if any(name.startswith(f"{r.name}@") for r in runs)}
    own = [place for run in runs for place in self_play(run)][: max(0, options.games_shown // 4)]
    matches = choose(games.places, options.games_shown - len(own), first)
    return [*read_places(matches, "match", analyst), *read_places(own, "self-play", analyst)]


def _add_acpl(entries: Sequence[Entry], games: Sequence[dict[str, Any]]) -> None:
    """Give those whose games were analysed now, and not before, their mean centipawn loss."""
    sums: dict[str, list[int]] = {}
    for game in games:
        if game["kind"] != "match" or game["evaluated_by"] != "analysis":
            continue
        for colour in ("white", "black"):
            lost, moves = game["lost"][colour]
            total = sums.setdefault(str(game[colour]), [0, 0])
            total[0] += lost
            total[1] += moves
    for entry in entries:
        lost, moves = sums.get(entry.name, (0, 0))
        if entry.acpl is None and moves:
            entry.acpl = {"value": lost / moves, "n": moves, "by": "analysis"}


def _answers(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the answers of all runs; evenly spaced where there are too many."""
    every = [{"run": run.name, **answer} for run in runs for answer in run.answers]
    count = min(ANSWERS_SHOWN, len(every))
    return [every[i * len(every) // count] for i in range(count)]
