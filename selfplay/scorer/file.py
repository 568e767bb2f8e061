"""`selfplay score`: completions in a JSONL file to verdicts and rewards in another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chess

from envs.chess.position import board_of, make_task, parse_fen
from envs.code import rows
from envs.errors import InputError
from envs.task import Task
from envs.text import clean_text
from rewards import RewardResult
from rewards.chess.scorer import ChessScorer
from rewards.result import ScoreRequest
from selfplay.config.run import RunConfig
from selfplay.rundir.writes import plain, write_atomic

BATCH = 256
_ADDED = ("verdict", "value", "parts", "evidence")


def chess_scorer(config: RunConfig) -> ChessScorer:
    """Return the scorer that `config` describes, its engine started; close it.

    Raises:
        InputError: the engine or the cache cannot be used.
    """
    return ChessScorer(
        engine_path=config.engine.path,
        nodes=config.engine.nodes,
        hash_mb=config.engine.hash_mb,
        deadline_s=config.engine.deadline_s,
        cache_path=config.engine.cache,
        shape=config.reward.shape,
        floor=config.reward.floor,
        slope=config.reward.slope,
        beyond=config.reward.beyond,
        limits=config.engine.limits,
    )


Scored = Iterator[dict[str, Any]]


def score_file(
    source: Path, target: Path, config: RunConfig, *, force: bool, domain: str = "chess"
) -> dict[str, int]:
    """Score every row of `source` and write the rows with their scores to `target`.

    A chess row is {"fen", "completion"} with, optionally, "moves" (UCI, leading to the FEN from
    "start_fen" or the usual start); for code see domains/code/score_file.py. Other keys are kept.
    All rows are checked before the first is scored, and `target` appears only when all are done.

    Returns:
        How many rows got each verdict.

    Raises:
        InputError: `source` cannot be read, a row is broken (file:line), or `target` exists and
            `force` is false.
    """
    refuse_existing(target, force=force)
    if domain == "code":
        from selfplay.domains.code.score_file import scored_code

        scored = scored_code(source, config)
    else:
        scored = _scored_chess(list(read_rows(source)), config)
    counts: dict[str, int] = {}

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8") as file:
            for row in scored:
                counts[row["verdict"]] = counts.get(row["verdict"], 0) + 1
                file.write(json.dumps(plain(row), allow_nan=False) + "\n")

    try:
        write_atomic(target, write, overwrite=force)
    except FileExistsError as error:
        raise InputError(f"{target}: appeared while scoring; pass --force to replace it") from error
    except PermissionError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from error
    return counts


def _scored_chess(rows: list[tuple[dict[str, Any], Task]], config: RunConfig) -> Scored:
    with chess_scorer(config) as scorer:
        for start in range(0, len(rows), BATCH):
            yield from score_rows(rows[start : start + BATCH], scorer)


def refuse_existing(target: Path, *, force: bool) -> None:
    """Raise InputError if `target` exists (unless `force`) or cannot be a file."""
    if target.is_dir():
        raise InputError(f"{target}: is a folder; name a file")
    if target.exists() and not force:
        raise InputError(f"{target}: exists; choose another file or pass --force")
    if not target.parent.is_dir():
        raise InputError(f"{target}: the folder {target.parent} does not exist; make it first")


def score_rows(
    rows: list[tuple[dict[str, Any], Task]], scorer: ChessScorer
) -> Iterator[dict[str, Any]]:
    """Yield each row with verdict, value, parts and evidence added."""
    results = scorer.score(
        [ScoreRequest(task, clean_text(row["completion"])) for row, task in rows]
    )
    for (row, _), result in zip(rows, results, strict=True):
        yield with_score(row, result)


def with_score(row: dict[str, Any], result: RewardResult) -> dict[str, Any]:
    """Return the row with verdict, value, parts and evidence added."""
    return row | {
        "verdict": result.verdict,
        "value": result.value,
        "parts": result.parts,
        "evidence": result.evidence,
    }


def refuse_taken(row: dict[str, Any], where: str) -> None:
    """Raise InputError if the row has a key that scoring writes."""
    taken = next((key for key in _ADDED if key in row), None)
    if taken is not None:
        raise InputError(f"{where}: key '{taken}' is one that scoring writes; rename it")


def read_rows(source: Path) -> Iterator[tuple[dict[str, Any], Task]]:
    """Yield the checked rows of a file (envs/code/rows.py says which) with their tasks.

    Raises:
        InputError: names file:line, the fault and the mend.
    """
    for where, row in rows.read_rows(source):
        yield _checked_row(row, where)


def _checked_row(row: dict[str, Any], where: str) -> tuple[dict[str, Any], Task]:
    for key in ("fen", "completion"):
        if not isinstance(row.get(key), str):
            fault = "is missing" if key not in row else "is not text"
            raise InputError(f"{where}: key '{key}' {fault}")
    refuse_taken(row, where)
    task = _task_of(row, where)
    if not any(board_of(task).legal_moves):
        raise InputError(f"{where}: 'fen' has no legal move: the game is over there")
    return row, task


def _task_of(row: dict[str, Any], where: str) -> Task:
    fen, moves = row["fen"], row.get("moves")
    board = parse_fen(fen, where)
    if moves is None:
        return make_task(board)
    if not isinstance(moves, list) or not all(isinstance(move, str) for move in moves):
        raise InputError(f"{where}: 'moves' must be a list of UCI moves such as [\"e2e4\"]")
    start = row.get("start_fen", chess.STARTING_FEN)
    if not isinstance(start, str):
        raise InputError(f"{where}: 'start_fen' is not text")
    history = parse_fen(start, where)
    for move in moves:
        try:
            history.push_uci(move)
        except ValueError as error:
            raise InputError(f"{where}: 'moves': {move[:20]!r} is not a legal UCI move") from error
    if history.fen() != board.fen():
        raise InputError(f"{where}: 'moves' lead to {history.fen()}, which is not 'fen'")
    return make_task(history)
