"""`selfplay rate` and `selfplay sprt`: ratings and a sequential test from any PGN files."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from envs.errors import InputError
from selfplay.display.text import visible
from selfplay.rundir.writes import plain, write_json

if TYPE_CHECKING:
    from selfplay.ratings.sprt import Sprt, SprtResult

Games = Annotated[list[Path], typer.Argument(metavar="GAMES.pgn...", help="PGN files.")]
Bootstraps = Annotated[
    int | None,
    typer.Option(min=100, help="Resamples for the intervals; 1000, or fewer of large lists."),
]
Seed = Annotated[int, typer.Option(min=0, help="Of the resamples.")]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write the whole result here; - prints it.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace the JSON file.")]

PROGRESS_S = 5.0

_NO_ELO = {"below": "below the floor", "above": "above the ceiling", "unconnected": "unconnected"}


def rate(
    games: Games,
    anchor: Annotated[
        str | None,
        typer.Option(metavar="NAME=ELO", help="Hold this player at ELO; default: the mean at 0."),
    ] = None,
    bootstraps: Bootstraps = None,
    seed: Seed = 0,
    json_file: JsonFile = None,
    force: Force = False,
) -> None:
    """Rate all players of PGN files together: Elo, 95% interval, rank group.

    One Bradley-Terry fit over every game; the intervals come from drawing whole pairs (an opening
    played twice with colours swapped) again. Whoever is certainly above another has the
    smaller rank: differences are tested, with Holm's correction over all pairs of players.

    Examples:

      selfplay rate games.pgn

      selfplay rate a.pgn b.pgn --anchor random=0 --json ratings.json
    """
    from selfplay.ratings import pair_up
    from selfplay.ratings import rate as rate_pairs

    name, elo = anchor_of(anchor)
    _refuse(json_file, force)
    read, left_out = _read(games)
    with progress() as report:
        report(f"rating {len(read)} games")
        found = rate_pairs(
            pair_up(read),
            anchor=name,
            anchor_elo=elo,
            bootstraps=bootstraps,
            seed=seed,
            progress=report,
        )
    whole = {**found.as_dict(), "left_out": left_out}
    if _print_json(json_file, whole):
        return
    console = _console()
    console.print(_ratings_table(found.players))
    held = f"{visible(found.anchor)} is" if found.anchor is not None else "the mean is"
    alone = 2 * found.pairs - found.games
    console.print(
        Text(
            f"{found.games} games in {found.pairs - alone} pairs"
            + (f" and {alone} without partner" if alone else "")
            + f"; {held} held at {found.anchor_elo:g}; {found.bootstraps} resamples"
        )
    )
    _tell(console, [*found.notes, *_left_out_lines(left_out)])
    _write(console, json_file, whole, force)


def sprt(
    games: Games,
    player: Annotated[str, typer.Option(help="The player that is tested.")],
    opponent: Annotated[
        str | None, typer.Option(help="Against this one; default: the only opponent.")
    ] = None,
    elo0: Annotated[float, typer.Option(help="Rejected down to this difference.")] = 0.0,
    elo1: Annotated[float, typer.Option(help="Accepted from this difference on.")] = 10.0,
    alpha: Annotated[float, typer.Option(help="Chance to accept elo0.")] = 0.05,
    beta: Annotated[float, typer.Option(help="Chance to reject elo1.")] = 0.05,
    json_file: JsonFile = None,
    force: Force = False,
) -> None:
    """Test one player against another, pair by pair: LLR, bounds, verdict.

    The error rates hold for a test that ends when the LLR first crosses a bound.

    Example:

      selfplay sprt games.pgn --player candidate --elo0 0 --elo1 10
    """
    from selfplay.ratings import Sprt, pair_up, pentanomial

    _refuse(json_file, force)
    try:
        test = Sprt(elo0, elo1, alpha, beta)
    except ValueError as error:
        raise InputError(f"--elo0, --elo1, --alpha, --beta: {error}") from error
    read, left_out = _read(games)
    pairs = pair_up(read)
    other = _opponent(pairs, player, opponent)
    counts, alone = pentanomial(pairs, player, other)
    result = test.judge(counts)
    whole = {
        "player": player,
        "opponent": other,
        "elo0": elo0,
        "elo1": elo1,
        "alpha": alpha,
        "beta": beta,
        **result.as_dict(),
        "pairs": sum(counts),
        "games_without_partner": alone,
        "left_out": left_out,
    }
    if _print_json(json_file, whole):
        return
    console = _console()
    against = f"{visible(player)} against {visible(other)}"
    for line in _verdict_lines(against, counts, result, test):
        console.print(Text(line))
    _tell(console, [f"{alone} games without partner left out"] if alone else [])
    _tell(console, _left_out_lines(left_out))
    _write(console, json_file, whole, force)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Yield what shows, on stderr, how far a long work is: one line that changes on a terminal.

    Elsewhere a line every PROGRESS_S seconds, so that short works say nothing.
    """
    terminal = sys.stderr.isatty()
    last = time.monotonic()

    def report(text: str) -> None:
        nonlocal last
        if terminal:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - last >= PROGRESS_S:
            last = time.monotonic()
            print(text, file=sys.stderr, flush=True)

    try:
        yield report
    finally:
        if terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _verdict_lines(
    against: str, counts: Sequence[int], result: SprtResult, test: Sprt
) -> list[str]:
    """Return pairs by result, Elo, LLR and verdict as lines for people."""
    elo = result.elo
    return [
        f"{against}: {sum(counts)} pairs, 0 to 2 points: " + " ".join(map(str, counts)),
        f"Elo {_elo(elo.value)} [{_elo(elo.low)}, {_elo(elo.high)}]",
        f"LLR {result.llr:.2f} (judged as {result.llr_judged:.2f}, approximate "
        f"{result.llr_approximate:.2f}), bounds {result.lower:.2f} and {result.upper:.2f}, "
        f"hypotheses {test.elo0:g} and {test.elo1:g} Elo",
        f"verdict: {result.verdict}",
    ]


def _read(paths: list[Path]) -> tuple[tuple[Any, ...], dict[str, int]]:
    """Return the games of the files and what was left out. Raises InputError for no game."""
    from selfplay.ratings.pgn import read_games

    for path, times in Counter(path.resolve() for path in paths).items():
        if times > 1:
            raise InputError(f"{path}: given {times} times; its games would count {times} times")
    read = read_games(paths)
    left_out = read.left_out
    if not read.games:
        why = "; ".join(_left_out_lines(left_out)) or "none at all"
        raise InputError(f"{paths[0]}: no finished game between two named players ({why})")
    return read.games, left_out


def anchor_of(text: str | None) -> tuple[str | None, float]:
    """Return name and rating of NAME=ELO (NAME alone: 0). Raises InputError for anything else."""
    if text is None:
        return None, 0.0
    name, sign, number = text.rpartition("=")
    if not sign:
        return text, 0.0
    try:
        elo = float(number)
    except ValueError:
        elo = math.nan
    if not math.isfinite(elo) or not name:
        raise InputError(f"--anchor {text}: give NAME=ELO, such as random=0")
    return name, elo


def _opponent(pairs: list[Any], player: str, opponent: str | None) -> str:
    opponents = {
        p.first if p.second == player else p.second for p in pairs if player in (p.first, p.second)
    }
    if not opponents:
        raise InputError(f"--player {player}: no finished game of that player")
    named = ", ".join(sorted(opponents)[:5]) + (", ..." if len(opponents) > 5 else "")
    if opponent is None and len(opponents) > 1:
        raise InputError(f"--player {player}: played {named}; say which with --opponent")
    if opponent is not None and opponent not in opponents:
        raise InputError(f"--opponent {opponent}: {player} played {named}")
    return opponent if opponent is not None else opponents.pop()


def _ratings_table(players: tuple[Any, ...]) -> Table:
    table = Table(show_edge=False)
    table.add_column("rank", justify="right")
    table.add_column("player", overflow="fold")
    for heading in ("games", "score", "Elo", "low", "high"):
        table.add_column(heading, justify="right", no_wrap=True)
    for line in players:
        table.add_row(
            "-" if line.rank is None else str(line.rank),
            Text(visible(line.name, 80)),
            str(line.games),
            f"{line.points / line.games:.1%}",
            _NO_ELO.get(line.status, _elo(line.elo)),
            _elo(line.low),
            _elo(line.high),
        )
    return table


def _elo(number: float) -> str:
    if math.isnan(number):
        return "-"
    if math.isinf(number):
        return "inf" if number > 0 else "-inf"
    return f"{number:+.0f}"


def _left_out_lines(left_out: dict[str, int]) -> list[str]:
    words = {
        "unfinished": "without a result",
        "unnamed": "without both names",
        "against_itself": "of a player against itself",
        "repeated": "that stand in an earlier file too",
    }
    return [f"{n} games {words[key]} left out" for key, n in left_out.items() if n]


def _console() -> Console:
    from selfplay.cli.show import wide_console

    return wide_console()


def _tell(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(Text(f"note: {visible(line, 1000)}"))


def _refuse(json_file: Path | None, force: bool) -> None:
    from selfplay.scorer.file import refuse_existing

    if json_file is not None and str(json_file) != "-":
        refuse_existing(json_file, force=force)


def _print_json(json_file: Path | None, whole: dict[str, Any]) -> bool:
    if str(json_file) != "-":
        return False
    print(json.dumps(plain(whole), indent=2, allow_nan=False))
    return True


def _write(console: Console, json_file: Path | None, whole: dict[str, Any], force: bool) -> None:
    if json_file is not None:
        write_json(json_file, whole, overwrite=force)
        console.print(Text(f"written: {json_file}"))
