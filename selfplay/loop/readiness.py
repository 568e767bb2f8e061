"""What a run needs, checked before it begins: `selfplay run` and its dry run ask the same.

Nothing is started that outlives the check and nothing is written into the run's folder, so a run or
a resume that is refused leaves everything as it was.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs.errors import InputError
from selfplay.cluster.session import check_cluster
from selfplay.config.run import RunConfig
from selfplay.domains.made import Domains
from selfplay.domains.mixed import RunSource, open_sources
from selfplay.gate.gate import check_openings
from selfplay.league.training import TrainingLeague
from selfplay.loop.evaluate import check_evaluation
from selfplay.loop.machine import refuse_full_disk
from selfplay.loop.resuming import read_source_state, refuse_damaged
from selfplay.models.load import load_tokenizer, model_context, resolve_model
from selfplay.rundir.folder import RunDir
from selfplay.sampler.prompts import prompt_ids


@dataclass(frozen=True, slots=True)
class Ready:
    """What the checks opened on their way, for the run to go on with."""

    config: RunConfig
    """With absolute paths."""
    base: str
    """The model that the run began with: version 0."""
    model: str
    """What learner and samplers load: the base, or the checkpoint that a resume goes on from."""
    domains: Domains
    source: RunSource
    league: TrainingLeague | None
    tokenizer: Any
    context: int
    """The longest sequence that the model takes, in tokens."""
    first_prompt: tuple[int, ...]
    """Ids of the first task's prompt, on which sampler and learner are compared."""


def prepare(config: RunConfig, run_dir: RunDir, checkpoint: Path | None, stack: ExitStack) -> Ready:
    """Check all that a run can be refused for before Ray starts, and open what it reads.

    Args:
        config: the run's.
        run_dir: its folder, which need not exist yet.
        checkpoint: what a resume goes on from.
        stack: closes what is opened.

    Raises:
        InputError: in one line, what is missing or wrong and how to mend it.
    """
    from selfplay.fidelity.family import refuse_unfit  # torch: not for a missing file

    refuse_damaged(run_dir)
    # The cheapest first: nobody should wait for an engine to learn of a missing file.
    check_cluster(config)
    resolve_model(config.model)
    if config.promotion.match:
        check_openings(config)
    refuse_full_disk(config)
    config = config.with_absolute_paths()
    local = Path(config.model).expanduser()
    base = str(local.absolute()) if local.exists() else config.model
    model = str(checkpoint or base)
    tokenizer, context = load_tokenizer(model), model_context(model)
    refuse_unfit(model)
    saved = None if checkpoint is None else read_source_state(checkpoint)
    league = None
    if config.league.opponents != "none":
        league = stack.enter_context(TrainingLeague(config, run_dir, base))
    domains = Domains(config, opponents=league)
    check_evaluation(config, domains)
    source = open_sources(config, domains, stack)
    if saved is not None:
        _restore(source, saved, checkpoint)
    asked = _ask_once(config, source, domains, tokenizer, context, alone=league is None)
    return Ready(config, base, model, domains, source, league, tokenizer, context, asked)


def _restore(source: RunSource, saved: dict[str, Any], checkpoint: Path | None) -> None:
    try:
        source.restore(saved)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(
            f"{checkpoint}/source.json: is damaged ({type(error).__name__}: {error}); put it back, "
            "or remove this checkpoint to go on from the one before"
        ) from error


def _ask_once(
    config: RunConfig,
    source: RunSource,
    domains: Domains,
    tokenizer: Any,
    context: int,
    *,
    alone: bool,
) -> tuple[int, ...]:
    """Draw the first tasks, see that their prompts fit the model, and put them back.

    Returns the first prompt's ids.

    With opponents in the games (not `alone`) others than the policy would have to move, which takes
    samplers: the same tasks are then drawn without them.
    """
    with ExitStack() as stack:
        if not alone:
            domains = Domains(config)
            source = open_sources(config, domains, stack)
        before = json.dumps(source.state())
        tasks = source.next_tasks(len(domains))
        if not tasks:
            raise InputError("the sources of tasks are empty: give another file or another share")
        asked = [prompt_ids(tokenizer, domains.of(task).render(task), context) for task in tasks]
        source.restore(json.loads(before))
        return asked[0]
