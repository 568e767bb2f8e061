"""`selfplay leaderboard`: runs, anchors and other players in one table and one offline page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from envs.errors import InputError
from selfplay.cli.rate import Bootstraps, Seed, anchor_of

Runs = Annotated[
    list[str] | None, typer.Argument(metavar="[RUN]...", help="Runs' names or folders.")
]
Games = Annotated[
    list[Path] | None,
    typer.Option(help="A PGN file of matches; repeat it for more. Any tool's will do."),
]
Anchor = Annotated[
    str | None,
    typer.Option(metavar="NAME=ELO", help="Hold this player; default: random at 0."),
]
Analyse = Annotated[
    int | None,
    typer.Option("--analyse", min=1, metavar="NODES", help="Judge the shown games by the engine."),
]
Engine = Annotated[Path | None, typer.Option(help="The engine for --analyse; default: Stockfish.")]


def leaderboard(
    runs: Runs = None,
    games: Games = None,
    out: Annotated[Path, typer.Option(help="The folder to write.")] = Path("leaderboard"),
    anchor: Anchor = None,
    title: Annotated[str, typer.Option(help="Of the page.")] = "Leaderboard",
    show_games: Annotated[int, typer.Option(min=0, help="Games in the viewer, at most.")] = 100,
    analyse: Analyse = None,
    engine: Engine = None,
    bootstraps: Bootstraps = None,
    seed: Seed = 0,
) -> None:
    """Gather runs and games into one table: a page, Markdown, CSV and JSON.

    Every run gives its base model, champion and newest version; the players of the PGN files join
    them, and all games are rated in one fit. Run it again to bring the folder up to date.

    Examples:

      selfplay leaderboard quickstart code --games matches/a.pgn --games matches/b.pgn

      selfplay leaderboard runs/seed0 runs/seed1 --out board --anchor random=0 --analyse 2000
    """
    from selfplay.leaderboard import Options, check_folder, gather, write_folder
    from selfplay.rundir.folder import RunDir

    if not runs and not games:
        raise InputError("nothing to show: name runs, or PGN files with --games")
    if engine is not None and analyse is None:
        raise InputError("--engine without --analyse: say how many nodes with --analyse NODES")
    check_folder(out)
    name, elo = anchor_of(anchor)
    options = Options(
        title=title,
        anchor=name,
        anchor_elo=elo,
        bootstraps=bootstraps,
        seed=seed,
        games_shown=show_games,
        analyse=analyse,
        engine=engine,
    )
    folders = [RunDir.open(run) for run in dict.fromkeys(runs or [])]
    board = gather(folders, games or [], options, lambda text: typer.echo(text, err=True))
    write_folder(board, out)
    typer.echo(f"{len(board.data['entries'])} entries: {out / 'index.html'}")
