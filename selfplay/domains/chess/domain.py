"""Chess as the loop sees it: positions from the policy's own games, scored by an engine."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from envs import Prompt, Task
from envs.chess.files import asked_positions, load_puzzles
from envs.chess.games import GamePool
from envs.chess.openings import balanced_opening
from envs.chess.opponents import Opponents
from envs.chess.position import board_of
from envs.chess.prompts import legal_moves, render
from envs.chess.sources import TaskSource
from envs.chess.suites import heldout_keys, suite_names
from rewards import RewardResult
from rewards.chess.scorer import ChessScorer
from rewards.result import ScoreRequest
from selfplay.advantages import Advantage
from selfplay.config.run import RunConfig
from selfplay.domains.base import (
    Ask,
    Progress,
    Score,
    drawn_results,
    has_infra_error,
    mean,
    tell_excluded,
)
from selfplay.domains.chess.evaluation import evaluate_suite, solve_puzzles
from selfplay.records import FORCED, Group

PUZZLES = "chess/puzzles"


class ChessDomain:
    """Chess under one configuration."""

    name = "chess"

    def __init__(self, config: RunConfig, opponents: Opponents | None = None) -> None:
        self._config = config
        self._opponents = opponents
        self._screener: ChessScorer | None = None

    def check(self) -> None:
        """Refuse a broken puzzle file, a row by its number, and what is no engine."""
        self.make_scorer(evaluating=True).close()
        if self._config.eval.puzzles is not None:
            load_puzzles(self._config.eval.puzzles, limit=self._config.eval.puzzle_limit)

    def open_source(self, stack: ExitStack) -> TaskSource:
        """Return self-play games from balanced openings, and files, mixed by shares."""
        screener = self._screener = stack.enter_context(self.make_scorer(evaluating=False))
        chess, seed, name = self._config.chess, self._config.seed, self._config.name
        exclude = self.evaluated()
        pool = GamePool(
            chess.boards,
            seed,
            lambda rng: balanced_opening(
                rng, chess.random_opening_plies, screener.win_probability, chess.opening_max_win_gap
            ),
            chess.max_plies,
            chess.random_move_prob,
            chess.random_when_illegal,
            (name, name),
            exclude=exclude,
            opponents=self._opponents,
        )
        source = TaskSource.open(
            {str(source): share for source, share in chess.sources.items()},
            seed=seed,
            pool=pool,
            puzzles=chess.puzzles,
            epd=chess.epd,
            pgn=chess.pgn,
            exclude=exclude,
        )
        tell_excluded("chess", source.excluded)
        return source

    def evaluated(self) -> frozenset[str]:
        """Return the `position_key` of all that is evaluated, now or ever: it never trains.

        These are the positions of all suites, test sets included, and those that the run's own
        puzzles ask. Raises InputError for a broken puzzle file.
        """
        evaluation = self._config.eval
        if evaluation.puzzles is None:
            return heldout_keys()
        puzzles = load_puzzles(evaluation.puzzles, limit=evaluation.puzzle_limit)
        return heldout_keys().union(*map(asked_positions, puzzles))

    def identity(self) -> dict[str, Any]:
        """Return the engine's identity, and the suites whose positions never train."""
        if self._screener is None:
            return {}
        return asdict(self._screener.identity) | {"held_out": list(suite_names())}

    def render(self, task: Task) -> Prompt:
        """Return the prompt in the configured style."""
        chess = self._config.chess
        return render(task, chess.style, chess.notation, chess.max_tokens, chess.shots)

    def samples(self, task: Task) -> int:
        """A whole group, or, with every legal move to train on, a few to play on with."""
        listed = self._config.sampler.explore == "all_legal"
        return self._config.sampler.explore_samples if listed else self._config.group_size

    @property
    def advantage(self) -> Advantage:
        """The learner's settings."""
        learner, best = self._config.learner, self._config.sampler.explore_draws == "best"
        return Advantage(
            learner.advantage,
            learner.advantage_scale,
            learner.target_temperature,
            flat=learner.flat_groups == "target",
            most=self._config.group_size if best else None,
        )

    def actions(self, task: Task, limit: int, seed: int) -> list[str] | None:
        """Return the legal moves where they are to train; which of many is decided by `advantage`.

        With `explore_draws: uniform` at most `limit`, chosen at random.
        """
        if self._config.sampler.explore != "all_legal":
            return None
        chess = self._config.chess
        # In a PGN the next move may follow: to train a line break after moves would teach it
        # after White's move in the prompt too, where Black is to answer.
        end = "" if chess.style == "pgn" else "\n"
        moves = legal_moves(board_of(task), chess.notation)
        chosen = moves
        if self._config.sampler.explore_draws == "uniform":
            chosen = random.Random(seed).sample(moves, min(len(moves), limit))
        return [f" {move}{end}" for move in sorted(chosen)]

    def answered(self, source: Any, group: Group, version: int) -> None:
        """Let the game of this position go on with one of the moves that the policy drew."""
        if has_infra_error(group):
            source.skip(group.task.id)
            return
        legal = [
            str(r.result.evidence["action"])
            for r in group.rollouts
            if r.finish != FORCED and r.result and r.result.verdict in ("pass", "fail")
        ]
        source.advance(group.task.id, legal, version)

    def follow_ups(self, source: Any, groups: Sequence[Group]) -> list[Task]:
        """A move makes no new task but the next position of its game."""
        return []

    def settle(self, groups: Sequence[Group], followed: Sequence[Group]) -> None:
        """Nothing is open."""

    def make_scorer(self, *, evaluating: bool) -> ChessScorer:
        """Return a scorer with its engine started."""
        config = self._config
        return ChessScorer(
            config.engine.path,
            config.eval.nodes if evaluating else config.engine.nodes,
            config.engine.hash_mb,
            config.engine.deadline_s,
            config.engine.cache,
            config.reward.shape,
            config.reward.floor,
            config.reward.slope,
            config.reward.beyond,
            config.engine.limits,
        )

    def score(
        self, scorer: ChessScorer, task: Task, completions: Sequence[str]
    ) -> list[RewardResult]:
        """Return the results of the answers to one position."""
        return scorer.score([ScoreRequest(task, text) for text in completions])

    def figures(self, groups: Sequence[Group], source: Any) -> dict[str, float | None]:
        """Return legal_rate, regret_mean (of legal answers) and best_rate."""
        results = drawn_results(groups)
        return {
            "legal_rate": mean([r.parts.get("legal", 0.0) for r in results]),
            "regret_mean": mean([r.parts["regret"] for r in results if r.parts.get("legal")]),
            "best_rate": mean([r.parts.get("best", 0.0) for r in results]),
        }

    def evaluate(
        self, suite: str, limit: int, ask: Ask, score: Score, progress: Progress
    ) -> dict[str, Any]:
        """Return a suite's numbers; see evaluation.py."""
        if suite == PUZZLES:
            puzzles = self._config.eval.puzzles
            if puzzles is None:
                raise ValueError(f"{PUZZLES} without eval.puzzles")
            limit = min(limit, self._config.eval.puzzle_limit)
            return solve_puzzles(puzzles, limit, self.render, ask, progress)
        return evaluate_suite(suite, limit, self.render, ask, score, progress)

    def told(self, task: Task) -> str:
        """Return the FEN."""
        return str(task.payload["fen"])
