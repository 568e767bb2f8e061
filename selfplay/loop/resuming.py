"""Going on with a run: which settings may change, and whether what is stored can be continued.

Every key of the configuration has a decision here (test_resuming.py holds that): an override given
with `--resume` takes effect, or it is refused in one line. Nothing here writes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from envs.errors import InputError
from selfplay.config.reading import differing_keys, parse_config
from selfplay.config.run import RunConfig
from selfplay.display.console import RunConsole
from selfplay.rundir.folder import RunDir

_FOUND = "it says where the run is found"
_STATE = "the saved state fits no other"
_MEASURED = "what the run was measured with at its beginning must measure its end"
_TASKS = "the saved state of the tasks fits no other"
KEPT = {
    "name": _FOUND,
    "runs_dir": _FOUND,
    "model": _STATE,
    "seed": _STATE,
    "domain": _STATE,
    "shares": _TASKS,
    "chess.style": _MEASURED,
    "chess.notation": _MEASURED,
    "chess.max_tokens": _MEASURED,
    "chess.boards": _TASKS,
    "chess.sources": _TASKS,
    "code.style": _MEASURED,
    "code.max_tokens": _MEASURED,
    "code.sources": _TASKS,
    "code.levels": _TASKS,
    "code.secret": "its tests ask the same to its end",
    "code.preflight_s": "it goes by the tasks that were found sound when it began",
    "proposer.enabled": _TASKS,
    "engine.hash_mb": _MEASURED,
    "reward.beyond": _MEASURED,
    "league.opponents": "games under way have their opponents",
    "learner.lora_rank": _STATE,
    "learner.lora_alpha": _STATE,
    "eval.suites": _MEASURED,
    "eval.positions": _MEASURED,
    "eval.puzzle_limit": _MEASURED,
    "eval.nodes": _MEASURED,
    "eval.samples": _MEASURED,
    "eval.k": _MEASURED,
    "eval.temperature": _MEASURED,
    "eval.base_prompts": _MEASURED,
    "eval.base_positions": _MEASURED,
    "chess.shots": _MEASURED,
}
"""Keys that a resumed run keeps, each with the reason."""
TAKEN = frozenset(
    re.findall(
        r"\S+",
        """
    steps max_minutes groups_per_step group_size micro_batch_size max_staleness max_refills
    chess.random_opening_plies chess.opening_max_win_gap chess.max_plies chess.random_move_prob
    chess.random_when_illegal chess.puzzles chess.epd chess.pgn
    code.samples code.mbpp code.jsonl code.shape code.advantage code.advantage_scale code.retire_at
    proposer.share proposer.samples proposer.max_tokens proposer.aim
    sandbox.cpu_s sandbox.wall_s sandbox.task_s sandbox.memory_mb sandbox.output_bytes sandbox.numpy
    sandbox.bubblewrap sandbox.allow_weak
    engine.path engine.nodes engine.start_s engine.ready_s engine.newgame_s engine.deadline_s
    engine.cache
    reward.shape reward.floor reward.slope
    match.boards match.tries match.temperature match.retry_temperature match.openings
    match.book_plies match.opening_plies match.opening_max_win_gap match.max_plies match.limit_win
    match.resign_win match.resign_plies match.draw_gap match.draw_plies match.draw_from
    promotion.match promotion.elo0 promotion.elo1 promotion.alpha promotion.beta
    promotion.max_pairs promotion.on_worse promotion.margin
    league.share league.every league.versions league.anchors
    sampler.count sampler.at_least sampler.cpus sampler.gpus sampler.threads sampler.dtype
    sampler.temperature sampler.prefill_tokens sampler.deadline_s sampler.resources sampler.guests
    sampler.explore sampler.explore_draws sampler.explore_samples
    scorer.count scorer.cpus scorer.resources scorer.deadline_s scorer.retries
    learner.workers learner.cpus learner.gpus learner.resources learner.threads
    learner.lr learner.warmup_steps learner.schedule learner.weight_decay learner.max_grad_norm
    learner.loss learner.clip_low learner.clip_high learner.advantage learner.advantage_scale
    learner.flat_groups
    learner.target_temperature learner.target_prior learner.importance_cap
    learner.adaptive_entropy learner.entropy_target learner.entropy_coef learner.entropy_coef_delta
    learner.entropy_coef_max learner.dtype learner.gradient_checkpointing learner.deadline_s
    eval.every eval.every_positions eval.puzzles eval.mbpp
    checkpoint.every checkpoint.keep checkpoint.stop_s
    ray.address ray.num_cpus ray.object_store_mb ray.start_s
        """,
    )
)
"""Keys that take effect from the first step after the resume. Files of tasks (`chess.pgn`,
`code.jsonl`, ...) may have moved; other tasks in them are refused when the saved state is read."""


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
    for key, (kept, asked) in differing_keys(config, given).items():
        if key not in ("name", "runs_dir", "code.secret"):
            mend = f"pass {key}={asked}" if _why_kept(key, config) is None else "start another run"
            console.warn(f"the run keeps {key}={kept}; to change it, {mend}")
    return config


def _why_kept(key: str, config: RunConfig) -> str | None:
    """Return why a resumed run keeps a key (dotted, then the place in a list or table).

    None: an override of it takes effect.
    """
    if key == "learner.entropy_coef" and config.learner.adaptive_entropy:
        return "the adaptive coefficient goes on from where it was (learner.adaptive_entropy)"
    while key not in KEPT and "." in key:
        key = key.rpartition(".")[0]
    return KEPT.get(key)


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
