"""Greedy evaluation on held-out suites, with intervals; the random legal mover beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import chess

from envs import Task
from envs.chess.files import Puzzle, load_puzzles
from envs.chess.position import board_of, make_task
from envs.chess.prompts import render
from envs.chess.suites import load_suite, suite_names
from envs.errors import InputError
from rewards import RewardResult
from selfplay.cluster import ray_session
from selfplay.config import RunConfig
from selfplay.engines import SampleRequest
from selfplay.models import load_tokenizer
from selfplay.sampling import SamplerPool, prompt_ids
from selfplay.scoring import ScorerPool
from selfplay.stats import bootstrap_mean, wilson

PUZZLES = "chess/puzzles"
CHUNK = 128
"""Positions per call of the samplers. Fixed: low-precision results depend on what is batched."""

Progress = Callable[[str], None]


class Evaluator:
    """Measures the samplers' current policy; scorers with `eval.nodes` live while it does."""

    def __init__(
        self, config: RunConfig, *, samplers: SamplerPool, tokenizer: Any, context: int
    ) -> None:
        self._config = config
        self._samplers = samplers
        self._tokenizer = tokenizer
        self._context = context

    def evaluate(
        self,
        name: str,
        *,
        step: int,
        positions: int,
        suites: Sequence[str] | None = None,
        progress: Progress = lambda _: None,
    ) -> dict[str, Any]:
        """Return an evaluation record: per suite the policy, the random mover, and every row."""
        start = time.monotonic()
        result: dict[str, Any] = {}
        scorers = ScorerPool(self._config, self._config.eval.nodes)
        try:
            for suite in check_suites(suites or self._config.eval.suites):
                tasks = load_suite(suite)[:positions]
                rows = self._rows(suite, tasks, scorers, progress)
                result[suite] = suite_numbers(rows)
            if self._config.eval.puzzles is not None and suites is None:
                result[PUZZLES] = self._puzzles(self._config.eval.puzzles, positions, progress)
        finally:
            scorers.close()
        return {
            "name": name,
            "version": self._samplers.version,
            "step": step,
            "positions": positions,
            "seconds": round(time.monotonic() - start, 2),
            "suites": result,
        }

    def answers(self, tasks: Sequence[Task]) -> Iterator[list[str]]:
        """Yield the greedy answers to `tasks`, chunk by chunk."""
        settings = self._config.chess
        for start in range(0, len(tasks), CHUNK):
            requests = []
            for task in tasks[start : start + CHUNK]:
                prompt = render(task, settings.style, settings.notation, settings.max_tokens)
                ids = prompt_ids(self._tokenizer, prompt, self._context)
                requests.append(SampleRequest(ids, 1, prompt.max_tokens, prompt.stop, 0.0, 0))
            samples = self._samplers.sample(requests)
            yield [self._tokenizer.decode(s[0].ids, skip_special_tokens=True) for s in samples]

    def _rows(
        self, suite: str, tasks: Sequence[Task], scorers: ScorerPool, progress: Progress
    ) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for texts in self.answers(tasks):
            chunk = tasks[len(rows) : len(rows) + len(texts)]
            results = scorers.score(
                [(task, [text]) for task, text in zip(chunk, texts, strict=True)]
            )
            for task, text, scored in zip(chunk, texts, results, strict=True):
                rows.append(evaluation_row(task, text, scored[0]))
            progress(f"{suite} {len(rows)}/{len(tasks)}")
        return rows

    def _puzzles(self, path: Path, limit: int, progress: Progress) -> dict[str, Any]:
        """Solve puzzles move by move; one is solved when every move of its line was found."""
        puzzles = load_puzzles(path, limit=min(limit, self._config.eval.puzzle_limit))
        alive = [(puzzle, board_of(puzzle.task), 0) for puzzle in puzzles]
        solved: dict[str, bool] = {puzzle.id: False for puzzle in puzzles}
        while alive:
            tasks = [make_task(board) for _, board, _ in alive]
            texts = [text for chunk in self.answers(tasks) for text in chunk]
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
            progress(f"{PUZZLES}: {sum(solved.values())} solved, {len(alive)} going on")
        rate = wilson(sum(solved.values()), len(solved)).as_dict()
        rows = [{"task_id": p.task.id, "puzzle": p.id, "solved": solved[p.id]} for p in puzzles]
        return {"policy": {"puzzle_accuracy": rate}, "rows": rows}


def _puzzle_move(puzzle: Puzzle, board: chess.Board, ply: int, text: str) -> bool | None:
    """Play the answer on `board`: None if wrong, True if the puzzle is solved, False to go on."""
    from envs.chess.parse import parse_move

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


def check_suites(names: Sequence[str]) -> list[str]:
    """Return `names` if every one is a suite that ships.

    Raises:
        InputError: one is not; the message lists those that are.
    """
    for name in names:
        if name not in suite_names():
            raise InputError(f"suite {name!r} is unknown; there are {', '.join(suite_names())}")
    return list(names)


def check_evaluation(config: RunConfig) -> None:
    """Refuse unknown suites and a broken puzzle file before anything has started.

    Raises:
        InputError: in one line, a broken row by its number.
    """
    check_suites(config.eval.suites)
    if config.eval.puzzles is not None:
        load_puzzles(config.eval.puzzles, limit=config.eval.puzzle_limit)


def evaluation_row(task: Task, text: str, result: RewardResult) -> dict[str, Any]:
    """Return what is kept of one answer."""
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


def suite_numbers(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return legal rate, best-move rate and regret with intervals, and the rows.

    Rates are over all scored positions (an illegal answer is no best move); regret is over the
    legal answers, in win probability. The random mover's figures are its expectations, position by
    position, over all positions. Rows that met an infrastructure error are left out and counted.
    """
    sound = [row for row in rows if row["verdict"] != "infra_error"]
    legal = [row for row in sound if row["verdict"] in ("pass", "fail")]
    best = sum(1 for row in legal if row["best"])
    return {
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


@contextmanager
def evaluator_of(config: RunConfig, model: str, version: int) -> Iterator[Evaluator]:
    """Start Ray and the samplers for `model`; yield an evaluator; leave nothing running."""
    with ray_session(config) as placement:
        tokenizer = load_tokenizer(model)
        samplers = SamplerPool(config, model, version, placement.sampler_gpus)
        try:
            context = model_context(model)
            yield Evaluator(config, samplers=samplers, tokenizer=tokenizer, context=context)
        finally:
            samplers.close()


def evaluate_model(target: str, suites: list[str] | None, overrides: list[str]) -> dict[str, Any]:
    """Evaluate a run's newest checkpoint or a model, as `selfplay eval` does.

    Args:
        target: a run (name below ./runs, or folder), or whatever `model:` takes.
        suites: their names; None takes those of the configuration.
        overrides: `a.b=c` on the run's configuration, or on the defaults for a model.

    Raises:
        InputError: no such run, model or suite.
    """
    from selfplay.config_io import parse_config
    from selfplay.rundir import RunDir

    if _is_run(target):
        run_dir = RunDir.open(target)
        checkpoint = run_dir.latest_checkpoint()
        if checkpoint is None:
            raise InputError(f"{target}: this run has no complete checkpoint to evaluate")
        stored = run_dir.config().model_dump(mode="json")
        config = parse_config(stored, str(run_dir.path), overrides)
        model, version = str(checkpoint), int(checkpoint.name[1:])
    else:
        config = parse_config({}, "defaults", overrides)
        model, version = target, 0
    if suites is not None:
        check_suites(suites)
    with evaluator_of(config, model, version) as evaluator:
        positions = config.eval.positions
        return evaluator.evaluate("eval", step=version, positions=positions, suites=suites)


def model_context(model: str) -> int:
    """Return the longest sequence that the model takes, in tokens."""
    from transformers import AutoConfig

    from selfplay.models import resolve_model

    config = AutoConfig.from_pretrained(resolve_model(model), trust_remote_code=False)
    return int(getattr(config.get_text_config(), "max_position_embeddings", 0) or 1 << 20)


def _is_run(target: str) -> bool:
    return any((p / "config.yaml").exists() for p in (Path(target), Path("runs") / target))
