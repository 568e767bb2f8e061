"""`selfplay match`, `uci` and `play`: the league on the command line."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from envs.chess.prompts import STYLES
from envs.errors import InputError

if TYPE_CHECKING:
    from selfplay.config.run import RunConfig
    from selfplay.league.match_file import StoredPair

Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Changes to the configuration."),
]
Base = Annotated[
    str | None, typer.Option("--config", help="Take match, engine and chess from this YAML file.")
]
Seed = Annotated[int | None, typer.Option(min=0, help="Of every draw; default: seed=0.")]
Style = Annotated[
    str | None, typer.Option(help=f"One of {', '.join(STYLES)}; default: the run's own.")
]


def match(
    a: Annotated[str, typer.Argument(metavar="A", help="A player; see below.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    overrides: Overrides = None,
    pairs: Annotated[int, typer.Option(min=1, help="Openings, each played twice.")] = 100,
    out: Annotated[
        Path | None, typer.Option(help="The PGN file; default: matches/A-B-ID.pgn.")
    ] = None,
    seed: Seed = None,
    config: Base = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the numbers here; - prints them.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the JSON file.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No line per pair.")] = False,
) -> None:
    """Play two players against each other from balanced openings, each opening with both colours.

    A player is RUN (its champion), RUN@v000012, RUN@latest, RUN@base, a
    model folder or id, random, engine-eps:0.3, softmax:0.1, nodes:5000, uci-elo:1320 (not
    repeatable) or uci:/path/to/engine. Options follow with commas, as in
    quickstart,temperature=0.5,tries=1 or uci:/opt/engine,nodes=2000,option.Contempt=0. The same
    command continues where it stopped.

    Examples:

      selfplay match quickstart quickstart@base --pairs 100

      selfplay match quickstart@v000060 softmax:0.1 --pairs 50 --out games.pgn

      selfplay match quickstart random match.openings=book.epd match.boards=64
    """
    from selfplay.league.run_match import run_match
    from selfplay.scorer.file import refuse_existing

    _quiet_libraries()
    to_stdout = str(json_file) == "-"
    if json_file is not None and not to_stdout:
        refuse_existing(json_file, force=force)

    def report(pair: int, games: StoredPair, done: int) -> None:
        results = " ".join(game.headers["Result"] for game in games)
        typer.echo(f"pair {pair}: {results}   ({done}/{pairs} pairs)", err=to_stdout)

    try:
        summary = run_match(
            (a, b),
            pairs,
            _configuration(config, overrides, seed),
            out=out,
            progress=(lambda pair, games, done: None) if quiet else report,
        )
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on with the remaining pairs", err=True)
        raise
    _print_summary(summary, json_file, to_stdout=to_stdout, force=force)


def uci(
    model: Annotated[str, typer.Option("--model", help="A run, RUN@v000012, a folder or an id.")],
    overrides: Overrides = None,
    style: Style = None,
    temperature: Annotated[float | None, typer.Option(min=0, help="0 is greedy.")] = None,
    tries: Annotated[int | None, typer.Option(min=1, help="Answers for one move.")] = None,
    fallback: Annotated[
        str, typer.Option(help="When none is legal: random, engine or none.")
    ] = "random",
    seed: Seed = None,
    config: Base = None,
) -> None:
    """Be a UCI chess engine, for chess GUIs, cutechess, fastchess and python-chess.

    Options of the protocol: Temperature, RetryTemperature, Tries, Fallback, Seed. With the
    fallback `none` a policy that finds no legal move sends `bestmove (none)`, which loses.

    Examples:

      selfplay uci --model quickstart

      selfplay uci --model runs/chess_blind/checkpoints/v000100 --style pgn --tries 1
    """
    from selfplay.league.roster import EngineRoom, open_policy
    from selfplay.league.uci_server import FALLBACKS, MAX_SEED, UciServer

    if fallback not in FALLBACKS:
        raise InputError(f"--fallback {fallback}: give {', '.join(FALLBACKS)}")
    _quiet_libraries()
    settings = _configuration(config, overrides, seed)
    player = open_policy(model, settings, style=_style(style), temperature=temperature, tries=tries)
    # The protocol has standard output for itself; whatever a library prints goes to the errors.
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace") as output:
        os.dup2(2, 1)
        with EngineRoom(settings) as room:
            server = UciServer(
                player, room, output, fallback=fallback, seed=min(settings.seed, MAX_SEED)
            )
            server.serve(_input())


def play(
    player: Annotated[str, typer.Argument(metavar="PLAYER", help="As in selfplay match.")],
    overrides: Overrides = None,
    colour: Annotated[
        Literal["white", "black", "random"], typer.Option("--colour", "--color", help="Yours.")
    ] = "white",
    fen: Annotated[str | None, typer.Option(help="Start from this position.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Letters for pieces, no colour.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the game to this new PGN file.")] = None,
    seed: Seed = None,
    config: Base = None,
) -> None:
    """Play against a run, a model or an anchor in the terminal.

    Examples:

      selfplay play quickstart

      selfplay play quickstart,temperature=0.7 --colour black --out mine.pgn
    """
    import random

    import chess

    from envs.chess.position import parse_fen
    from selfplay.league.board_text import draw_board
    from selfplay.league.roster import EngineRoom, open_player
    from selfplay.league.terminal import PersonGame
    from selfplay.rundir.writes import write_text
    from selfplay.scorer.file import refuse_existing

    if out is not None:
        refuse_existing(out, force=False)
    _quiet_libraries()
    settings = _configuration(config, overrides, seed)
    start = chess.Board() if fen is None else parse_fen(fen, "--fen")
    white = colour == "white" or (colour == "random" and random.Random().random() < 0.5)
    shaded = not plain and sys.stdout.isatty()
    with EngineRoom(settings) as room:
        opponent = open_player(player, room)
        game = PersonGame(
            opponent,
            chess.WHITE if white else chess.BLACK,
            start=start,
            seed=settings.seed,
            draw=lambda board, black: draw_board(
                board, from_black=black, plain=plain, colour=shaded
            ),
            say=typer.echo,
        )
        try:
            game.play(_input())
        finally:
            opponent.close()
            if out is not None:
                write_text(out, f"{game.pgn()}\n", overwrite=False)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (match, uci, play):
        app.command()(command)


def _configuration(path: str | None, overrides: list[str] | None, seed: int | None) -> RunConfig:
    from selfplay.config.reading import load_config, parse_config

    given = [*(overrides or [])]
    if seed is not None:
        given.append(f"seed={seed}")
    return parse_config({}, "defaults", given) if path is None else load_config(path, given)


def _quiet_libraries() -> None:
    """Keep transformers' bars and hints off the terminal; it reads these when it is imported."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def _input() -> Iterator[str]:
    """Yield the lines of standard input as they come; bytes that are no text do not end it."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    return iter(sys.stdin.readline, "")


def _style(style: str | None) -> str | None:
    if style is not None and style not in STYLES:
        raise InputError(f"--style {style}: give one of {', '.join(STYLES)}")
    return style


def _print_summary(
    summary: dict[str, Any], json_file: Path | None, *, to_stdout: bool, force: bool
) -> None:
    from selfplay.league.match_summary import summary_lines
    from selfplay.rundir.writes import plain, write_json

    if to_stdout:
        print(json.dumps(plain(summary), indent=2, allow_nan=False))
        return
    for line in summary_lines(summary):
        typer.echo(line)
    if json_file is not None:
        write_json(json_file, summary, overwrite=force)
        typer.echo(f"written: {json_file}")
