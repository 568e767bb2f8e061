"""`selfplay run`: a new run, a resumed one, or a dry run; what goes wrong is told in one line."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime

from rich.console import Console

from envs.errors import InputError
from selfplay.config import RunConfig
from selfplay.config_io import differing_keys, dump_config, load_config, parse_config
from selfplay.console import RunConsole, batch_arithmetic
from selfplay.errors import RunCrashed
from selfplay.rundir import RunDir

FIXED = ("model", "domain", "seed", "learner.lora_rank", "learner.lora_alpha", "name", "runs_dir")
"""Keys that a resumed run cannot change: its state would no longer fit."""


def launch(
    source: str, overrides: list[str], *, name: str | None, resume: bool, dry_run: bool
) -> int:
    """Run `source` and return the exit code.

    Raises:
        InputError: the configuration, engine, model, a file or the run's name is at fault.
        RunCrashed: anything else went wrong.
    """
    config = load_config(source, overrides)
    if name is not None:
        config = config.model_copy(update={"name": name})
    if dry_run:
        return rehearse(config)
    console = RunConsole()
    if resume:
        run_dir = RunDir.open(config.runs_dir / config.name)
        run_dir.lock()
        config = resumed_config(run_dir, config, overrides, console)
    else:
        run_dir = RunDir.create(config)
    return _guarded(config, run_dir, console, resume)


def _guarded(config: RunConfig, run_dir: RunDir, console: RunConsole, resume: bool) -> int:
    """Run the loop; keep the traceback of a crash, and no folder of a run that never began."""
    try:
        with console:
            _check_first(config)
            from selfplay.loop import run

            return run(config, run_dir, console, resume)
    except InputError:
        if not resume:
            run_dir.remove_unused()
        raise
    except Exception as error:
        log = run_dir.log_file("driver")
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')}\n")
            traceback.print_exception(error, file=file)
        first = (str(error).strip().splitlines() or [""])[0]
        raise RunCrashed(f"{type(error).__name__}: {first[:300]} (traceback: {log})") from error
    finally:
        run_dir.close()


def _check_first(config: RunConfig) -> None:
    """Fail on a missing model now; engine, sandbox and files are the domains' to check."""
    from selfplay.models import resolve_model

    resolve_model(config.model)


def resumed_config(
    run_dir: RunDir, given: RunConfig, overrides: list[str], console: RunConsole
) -> RunConfig:
    """Return the run's own configuration with `overrides` applied, and keep it in the folder.

    Changes in the file since the start are not taken over, only named: an override says what is
    meant.

    Raises:
        InputError: an override changes what a resumed run cannot change.
    """
    stored = run_dir.config()
    config = parse_config(stored.model_dump(mode="json"), str(run_dir.path), overrides)
    config = config.model_copy(update={"name": stored.name, "runs_dir": stored.runs_dir})
    for key, (old, new) in differing_keys(stored, config).items():
        if key in FIXED:
            raise InputError(
                f"override '{key}={new}': a resumed run keeps its {key} ({old}); start another "
                "run with --name OTHER"
            )
    for key, (kept, asked) in differing_keys(config, given).items():
        if key not in ("name", "runs_dir"):
            console.warn(f"the run keeps {key}={kept}; to change it, pass {key}={asked}")
    if config != stored:
        run_dir.replace_config(config)
    return config


def rehearse(config: RunConfig) -> int:
    """Print the resolved configuration and its arithmetic, check engine, gold answers and model.

    Raises:
        InputError: a check failed.
    """
    from selfplay.preflight import check_disk, check_memory, check_model, domain_checks

    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(dump_config(config), end="")
    for line in batch_arithmetic(config):
        console.print(line)
    for check in (*domain_checks(config).values(), check_model, check_memory, check_disk):
        state, detail = check(config)
        if state == "fail":
            raise InputError(f"dry run: {detail}")
        console.print(f"{state}: {detail}")
    folder = config.runs_dir / config.name
    if folder.exists():
        console.print(f"warn: {folder} exists; the run will need --name OTHER or --resume")
    console.print("dry run: all is well; nothing was started")
    return 0
