"""`selfplay run`: a new run, a resumed one, or a dry run; what goes wrong is said in one line."""

from __future__ import annotations

import errno
import traceback
from contextlib import ExitStack
from datetime import UTC, datetime

from rich.console import Console

from envs.errors import InputError
from selfplay.config.reading import dump_config, load_config
from selfplay.config.run import RunConfig
from selfplay.display.console import RunConsole, batch_arithmetic
from selfplay.errors import RunCrashed
from selfplay.loop.resuming import resumed_config
from selfplay.rundir.folder import RunDir
from selfplay.rundir.place import free_place


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
    console = RunConsole()
    if resume:
        run_dir = RunDir.open(config.runs_dir / config.name)
        with ExitStack() as unlock:
            unlock.callback(run_dir.close)
            run_dir.lock()
            config = resumed_config(run_dir, config, overrides, console)
            if dry_run:
                return rehearse(config, run_dir)
            unlock.pop_all()  # the run holds the lock until its end
    elif dry_run:
        return rehearse(config, None)
    else:
        config = config.fixed_for_good()
        run_dir = RunDir.create(config)
    return _guarded(config, run_dir, console, resume)


def _guarded(config: RunConfig, run_dir: RunDir, console: RunConsole, resume: bool) -> int:
    """Run the loop; keep the traceback of a crash, and no folder of a run that never began."""
    try:
        with console:
            from selfplay.loop.run import run

            return run(config, run_dir, console, resume)
    except InputError:
        if not resume:
            run_dir.remove_unused()
        raise
    except Exception as error:
        full = _full_disk(error)
        if full is not None:
            raise InputError(
                f"{run_dir.path}: {full.strerror}; what was written before is whole: make room and "
                f"go on with --name {config.name} --resume"
            ) from error
        first = (str(error).strip().splitlines() or [""])[0]
        kept = _keep_traceback(run_dir, error)
        raise RunCrashed(f"{type(error).__name__}: {first[:300]} ({kept})") from error
    finally:
        run_dir.close()


def _keep_traceback(run_dir: RunDir, error: Exception) -> str:
    """Write a crash's traceback to the run's log; return where it is."""
    try:
        log = run_dir.log_file("driver")
        with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')}\n")
            traceback.print_exception(error, file=file)
    except OSError as failure:
        return f"its traceback could not be written: {failure.strerror}"
    return f"traceback: {log}"


def _full_disk(error: BaseException | None) -> OSError | None:
    """Return the error of a full disk, or of a quota, that an error came of, if it did."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            return error
        seen.append(error)
        error = error.__cause__ or error.__context__
    return None


def rehearse(config: RunConfig, resumed: RunDir | None) -> int:
    """Print the resolved configuration and its arithmetic, and check what a run checks.

    Engine and sandbox also score answers whose score is known. Nothing is written below runs_dir.

    Args:
        config: the run's.
        resumed: the run to resume; None: a new one.

    Raises:
        InputError: the run would be refused.
    """
    from selfplay.cli.doctor import domain_checks
    from selfplay.cluster.session import cluster_address, ray_session
    from selfplay.loop.machine import check_disk, check_memory, check_model
    from selfplay.loop.readiness import prepare

    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(dump_config(config), end="")
    for line in batch_arithmetic(config):
        console.print(line)
    run_dir = resumed or RunDir(free_place(config))
    with ExitStack() as stack:
        prepare(config, run_dir, run_dir.versions.latest() if resumed else None, stack)
    for check in (*domain_checks(config).values(), check_model):
        state, detail = check(config)
        if state == "fail":
            raise InputError(f"dry run: {detail}")
        console.print(f"{state}: {detail}")
    for estimate in (check_memory, check_disk):
        state, detail = estimate(config)
        console.print(f"{'ok' if state == 'ok' else 'warn'}: {detail}")
    if cluster_address(config):
        with ray_session(config) as placement:
            for line in placement.messages:
                console.print(line)
    console.print("dry run: all is well; nothing was started")
    return 0
