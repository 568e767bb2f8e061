"""Stored answers against the tokenizer: texts, prompts, seeds of the listed actions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from envs.errors import InputError
from envs.text import clean_text
from selfplay.config.run import RunConfig
from selfplay.domains.base import Domain
from selfplay.domains.differences import Difference
from selfplay.models.load import load_tokenizer
from selfplay.records import FORCED
from selfplay.rundir.folder import RunDir
from selfplay.sampler.prompts import answer_ids, answer_text, prompt_ids
from selfplay.verify.groups import StoredGroup, file_of

_NO_LIMIT = 1 << 40
"""The prompt was asked: whether it fits the model's context is no question any more."""


def find_tokenizer(folder: RunDir, config: RunConfig) -> Any:
    """Return the run's tokenizer: that of its first whole checkpoint, else that of its model.

    Raises:
        InputError: neither can be had here.
    """
    for path in folder.versions.checkpoints().values():
        if (path / "tokenizer_config.json").is_file():
            return load_tokenizer(str(path))
    local = Path(config.model).expanduser()
    return load_tokenizer(str(local.absolute()) if local.exists() else config.model)


def check_answers(
    step: int,
    group: StoredGroup,
    chosen: Sequence[int],
    *,
    domain: Domain,
    tokenizer: Any,
    config: RunConfig,
) -> Iterator[Difference]:
    """Check the prompt of a group, and the texts and token ids of its rollouts `chosen`.

    What was drawn is decoded from its ids; a listed action (`sampler.explore: all_legal`) is listed
    again, and its ids are those of its text.
    """
    task, file = group.group.task, file_of(step)
    number = group.numbers[0]
    try:
        due = prompt_ids(tokenizer, domain.render(task), _NO_LIMIT)
    except InputError as error:
        yield Difference.words(file, f"row {number}, payload", "no task", str(error))
        return
    if list(group.rows[0]["prompt_ids"]) not in _ways(tokenizer, due):
        texts = tokenizer.decode(group.rows[0]["prompt_ids"]), tokenizer.decode(due)
        yield Difference(file, f"row {number}, prompt_ids", *texts)
    listed = domain.actions(task, config.group_size, group.rows[0]["seed"]) or []
    if len(group.rows) - group.drawn != len(listed):
        sizes = f"{len(group.rows) - group.drawn} items", f"{len(listed)} items"
        yield Difference.words(file, f"rows from {number}, listed actions", *sizes)
        return
    for k in chosen:
        row, place = group.rows[k], f"row {group.numbers[k]}"
        if row["finish"] == FORCED:
            text = listed[k - group.drawn]
            ids = answer_ids(tokenizer, row["text"])
            if list(ids) != list(row["completion_ids"]):
                yield Difference(file, f"{place}, completion_ids", row["completion_ids"], ids)
        else:
            text = clean_text(answer_text(tokenizer, row["completion_ids"]))
        if text != row["text"]:
            yield Difference(file, f"{place}, text", row["text"], text)


def _ways(tokenizer: Any, due: Sequence[int]) -> list[list[int]]:
    """Return the prompt, and as older runs had it: without the token of beginning."""
    return [list(due), *([list(due[1:])] if due[0] == tokenizer.bos_token_id else [])]
