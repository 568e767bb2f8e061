"""`selfplay submit` and `selfplay jobs`: runs on a cluster, through Ray Jobs."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from selfplay.jobs.job import Job
    from selfplay.jobs.server import Jobs

app = typer.Typer(
    help="List, follow and stop the runs that were submitted to a cluster.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Changes to the configuration, e.g. steps=50."),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="The cluster's dashboard, http://HEAD:8265; default: RAY_API_SERVER_ADDRESS, else "
        "RAY_ADDRESS."
    ),
]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="As `selfplay jobs list` names it.")]


def submit(
    config: Annotated[str, typer.Argument(help="A YAML file, or a packaged name: quickstart.")],
    overrides: Overrides = None,
    name: Annotated[str | None, typer.Option(help="Name of the run (its folder).")] = None,
    address: Address = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run of that name.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Show the log, return the run's exit code.")
    ] = True,
    python: Annotated[
        str, typer.Option(help="The interpreter on the cluster's head node.")
    ] = "python",
) -> None:
    """Train on a running cluster: `selfplay run` as a Ray job.

    The package and the resolved configuration go along; runs_dir must be on storage that the nodes
    share, and the model and the engine must be there (docs/cluster.md). Ctrl-C ends the showing of
    the log, not the job.

    Examples:

      selfplay submit configs/chess.yaml --address http://head:8265 runs_dir=/shared/runs

      selfplay submit quickstart steps=50 --name short --no-wait

      selfplay submit quickstart --name short --resume
    """
    from selfplay.jobs.submit import submit as send

    code = send(
        config,
        overrides or [],
        name=name,
        resume=resume,
        address=address,
        python=python,
        wait=wait,
        say=typer.echo,
    )
    raise typer.Exit(code)


@app.command("list")
def list_jobs(address: Address = None) -> None:
    """Print one line per submitted job, the newest last.

    Example:

      selfplay jobs list --address http://head:8265
    """
    from selfplay.cli.show import wide_console
    from selfplay.display.text import visible

    table_rows = [_row(job) for job in _jobs(address).list()]
    from rich.table import Table
    from rich.text import Text

    table = Table(show_edge=False)
    for heading in ("job", "status", "exit", "started", "took", "run folder"):
        table.add_column(heading, overflow="fold")
    for row in table_rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    wide_console().print(table)


@app.command()
def status(job: JobId, address: Address = None) -> None:
    """Print what is known of a job.

    Example:

      selfplay jobs status short
    """
    from selfplay.display.text import visible

    found = _jobs(address).get(job)
    for heading, cell in zip(
        ("job", "status", "exit", "started", "took", "run folder"), _row(found), strict=True
    ):
        typer.echo(f"{heading}: {visible(cell)}")
    if found.message:
        typer.echo(f"message: {visible(found.message.splitlines()[0])}")


@app.command()
def logs(
    job: JobId,
    address: Address = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Until the job ends; return its exit code.")
    ] = False,
) -> None:
    """Print a job's log.

    Examples:

      selfplay jobs logs short

      selfplay jobs logs short --follow
    """
    from selfplay.jobs.job import harmless
    from selfplay.jobs.submit import follow as follow_job

    jobs = _jobs(address)
    jobs.get(job)
    if follow:
        raise typer.Exit(follow_job(jobs, job, typer.echo))
    typer.echo(harmless(jobs.logs(job)), nl=False)


@app.command()
def stop(
    job: JobId,
    address: Address = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Until it has saved its state and ended.")
    ] = True,
) -> None:
    """Stop a job as Ctrl-C stops a run: its state is saved, and --resume goes on from it.

    Example:

      selfplay jobs stop short
    """
    from selfplay.jobs.submit import outcome

    jobs = _jobs(address)
    found = jobs.get(job)
    if found.over:
        typer.echo(f"{outcome(found)}; there is nothing to stop")
        return
    shown = len(jobs.logs(job))
    jobs.stop(job)
    if not wait:
        return
    limit = float(found.metadata.get("grace_s", 60)) + 60
    ended = jobs.follow(job, lambda text: typer.echo(text, nl=False), skip=shown, limit_s=limit)
    typer.echo(outcome(ended))
    run = found.metadata.get("run")
    if run and ended.status == "STOPPED":
        typer.echo(f"go on with: selfplay submit CONFIG --name {run} --resume")


def register(main: typer.Typer) -> None:
    """Add the commands to the command line."""
    main.command()(submit)
    main.add_typer(app, name="jobs")


def _jobs(address: str | None) -> Jobs:
    from selfplay.jobs.job import find_address
    from selfplay.jobs.server import Jobs

    return Jobs(find_address(address))


def _row(job: Job) -> tuple[str, ...]:
    from selfplay.display.numbers import duration

    began, ended = job.started, job.ended or time.time()
    return (
        job.id,
        job.status.lower(),
        "-" if job.exit_code is None else str(job.exit_code),
        "-" if began is None else datetime.fromtimestamp(began, UTC).strftime("%Y-%m-%d %H:%M:%SZ"),
        "-" if began is None else duration(ended - began),
        job.metadata.get("run_folder", "-"),
    )
