"""Chess suites: greedy answers to fixed positions, beside a random mover and simple rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import chess

from envs import Prompt, Task
from envs.chess.files import Puzzle, asked_positions, load_puzzles
from envs.chess.parse import parse_move
from envs.chess.position import board_of, make_task
from envs.chess.rules import RULES
from rewards import RewardResult
from selfplay.domains import rows as any_rows
from selfplay.domains.base import Ask, Progress, Row
from selfplay.records import EvalRow
from selfplay.stats.clustered import FORMULA, cluster_of, mean, paired_p, share, stated

CHUNK = 128
"""Positions per call of the samplers. Fixed: low-precision results depend on what is batched."""

LEGAL = ("pass", "fail")
"""The verdicts of a legal move."""

RULE_ROWS = "rules"
"""Key of a row that holds the rules' moves."""

Render = Callable[[Task], Prompt]


def moves_of(results: Sequence[RewardResult]) -> list[str]:
    """Return the legal moves (UCI) among answers to one position, in order."""
    return [str(r.evidence["action"]) for r in results if r.verdict in LEGAL]


@lru_cache(maxsize=1024)
def _rule_moves(fen: str) -> tuple[str | None, ...]:
    """Return the move in SAN of each of RULES, in order; None where one says nothing."""
    board = chess.Board(fen)
    moves = [rule(board) for rule in RULES.values()]
    return tuple(None if move is None else board.san(move) for move in moves)


def rule_answers(task: Task) -> list[str]:
    """Return the moves of the rules that choose one here, in the order of RULES, as answers."""
    return [f" {san}" for san in _rule_moves(task.payload["fen"]) if san is not None]


def evaluation_row(task: Task, texts: Sequence[str], results: Sequence[RewardResult]) -> EvalRow:
    """Return what is kept of an answer, the first of `texts`, and of the rules' moves after it.

    Without those (rows of older runs) there is nothing of rules. Every position of a suite is drawn
    from a game of its own: it is a cluster of its own.
    """
    text, result = texts[0], results[0]
    parts = result.parts
    columns: dict[str, Any] = {
        "fen": task.payload["fen"],
        "action": result.evidence.get("action"),
        "regret": parts.get("regret"),
        "best": parts.get("best"),
        "random_regret": parts.get("random_regret"),
        "random_best": parts.get("random_best"),
        "best_moves": result.evidence.get("best"),
    }
    if len(results) > 1 or not rule_answers(task):
        columns[RULE_ROWS] = _rule_rows(task, parts, results[1:])
    return EvalRow(task.id, task.id, text, result.verdict, columns)


def _rule_rows(
    task: Task, parts: Mapping[str, float], results: Sequence[RewardResult]
) -> dict[str, Any]:
    """Return rule -> its move, regret and chance of a best move; a silent rule plays at random."""
    scored = iter(results)
    rows = {}
    for name, san in zip(RULES, _rule_moves(task.payload["fen"]), strict=True):
        if san is None:
            found = {"action": None, "regret": parts.get("random_regret")}
            rows[name] = found | {"best": parts.get("random_best")}
            continue
        result = next(scored)
        found = {"action": result.evidence.get("action"), "regret": result.parts.get("regret")}
        rows[name] = found | {"best": result.parts.get("best")}
    return rows


def suite_numbers(rows: Sequence[Row], formula: int = FORMULA) -> dict[str, Any]:
    """Return legal rate, best-move rate and regret with intervals.

    Rates are over all scored positions (an illegal answer is no best move); regret is over the
    legal answers, in win probability. The random mover's numbers are its expectations, position by
    position, over all positions, and so are those of the rules (envs.chess.rules). Rows with an
    infrastructure error are left out and counted. `formula`: see selfplay/stats/clustered.py.
    """
    sound = any_rows.scored(rows)
    of = [cluster_of(row) for row in sound]
    legal = [row["verdict"] in LEGAL for row in sound]
    best = [may and bool(row["best"]) for may, row in zip(legal, sound, strict=True)]
    answered = [row if may else {} for may, row in zip(legal, sound, strict=True)]
    numbers = {
        "policy": {
            "legal_rate": share(legal, of, formula).as_dict(),
            "best_move_rate": share(best, of, formula).as_dict(),
            "regret": _mean_of("regret", answered, of, formula),
        },
        "random_mover": {
            "best_move_rate": _mean_of("random_best", sound, of, formula),
            "regret": _mean_of("random_regret", sound, of, formula),
        },
        "infra_errors": len(rows) - len(sound),
        **stated(formula),
    }
    if sound and all(RULE_ROWS in row for row in sound):
        of_rule = {name: [row[RULE_ROWS][name] for row in sound] for name in RULES}
        numbers["rules"] = {
            name: {
                "best_move_rate": _mean_of("best", moves, of, formula),
                "regret": _mean_of("regret", moves, of, formula),
            }
            for name, moves in of_rule.items()
        }
    return numbers


def _mean_of(
    key: str, rows: Sequence[Mapping[str, Any]], clusters: Sequence[str], formula: int
) -> dict[str, Any]:
    """Return the mean of what the rows have under `key`; rows without it are left out."""
    known = [
        (row[key], of) for row, of in zip(rows, clusters, strict=True) if row.get(key) is not None
    ]
    return mean([value for value, _ in known], [of for _, of in known], formula).as_dict()


def beside(estimates: Row) -> dict[str, Any]:
    """Return what a summary has of the random mover and the rules.

    Their legal rate is 1 by construction and needs no measurement.
    """
    found: dict[str, Any] = {}
    if estimates.get("random_mover"):
        found["random_mover"] = _always_legal(estimates["random_mover"])
    if estimates.get("rules"):
        rules = estimates["rules"].items()
        found["rules"] = {rule: _always_legal(numbers) for rule, numbers in rules}
    return found


def _always_legal(numbers: Mapping[str, Any]) -> dict[str, Any]:
    n = max((int(value.get("n") or 0) for value in numbers.values()), default=0)
    certain = {"value": 1.0, "low": 1.0, "high": 1.0, "n": n}
    return {"legal_rate": certain, **numbers}


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
    rows = [
        {
            "task_id": p.task.id,
            "cluster": p.game or p.task.id,
            "puzzle": p.id,
            "rating": p.rating,
            "solved": solved[p.id],
            "positions": list(asked_positions(p)),
        }
        for p in puzzles
    ]
    return {**puzzle_numbers(rows), "rows": rows}


def puzzle_numbers(rows: Sequence[Row], formula: int = FORMULA) -> dict[str, Any]:
    """Return the share of solved puzzles with its interval.

    Puzzles of one game are a cluster. `formula`: see selfplay/stats/clustered.py.
    """
    solved = share(
        [bool(row["solved"]) for row in rows], [cluster_of(row) for row in rows], formula
    )
    return {"policy": {"puzzle_accuracy": solved.as_dict()}, **stated(formula)}


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


def utility(row: Row) -> float | None:
    """Return 1 for a solved puzzle; of a position 0 for an illegal answer, which loses the game,
    else 1 - regret: what was kept of the best move's winning chances.
    """
    if "solved" in row:
        return float(bool(row["solved"]))
    if row.get("verdict") in (None, "infra_error"):
        return None
    regret = row.get("regret")
    return 0.0 if regret is None else 1.0 - float(regret)


def paired(base: Sequence[Row], final: Sequence[Row], formula: int = FORMULA) -> dict[str, Any]:
    """Return the paired tests over the positions that both evaluations asked.

    `legal_rate`: p of base against final. `regret_vs_random`: mean, with its 95% bootstrap
    interval, of the final move's regret minus the random legal mover's expected regret on the same
    position, over the positions where the final move was legal; below 0 is better than random.
    Null without such positions. `vs_rules` (rule -> regret, best_move_rate): the same against the
    rules of envs.chess.rules; best moves over all positions, an illegal answer being none.
    """
    before = {row["task_id"]: row for row in base}
    both = [row for row in final if row["task_id"] in before]
    if formula > 1:  # what was never scored, through our own fault, is neither legal nor illegal
        seen = {row["task_id"] for row in any_rows.scored(base)}
        both = [row for row in any_rows.scored(both) if row["task_id"] in seen]
    p = paired_p(
        [before[row["task_id"]]["verdict"] in LEGAL for row in both],
        [row["verdict"] in LEGAL for row in both],
        [cluster_of(row) for row in both],
        formula,
    )
    legal = [row for row in final if _has(row, "regret") and _has(row, "random_regret")]
    pairs = [(row["regret"], row["random_regret"], row) for row in legal]
    found: dict[str, Any] = {"legal_rate": {"p": p if both else None}}
    found["regret_vs_random"] = any_rows.gain(pairs, formula)
    if final and all(RULE_ROWS in row for row in final):
        rules = final[0][RULE_ROWS]
        found["vs_rules"] = {rule: _against_rule(final, rule, formula) for rule in rules}
    return found


def _against_rule(rows: Sequence[Row], rule: str, formula: int) -> dict[str, Any]:
    """Return the mean differences, policy minus rule, on the same positions."""
    sound = [row for row in any_rows.scored(rows) if _has(row[RULE_ROWS][rule], "regret")]
    legal = [row for row in sound if _has(row, "regret")]
    pairs = {
        "regret": [(row["regret"], row[RULE_ROWS][rule]["regret"], row) for row in legal],
        "best_move_rate": [
            (row.get("best") or 0.0, row[RULE_ROWS][rule]["best"], row) for row in sound
        ],
    }
    return {metric: any_rows.gain(both, formula) for metric, both in pairs.items()}


def _has(row: Row, key: str) -> bool:
    return row.get(key) is not None
