"""Ways to edit a run's folder, each as somebody would who wants it to look better."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chess.pgn
import pyarrow as pa
import pyarrow.parquet as pq

from selfplay.domains.chess.replay import read_pgn
from selfplay.records import FORCED
from selfplay.rundir.rollouts import SCHEMA
from selfplay.verify import Findings

Edit = Callable[[Path], None]
Rows = list[dict[str, Any]]
STEP1 = "rollouts/step_000001.parquet"
BASE, FINAL = "evals/base.json", "evals/final.json"
LEGAL = ("pass", "fail")


def lines(findings: Findings) -> list[str]:
    """Return the differences as they are printed."""
    return [difference.line() for difference in findings.differences]


@dataclass(frozen=True, slots=True)
class Case:
    """An edit, "FILE: PART" of the line that must name it, and whether it takes the scorers."""

    name: str
    edit: Edit
    named: str
    scorers: bool = False


def in_rows(change: Callable[[Rows], None], file: str = STEP1) -> Edit:
    def edit(run: Path) -> None:
        rows = pq.read_table(run / file).to_pylist()
        change(rows)
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), run / file, compression="zstd")

    return edit


def in_json(change: Callable[[Any], None], file: str) -> Edit:
    def edit(run: Path) -> None:
        value = json.loads((run / file).read_text())
        change(value)
        (run / file).write_text(json.dumps(value, indent=2) + "\n")

    return edit


def in_lines(change: Callable[[list[Any]], None], file: str) -> Edit:
    def edit(run: Path) -> None:
        lines = [json.loads(line) for line in (run / file).read_text().splitlines()]
        change(lines)
        (run / file).write_text("".join(json.dumps(line) + "\n" for line in lines))

    return edit


def in_game(change: Callable[[chess.pgn.Game, str], str]) -> Edit:
    def edit(run: Path) -> None:
        path = sorted((run / "games").glob("*.pgn"))[0]
        texts = [text for _, text in read_pgn(path)]
        game = next(read_pgn(path))[0]
        texts[0] = change(game, texts[0])
        path.write_text("".join(texts))

    return edit


def first(rows: Rows, *, forced: bool, legal: bool = True) -> dict[str, Any]:
    """The first listed or drawn row with a legal or without one."""
    return next(
        row
        for row in rows
        if (row["finish"] == FORCED) == forced and (row["verdict"] in LEGAL) == legal
    )


def put(**values: Any) -> Callable[[Rows], None]:
    """Change the first listed row."""
    return lambda rows: first(rows, forced=True).update(values)


def forged_best(rows: Rows) -> None:
    """Call a move the best one, with all that its row says of it."""
    row = next(row for row in rows if row["finish"] == FORCED and row["verdict"] == "fail")
    parts = json.loads(row["parts"])
    parts |= {"best": 1.0, "regret": 0.0, "win": parts["best_win"], "rank": 1.0}
    row.update(value=1.0, verdict="pass", parts=json.dumps(parts, sort_keys=True))


def other_ids(rows: Rows) -> None:
    row = first(rows, forced=False, legal=False)
    row["completion_ids"] = [row["completion_ids"][0] + 1, *row["completion_ids"][1:]]


def other_prompt(rows: Rows) -> None:
    seed = rows[0]["seed"]
    for row in rows:
        if row["seed"] == seed:
            row["prompt_ids"] = row["prompt_ids"][:-1]


def better_answer(evaluation: Any) -> None:
    row = evaluation["suites"]["chess/games"]["rows"][3]
    row["completion"] = f" {row['best_moves'][0]}"


def other_move(game: chess.pgn.Game, text: str) -> str:
    """The last move of a game is another legal one."""
    last = game.end()
    assert last.parent is not None
    board = last.parent.board()
    others = [move for move in board.legal_moves if move != last.move]
    old = board.san(last.move)
    new = board.san(random.Random(0).choice(others))
    head, _, tail = text.rpartition(old)
    return head + new + tail


def other_result(game: chess.pgn.Game, text: str) -> str:
    result = game.headers["Result"]
    return text.replace(f'"{result}"', '"1-0"').replace(f" {result}\n", " 1-0\n")


def evaluated_too(run: Path) -> None:
    """A position that trained is one of those that the final evaluation asked."""
    trained = json.loads(pq.read_table(run / STEP1).to_pylist()[0]["payload"])["fen"]
    in_json(lambda e: suite(e)["rows"][3].update(fen=trained), FINAL)(run)


def flip_promotion(lines: list[Any]) -> None:
    lines[0]["promoted"] = not lines[0]["promoted"]


def swap_weights(run: Path) -> None:
    here, there = (run / "checkpoints" / f"v{v:06d}" / "model.safetensors" for v in (2, 4))
    shutil.copy(here, there)


def cut_weights(run: Path) -> None:
    path = run / "checkpoints" / "v000004" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-8])


def halve(run: Path) -> None:
    path = run / STEP1
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def suite(evaluation: Any) -> Any:
    return evaluation["suites"]["chess/games"]


CASES = [
    Case("reward", in_rows(put(value=0.987)), f"{STEP1}: row 2, value"),
    Case("verdict", in_rows(put(verdict="illegal")), f"{STEP1}: row 2, verdict"),
    Case("forged best move", in_rows(forged_best), f"{STEP1}: scored again.verdict", scorers=True),
    Case("text", in_rows(put(text=" Qh9\n")), f"{STEP1}: row 2, text", scorers=True),
    Case("evaluated position", evaluated_too, f"{STEP1}: row 0, payload: stored a held-out task"),
    Case("token ids", in_rows(other_ids), f"{STEP1}: row 0, text", scorers=True),
    Case("prompt ids", in_rows(other_prompt), f"{STEP1}: row 0, prompt_ids", scorers=True),
    Case("advantage", in_rows(put(advantage=0.5)), f"{STEP1}: row 2, advantage"),
    Case("seed", in_rows(put(seed=7)), f"{STEP1}: row 2, seed"),
    Case("removed row", in_rows(lambda rows: rows.pop(5)), f"{STEP1}: row 5, index"),
    Case("removed last row", in_rows(lambda rows: rows.pop()), "metrics.jsonl: step 1, rollouts"),
    Case("duplicated row", in_rows(lambda rows: rows.append(rows[3])), f"{STEP1}: row 3, index"),
    Case("dropped group", in_rows(put(trained=False)), f"{STEP1}: row 2, trained"),
    Case("damaged Parquet", halve, STEP1),
    Case("removed Parquet", lambda run: (run / STEP1).unlink(), STEP1),
    Case(
        "metrics",
        in_lines(lambda rows: rows[1].update(legal_rate=0.75), "metrics.jsonl"),
        "metrics.jsonl: step 2, legal_rate",
    ),
    Case(
        "removed metrics line",
        in_lines(lambda rows: rows.pop(1), "metrics.jsonl"),
        "metrics.jsonl: line 2, step",
    ),
    Case(
        "evaluation answer",
        in_json(better_answer, FINAL),
        f"{FINAL}: suites.chess/games.rows[3].action",
    ),
    Case(
        "evaluation score",
        in_json(lambda e: suite(e)["rows"][3].update(random_regret=0.9), FINAL),
        f"{FINAL}: suites.chess/games.rows[3] scored again.random_regret",
        scorers=True,
    ),
    Case(
        "weaker rule",
        in_json(
            lambda e: suite(e)["rows"][3]["rules"]["best_exchange"].update(best=0.0, regret=0.4),
            FINAL,
        ),
        f"{FINAL}: suites.chess/games.rows[3] scored again.rules.best_exchange.regret",
        scorers=True,
    ),
    Case(
        "weaker base under another prompt",
        in_json(lambda e: suite(e)["prompts"][1]["rows"][0].update(verdict="illegal"), BASE),
        f"{BASE}: suites.chess/games.prompts[1].",
    ),
    Case(
        "base's best prompt left out",
        in_json(lambda e: suite(e)["prompts"].pop(), BASE),
        f"{BASE}: suites.chess/games.prompts",
    ),
    Case(
        "left out position",
        in_json(lambda e: suite(e)["rows"].pop(0), FINAL),
        f"{FINAL}: suites.chess/games.rows: stored 11 items, recomputed 12 items",
    ),
    Case(
        "aggregate",
        in_json(lambda e: suite(e)["policy"]["best_move_rate"].update(value=0.5), FINAL),
        f"{FINAL}: suites.chess/games.policy.best_move_rate.value",
    ),
    Case(
        "narrowed interval",
        in_json(lambda e: suite(e)["random_mover"]["regret"].update(high=0.2), FINAL),
        f"{FINAL}: suites.chess/games.random_mover.regret.high",
    ),
    Case(
        "summary number",
        in_json(lambda s: s.update(rollouts=1000), "summary.json"),
        "summary.json: rollouts",
    ),
    Case(
        "summary test",
        in_json(lambda s: suite(s)["paired"]["legal_rate"].update(p=0.001), "summary.json"),
        "summary.json: suites.chess/games.paired.legal_rate.p",
    ),
    Case(
        "promotion",
        in_lines(flip_promotion, "promotions.jsonl"),
        "promotions.jsonl: line 1.promoted",
    ),
    Case(
        "removed decision",
        in_lines(lambda lines: lines.clear(), "promotions.jsonl"),
        "promotions.jsonl: evaluation final",
    ),
    Case("champion", lambda run: _write(run / "champion", "v000002\n"), "champion"),
    Case("move of a game", in_game(other_move), "games/step_"),
    Case("result of a game", in_game(other_result), "games/step_"),
    Case("removed game", in_game(lambda game, text: ""), "games: game of Round"),
    Case("swapped weights", swap_weights, "checkpoints/v000004/model.safetensors: sha256"),
    Case("cut weights", cut_weights, "checkpoints/v000004"),
]


def _write(path: Path, text: str) -> None:
    path.write_text(text)
