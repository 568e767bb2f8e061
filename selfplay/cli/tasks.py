"""`selfplay tasks`: look at code tasks, and check that they hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from envs.code import families
from envs.code.prompts import render
from envs.code.task import CodeTask
from envs.errors import InputError
from selfplay.domains.code.config import CodeConfig

app = typer.Typer(
    help="List, show and check code tasks.", no_args_is_help=True, rich_markup_mode=None
)

Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Changes to the configuration."),
]
Which = Annotated[
    str,
    typer.Option(
        "--set",
        help="families (held out and training), humaneval, mbpp (all of its file), jsonl "
        "(code.jsonl), or one family's name.",
    ),
]


@app.command("list")
def list_tasks(overrides: Overrides = None, which: Which = "families") -> None:
    """Print one line per family, or per task of another set.

    Examples:

      selfplay tasks list

      selfplay tasks list --set humaneval
    """
    from selfplay.cli.show import wide_console

    table = Table(show_edge=False)
    if which == "families":
        for heading in ("family", "split", "suite", "level 1 asks"):
            table.add_column(heading, overflow="fold")
        for name in families.FAMILIES:
            asked = families.make(name, 1, 0).instruction
            core = families.FAMILIES[name]
            suite = f"code/{core.suite}" if core.heldout else ""
            table.add_row(name, families.split_of(name), suite, Text(asked.splitlines()[0]))
    else:
        for heading in ("task", "split", "kind", "asks"):
            table.add_column(heading, overflow="fold")
        for task in tasks_of(which, overrides or []):
            first = (task.instruction.strip().splitlines() or [""])[0]
            table.add_row(Text(task.key), task.split, task.kind, Text(first[:100]))
    wide_console().print(table)


@app.command()
def show(
    key: Annotated[str, typer.Argument(help="families/NAME/LEVEL/SEED, HumanEval/0 or Mbpp/11.")],
    overrides: Overrides = None,
    style: Annotated[str, typer.Option(help="completion or chat.")] = "completion",
) -> None:
    """Print a task as the model sees it, and its reference.

    Example:

      selfplay tasks show families/sum_list/2/7
    """
    from selfplay.display.text import visible

    task = find_task(key, overrides or [])
    if style not in ("completion", "chat"):
        raise InputError(f"--style {style}: give completion or chat")
    prompt = render(task.task(), style, 1)  # type: ignore[arg-type]
    text = prompt.text if prompt.text is not None else (prompt.messages or ({},))[0]["content"]
    typer.echo("\n".join(visible(line, 1000) for line in text.splitlines()))
    typer.echo(
        f"\n--- {task.key}: {len(task.visible)} visible, {len(task.hidden)} hidden tests ---"
    )
    if task.reference is not None:
        typer.echo("\n".join(visible(line, 1000) for line in task.reference.splitlines()))


@app.command()
def check(
    overrides: Overrides = None,
    which: Which = "families",
    seeds: Annotated[int, typer.Option(min=1, help="Tasks per family and level.")] = 1,
) -> None:
    """Judge each task's reference and programs that do nothing; exit code 1 if a task fails.

    The reference must pass; the empty program, `sys.exit(0)`, constants and arguments given back
    must not.

    Examples:

      selfplay tasks check

      selfplay tasks check --set mbpp eval.mbpp=mbpp.jsonl
    """
    from rewards.code.faults import faults
    from selfplay.config.reading import parse_config
    from selfplay.domains.code.scoring import code_scorer

    config = parse_config({}, "defaults", overrides or [])
    tasks = list(tasks_of(which, overrides or [], seeds))
    held = dropped = 0
    with code_scorer(config) as scorer:
        for task in tasks:
            found = faults(task, scorer)
            held += not found
            dropped += bool(found)
            if found:
                typer.echo(f"{task.key}: dropped: {'; '.join(found)}")
    typer.echo(f"{held} tasks hold, {dropped} do not")
    raise typer.Exit(1 if dropped else 0)


def tasks_of(which: str, overrides: list[str], seeds: int = 1) -> Iterator[CodeTask]:
    """Yield the tasks of a set by its name on the command line. Raises InputError."""
    from selfplay.config.reading import parse_config
    from selfplay.domains.code.tasks import code_tasks, jsonl_tasks, mbpp_tasks

    config = parse_config({}, "defaults", overrides)
    if which == "families" or which in families.FAMILIES:
        names = families.FAMILIES if which == "families" else (which,)
        for name in names:
            for level in config.section(CodeConfig).levels:
                yield from (families.make(name, level, seed) for seed in range(seeds))
    elif which == "humaneval":
        yield from code_tasks("code/humaneval", config)
    elif which == "mbpp":
        yield from mbpp_tasks(config)
    elif which == "jsonl":
        yield from jsonl_tasks(config)
    else:
        raise InputError(
            f"--set {which}: give families, humaneval, mbpp, jsonl or a family's name "
            "(selfplay tasks list)"
        )


def find_task(key: str, overrides: list[str]) -> CodeTask:
    """Return the task of a key. Raises InputError."""
    parts = key.split("/")
    if parts[0] == "families":
        if len(parts) != 4 or not (parts[2].isdecimal() and parts[3].isdecimal()):
            raise InputError(f"{key}: give families/NAME/LEVEL/SEED, such as families/NAME/1/0")
        return families.make(parts[1], int(parts[2]), int(parts[3]))
    for task in tasks_of(parts[0].lower(), overrides):
        if task.key == key:
            return task
    raise InputError(f"{key}: no such task; see selfplay tasks list --set {parts[0].lower()}")
