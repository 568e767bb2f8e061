"""Do the ratings' intervals cover, and does the SPRT keep its error rates? Simulated, with seeds.

    python benchmarks/ratings_coverage.py [--tournaments 1000] [--tests 1000] [--bootstraps 1000]
        [--out FILE]

Every table names what was simulated. The nominal coverage is 95%; of 1,000 tournaments a share of
93% to 97% is asked for. Ratings come from one tournament each, whose players share their games, so
their row counts players of all tournaments together. An SPRT stops at its first crossing; the
error rates asked for are at most alpha = beta = 5%. One core is enough: set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selfplay.ratings import Pair, Sprt, expected_score, pair_elo, puzzle_rating, rate
from selfplay.ratings.sprt import judged_share, llr_exact_of_many

DRAWS = 0.6
"""Share of draws among those possible at a score: 60% of games between equals."""

OPENINGS = 0.5
"""How far an opening favours one colour: its share of the possible, drawn anew for each pair."""

Table = list[list[str]]


def play_pairs(
    rng: np.random.Generator, expected: float | NDArray[np.float64], pairs: int
) -> NDArray[np.int64]:
    """Return half points (0 to 4) of the first player in each pair; their mean is 4 · expected.

    Each pair has an opening of its own, which favours White in one game as it does in the other,
    so that the results of the two games are not independent.
    """
    score = np.broadcast_to(expected, pairs)
    room = np.minimum(score, 1 - score)
    tilt = room * rng.uniform(-OPENINGS, OPENINGS, pairs)
    half_points = np.zeros(pairs, dtype=np.int64)
    for chance in (score + tilt, score - tilt):
        draw = DRAWS * np.minimum(chance, 1 - chance)
        luck = rng.random(pairs)
        half_points += (luck < chance + draw / 2).astype(np.int64)
        half_points += (luck < chance - draw / 2).astype(np.int64)
    return half_points


def match_coverage(elo: float, pairs: int, matches: int, method: str, seed: int = 0) -> float:
    """Return the share of matches whose interval holds the true difference `elo`."""
    rng = np.random.default_rng(seed)
    held = 0
    for _ in range(matches):
        counts = np.bincount(play_pairs(rng, expected_score(elo), pairs), minlength=5)
        found = pair_elo(counts.tolist(), method)  # type: ignore[arg-type]
        held += found.low <= elo <= found.high
    return held / matches


def tournament(rng: np.random.Generator, elos: NDArray[np.float64], pairs: int) -> list[Pair]:
    """Return a round robin in which all meet in `pairs` pairs; names sort as the players do."""
    played = []
    for a in range(len(elos)):
        for b in range(a + 1, len(elos)):
            points = play_pairs(rng, expected_score(elos[a] - elos[b]), pairs) / 2
            played += [Pair(f"p{a:03}", f"p{b:03}", 2, float(taken)) for taken in points]
    return played


def rating_coverage(
    elos: list[float], pairs: int, tournaments: int, bootstraps: int, *, anchored: bool
) -> tuple[float, float]:
    """Return the share of intervals that hold the truth: over all players, and of the worst one."""
    truth = np.array(elos)
    truth = truth - (truth[0] if anchored else truth.mean())
    held = np.zeros(len(truth))
    for number in range(tournaments):
        rng = np.random.default_rng([number, pairs, len(elos)])
        rated = rate(
            tournament(rng, truth, pairs),
            anchor="p000" if anchored else None,
            bootstraps=bootstraps,
            seed=number,
        )
        lines = [rated.of(f"p{i:03}") for i in range(len(truth))]
        held += [line.low <= elo <= line.high for line, elo in zip(lines, truth, strict=True)]
    held = held[1:] if anchored else held
    return float(held.mean() / tournaments), float(held.min() / tournaments)


def partings(
    elos: list[float], pairs: int, tournaments: int, bootstraps: int
) -> tuple[float, float, float]:
    """Return how often rank groups part players that are equal, and neighbours that are not.

    The first is the share of tournaments in which any two equal ones have different ranks; the
    second the share of neighbours with different ratings that have different ranks; the third the
    same for intervals that do not meet, which once made the ranks. As in a league, a weak anchor is
    held, 400 Elo below the weakest: what is not known of it widens every interval.
    """
    truth = np.array(elos)
    strengths = np.append(truth, truth.min() - 400)
    held = f"p{len(truth):03}"
    equal = [(a, b) for a in range(len(truth)) for b in range(a) if truth[a] == truth[b]]
    near = [(a, a + 1) for a in range(len(truth) - 1) if truth[a] != truth[a + 1]]
    wrong = right = apart = 0
    for number in range(tournaments):
        rng = np.random.default_rng([number, pairs, len(elos), 3])
        games = tournament(rng, strengths, pairs)
        rated = rate(games, anchor=held, bootstraps=bootstraps, seed=number)
        lines = [rated.of(f"p{i:03}") for i in range(len(truth))]
        wrong += any(lines[a].rank != lines[b].rank for a, b in equal)
        right += sum(lines[a].rank < lines[b].rank for a, b in near)  # type: ignore[operator]
        apart += sum(lines[a].low > lines[b].high for a, b in near)
    every = max(1, tournaments * len(near))
    return wrong / tournaments, right / every, apart / every


def sprt_outcomes(
    test: Sprt, elo: float, tests: int, most_pairs: int, seed: int = 0
) -> tuple[float, float, float]:
    """Return the shares of accepted and rejected tests, and the mean pairs that a test took.

    All tests run side by side, a pair at a time, to their first crossing or to `most_pairs`.
    """
    rng = np.random.default_rng(seed)
    counts = np.zeros((tests, 5))
    running = np.arange(tests)
    accepted = rejected = 0
    played = 0
    for _ in range(most_pairs):
        counts[running, play_pairs(rng, expected_score(elo), running.size)] += 1
        played += running.size
        exact = llr_exact_of_many(counts[running], test.elo0, test.elo1)
        llr = exact * judged_share(counts[running].sum(axis=1))
        accepted += int((llr >= test.upper).sum())
        rejected += int((llr <= test.lower).sum())
        running = running[(llr > test.lower) & (llr < test.upper)]
        if not running.size:
            break
    return accepted / tests, rejected / tests, played / tests


def puzzle_coverage(elo: float, puzzles: int, models: int) -> float:
    """Return the share of models whose puzzle rating's interval holds `elo`."""
    held = 0
    for number in range(models):
        rng = np.random.default_rng([number, puzzles])
        ratings = rng.uniform(400, 2800, puzzles)
        chances = np.array([expected_score(elo - rating) for rating in ratings])
        found = puzzle_rating(ratings.tolist(), (rng.random(puzzles) < chances).tolist())
        held += found.elo.low <= elo <= found.elo.high
    return held / models


def fit_time(players: int, pairs: int, bootstraps: int) -> float:
    """Return the seconds of processor time to rate `pairs` pairs among `players`."""
    rng = np.random.default_rng(0)
    elos = rng.normal(0, 300, players)
    played = []
    for _ in range(pairs):
        a, b = rng.choice(players, 2, replace=False)
        taken = play_pairs(rng, expected_score(elos[a] - elos[b]), 1)[0] / 2
        played.append(Pair(f"p{a}", f"p{b}", 2, float(taken)))
    begin = time.process_time()
    rate(played, anchor="p0", bootstraps=bootstraps)
    return time.process_time() - begin


def tables(tournaments: int, tests: int, bootstraps: int) -> dict[str, Table]:
    """Return all tables, each with its head."""
    matches: Table = [["difference", "pairs", "Wilson", "normal"]]
    for elo in (0.0, 100.0, 400.0):
        for pairs in (30, 100, 400):
            both = [match_coverage(elo, pairs, tournaments, m) for m in ("wilson", "normal")]
            matches.append([f"{elo:g}", f"{pairs}", *(f"{share:.1%}" for share in both)])
    ratings: Table = [["players", "spread", "pairs per meeting", "held", "all", "worst player"]]
    for count, spread, pairs in ((2, 100, 100), (6, 300, 20), (6, 600, 20), (12, 300, 5)):
        elos = np.linspace(-spread / 2, spread / 2, count).tolist()
        for anchored in (True, False):
            shares = rating_coverage(elos, pairs, tournaments, bootstraps, anchored=anchored)
            held = "anchor" if anchored else "mean"
            row = [f"{count}", f"{spread}", f"{pairs}", held]
            ratings.append([*row, *(f"{share:.1%}" for share in shares)])
    ranks: Table = [["players", "pairs per meeting", "step", "equal parted", "parted"]]
    ranks[0].append("by intervals")
    for count, pairs, step in ((6, 40, 0), (12, 20, 0), (2, 200, 40), (6, 100, 40), (12, 40, 40)):
        # Steps downwards, best first; without steps all are equal.
        elos = [-float(step * i) for i in range(count)]
        wrong, right, apart = partings(elos, pairs, max(1, tournaments // 4), bootstraps)
        shares = [f"{wrong:.1%}", "-", "-"] if not step else ["-", f"{right:.1%}", f"{apart:.1%}"]
        ranks.append([f"{count}", f"{pairs}", f"{step}", *shares])
    return {
        "Elo of a match: coverage of 95% intervals": matches,
        "Rank groups: equal players parted (any), and neighbours some Elo apart": ranks,
        "Bradley-Terry ratings: coverage of 95% intervals": ratings,
        "Puzzle rating: coverage of 95% intervals": [
            ["rating", "puzzles", "covered"],
            *(
                [f"{elo:g}", f"{count}", f"{puzzle_coverage(elo, count, tournaments):.1%}"]
                for elo, count in ((1500.0, 100), (1500.0, 400), (500.0, 400))
            ),
        ],
        "SPRT, alpha = beta = 5%, looked at after every pair": _sprt_table(tests),
    }


def _sprt_table(tests: int) -> Table:
    rows: Table = [["test", "true Elo", "accepted", "rejected", "error", "pairs"]]
    for elo0, elo1, most in ((0.0, 50.0, 5_000), (0.0, 20.0, 20_000), (-20.0, 20.0, 5_000)):
        test = Sprt(elo0, elo1)
        for elo in (elo0, elo1):
            accepted, rejected, pairs = sprt_outcomes(test, elo, tests, most)
            error = accepted if elo == elo0 else rejected
            shares = [f"{share:.1%}" for share in (accepted, rejected, error)]
            rows.append([f"[{elo0:g}, {elo1:g}]", f"{elo:g}", *shares, f"{pairs:.0f}"])
    return rows


def markdown(found: dict[str, Table]) -> str:
    """Return the tables as Markdown."""
    parts = []
    for title, rows in found.items():
        head, *body = rows
        lines = [head, ["---"] * len(head), *body]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        parts.append(f"## {title}\n\n{table}\n")
    return "\n".join(parts)


def main() -> None:
    """Print the tables and the fit's time."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tournaments", type=_positive, default=1000)
    parser.add_argument("--tests", type=_positive, default=1000)
    parser.add_argument("--bootstraps", type=_positive, default=1000)
    parser.add_argument("--out", type=Path, help="write the page here too")
    given = parser.parse_args()
    found = tables(given.tournaments, given.tests, given.bootstraps)
    seconds = fit_time(200, 5000, given.bootstraps)
    page = (
        f"{markdown(found)}\n10,000 games among 200 players, {given.bootstraps} bootstraps: "
        f"{seconds:.1f} s of processor time.\n{given.tournaments} tournaments, {given.tests} tests."
    )
    print(page)
    if given.out is not None:
        given.out.write_text(page + "\n", encoding="utf-8")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} must be at least 1")
    return number


if __name__ == "__main__":
    main()
