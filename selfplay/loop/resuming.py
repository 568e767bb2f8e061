"""Going on with a run: which settings may change, and whether what is stored can be continued.

Every key of the configuration has a decision here (test_resuming.py holds that): an override given
with `--resume` takes effect, or it is refused in one line. Nothing here writes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from envs.errors import InputError
from selfplay.config.reading import differing_keys, parse_config, sections
from selfplay.config.run import RunConfig
from selfplay.display.console import RunConsole
from selfplay.rundir.folder import RunDir


def resumed_config(
    run_dir: RunDir, given: RunConfig, overrides: list[str], console: RunConsole
) -> RunConfig:
    """Return the run's own configuration with `overrides` applied; the folder keeps its own.

    Changes in the given file since the start are not taken over, only named: an override says what
    is meant.

    Raises:
        InputError: an override changes what a resumed run keeps.
    """
    stored = run_dir.config()
    config = parse_config(stored.model_dump(mode="json"), str(run_dir.path), overrides)
    config = config.model_copy(update={"name": stored.name, "runs_dir": stored.runs_dir})
    for key, (old, new) in differing_keys(stored, config).items():
        reason = _why_kept(key, config)
        if reason is not None:
            raise InputError(
                f"override '{key}={new}': a resumed run keeps its {key} ({old}): {reason}; start "
                "another run with --name OTHER"
            )
    own = {"name", "runs_dir"}
    own |= {f"{part}.{key}" for part, kind in sections().items() for key in kind.SETTLED}
    for key, (kept, asked) in differing_keys(config, given).items():
        if key not in own:
            mend = f"pass {key}={asked}" if _why_kept(key, config) is None else "start another run"
            console.warn(f"the run keeps {key}={kept}; to change it, {mend}")
    return config


def _why_kept(key: str, config: RunConfig) -> str | None:
    """Return why a resumed run keeps a key (dotted, with the place in a list or table after it).

    None: an override of it takes effect.
    """
    if key == "learner.entropy_coef" and config.learner.adaptive_entropy:
        return "the adaptive coefficient goes on from where it was (learner.adaptive_entropy)"
    kept = kept_keys()
    while key not in kept and "." in key:
        key = key.rpartition(".")[0]
    return kept.get(key)


def kept_keys() -> dict[str, str]:
    """Return every key that a resumed run keeps, dotted, with the reason.

    All others take effect from the first step after the resume. Files of tasks (`chess.pgn`,
    `code.jsonl`, ...) may have moved; other tasks in them are refused when the saved state is read.
    """
    kept = dict(RunConfig.KEPT)
    for section, kind in sections().items():
        kept |= {f"{section}.{key}": reason for key, reason in kind.KEPT.items()}
    return kept


def read_source_state(checkpoint: Path) -> dict[str, Any]:
    """Return the state of the tasks in a checkpoint. Raises InputError where it cannot be read."""
    path = checkpoint / "source.json"
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if not isinstance(state, dict):
        raise InputError(f"{path}: is no state of a run's tasks; put it back as it was")
    return state


def refuse_damaged(run_dir: RunDir) -> None:
    """Read all that a resume goes by, before it moves anything.

    Raises:
        InputError: a file cannot be read; the message names it.
    """
    for log, keys in (
        (run_dir.metrics, ("step",)),
        (run_dir.promotions, ("step", "version", "promoted")),
    ):
        try:
            [int(row[key]) for row in log.read() for key in keys]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(log.path, error) from error
    files = [run_dir.path / "manifest.json", *sorted((run_dir.path / "evals").glob("*.json"))]
    for path in files:
        try:
            if path.exists() and not isinstance(json.loads(path.read_text("utf-8")), dict):
                raise ValueError("no JSON object")
        except (OSError, ValueError) as error:
            raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path}: cannot be read ({type(error).__name__}: {str(error)[:200]}); put it back as it "
        "was; the run is as it was"
    )
