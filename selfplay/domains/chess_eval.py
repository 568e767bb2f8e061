"""Chess suites: greedy answers to fixed positions; beside them a random legal mover and rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import chess

from envs import Prompt, Task
from envs.chess.files import Puzzle, asked_positions, load_puzzles
from envs.chess.parse import parse_move
from envs.chess.position import board_of, make_task
from envs.chess.rules import RULES
from envs.chess.suites import load_suite
from rewards import RewardResult
from selfplay.domains.base import Ask, Progress, Score
from selfplay.stats import bootstrap_mean, wilson

CHUNK = 128
"""Positions per call of the samplers. Fixed: low-precision results depend on what is batched."""

RULE_ROWS = "rules"
"""Key of a row that holds the rules' moves."""

Render = Callable[[Task], Prompt]


def evaluate_suite(
    suite: str, limit: int, render: Render, ask: Ask, score: Score, progress: Progress
) -> dict[str, Any]:
    """Return the numbers of the first `limit` positions of a suite (see suite_numbers)."""
    tasks = load_suite(suite)[:limit]
    rows: list[dict[str, Any]] = []
    for start in range(0, len(tasks), CHUNK):
        chunk = tasks[start : start + CHUNK]
        texts = [answers[0] for answers in ask([render(task) for task in chunk], 1, 0.0)]
        asked = [[text, *rule_answers(task)] for task, text in zip(chunk, texts, strict=True)]
        results = score(list(zip(chunk, asked, strict=True)))
        for task, answers, scored in zip(chunk, asked, results, strict=True):
            rows.append(evaluation_row(task, answers, scored))
        progress(f"{suite} {len(rows)}/{len(tasks)}")
    return suite_numbers(rows)


def rule_answers(task: Task) -> list[str]:
    """Return the moves of the rules that choose one here, in the order of RULES, as answers."""
    board = board_of(task)
    moves = [rule(board) for rule in RULES.values()]
    return [f" {board.san(move)}" for move in moves if move is not None]


def evaluation_row(
    task: Task, texts: Sequence[str], results: Sequence[RewardResult]
) -> dict[str, Any]:
    """Return what is kept of an answer and of the rules' moves; `texts` ends in `rule_answers`."""
    rules = _rule_rows(task, results[0].parts, results[1:])
    return answer_row(task, texts, results) | {RULE_ROWS: rules}


def answer_row(task: Task, texts: Sequence[str], results: Sequence[RewardResult]) -> dict[str, Any]:
    """Return what is kept of an answer, the first of `texts`; rows of older runs are no more."""
    text, result = texts[0], results[0]
    parts = result.parts
    return {
        "task_id": task.id,
        "fen": task.payload["fen"],
        "completion": text,
        "verdict": result.verdict,
        "action": result.evidence.get("action"),
        "regret": parts.get("regret"),
        "best": parts.get("best"),
        "random_regret": parts.get("random_regret"),
        "random_best": parts.get("random_best"),
        "best_moves": result.evidence.get("best"),
    }


def _rule_rows(
    task: Task, parts: Mapping[str, float], results: Sequence[RewardResult]
) -> dict[str, Any]:
    """Return rule -> its move, regret and chance of a best move; a silent rule plays at random."""
    board, scored = board_of(task), iter(results)
    rows = {}
    for name, rule in RULES.items():
        if rule(board) is None:
            found = {"action": None, "regret": parts.get("random_regret")}
            rows[name] = found | {"best": parts.get("random_best")}
            continue
        result = next(scored)
        found = {"action": result.evidence.get("action"), "regret": result.parts.get("regret")}
        rows[name] = found | {"best": result.parts.get("best")}
    return rows


def suite_numbers(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return legal rate, best-move rate and regret with intervals, and the rows.

    Rates are over all scored positions (an illegal answer is no best move); regret is over the
    legal answers, in win probability. The random mover's figures are its expectations, position by
    position, over all positions,
    and so are those of the rules (envs.chess.rules). Rows that met an infrastructure error are
    left out and counted.
    """
    sound = [row for row in rows if row["verdict"] != "infra_error"]
    legal = [row for row in sound if row["verdict"] in ("pass", "fail")]
    best = sum(1 for row in legal if row["best"])
    numbers = {
        "policy": {
            "legal_rate": wilson(len(legal), len(sound)).as_dict(),
            "best_move_rate": wilson(best, len(sound)).as_dict(),
            "regret": bootstrap_mean([row["regret"] for row in legal]).as_dict(),
        },
        "random_mover": {
            "best_move_rate": bootstrap_mean([row["random_best"] for row in sound]).as_dict(),
            "regret": bootstrap_mean([row["random_regret"] for row in sound]).as_dict(),
        },
        "infra_errors": len(rows) - len(sound),
        "rows": rows,
    }
    if sound and all(RULE_ROWS in row for row in sound):
        numbers["rules"] = {
            name: _rule_numbers([row[RULE_ROWS][name] for row in sound]) for name in RULES
        }
    return numbers


def _rule_numbers(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a rule's best-move rate and regret; positions that were not scored are left out."""
    return {
        metric: bootstrap_mean([row[key] for row in rows if row[key] is not None]).as_dict()
        for metric, key in (("best_move_rate", "best"), ("regret", "regret"))
    }


def solve_puzzles(
    path: Path, limit: int, render: Render, ask: Ask, progress: Progress
) -> dict[str, Any]:
    """Solve puzzles move by move; one is solved when every move of its line was found."""
    puzzles = load_puzzles(path, limit=limit)
    alive = [(puzzle, board_of(puzzle.task), 0) for puzzle in puzzles]
    solved: dict[str, bool] = {puzzle.id: False for puzzle in puzzles}
    while alive:
        prompts = [render(make_task(board)) for _, board, _ in alive]
        texts = []
        for start in range(0, len(prompts), CHUNK):
            texts += [answers[0] for answers in ask(prompts[start : start + CHUNK], 1, 0.0)]
        going_on = []
        for (puzzle, board, ply), text in zip(alive, texts, strict=True):
            outcome = _puzzle_move(puzzle, board, ply, text)
            if outcome is None:
                continue
            if outcome:
                solved[puzzle.id] = True
            else:
                going_on.append((puzzle, board, ply + 2))
        alive = going_on
        progress(f"puzzles: {sum(solved.values())} solved, {len(alive)} going on")
    rate = wilson(sum(solved.values()), len(solved)).as_dict()
    rows = [
        {
            "task_id": p.task.id,
            "puzzle": p.id,
            "rating": p.rating,
            "solved": solved[p.id],
            "positions": list(asked_positions(p)),
        }
        for p in puzzles
    ]
    return {"policy": {"puzzle_accuracy": rate}, "rows": rows}


def _puzzle_move(puzzle: Puzzle, board: chess.Board, ply: int, text: str) -> bool | None:
    """Play the answer on `board`: None if wrong, True if the puzzle is solved, False to go on."""
    parsed = parse_move(text, board)
    if parsed.action is None:
        return None
    move = chess.Move.from_uci(parsed.action)
    if parsed.action != puzzle.solution[ply]:
        board.push(move)
        return True if board.is_checkmate() else None
    board.push(move)
    if board.is_checkmate() or ply + 1 >= len(puzzle.solution):
        return True
    board.push(chess.Move.from_uci(puzzle.solution[ply + 1]))
    return False
