"""Chess as the loop sees it: positions from the policy's own games, scored by an engine."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import Any, ClassVar, cast, get_args

import chess
from typing_extensions import override

from envs import Prompt, Task
from envs.chess.files import asked_positions, load_puzzles
from envs.chess.games import GamePool
from envs.chess.openings import balanced_opening
from envs.chess.position import board_of, make_task
from envs.chess.prompts import Style, legal_moves, render
from envs.chess.sources import TaskSource
from envs.chess.suites import heldout_keys, load_suite, suite_names
from rewards import RewardResult
from rewards.chess.scorer import ChessScorer
from rewards.result import ScoreRequest
from selfplay.advantages import Advantage
from selfplay.config.run import PromptForm, RunConfig
from selfplay.domains.base import (
    Ask,
    Domain,
    GamesDomain,
    Gold,
    Progress,
    Row,
    Score,
    Scorer,
    Source,
    drawn_results,
    mean,
    report_excluded,
)
from selfplay.domains.chess import evaluation, page
from selfplay.domains.chess.config import PUZZLES, ChessConfig, EngineConfig, RewardConfig
from selfplay.domains.chess.score_file import scored_task
from selfplay.domains.shown import Rows
from selfplay.records import EvalRow, FinishedGame, Group
from selfplay.stats.clustered import FORMULA

GOLD_FENS = (
    "r1bqkbnr/pppp1ppp/2n5/4p3/2B1P3/5Q2/PPPP1PPP/RNB1K1NR w KQkq - 4 4",
    "6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1",
)
"""Mate in one (f3f7; d1d8): whatever the engine, its best move must score as a pass."""
GOLD_MOVES = ("f3f7", "d1d8")


class EngineScorer(Scorer):
    """Scores moves by the engine; one engine process."""

    def __init__(self, scorer: ChessScorer) -> None:
        self._scorer = scorer

    @property
    @override
    def doing(self) -> str:
        return self._scorer.doing

    @override
    def score(self, task: Task, completions: Sequence[str]) -> list[RewardResult]:
        return self._scorer.score([ScoreRequest(task, text) for text in completions])

    @override
    def close(self) -> None:
        self._scorer.close()

    @override
    def identity(self) -> dict[str, Any]:
        return asdict(self._scorer.identity)


class ChessSource(TaskSource, Source):
    """Positions from the policy's games and from files."""

    @override
    def answered(self, task: Task, results: Sequence[RewardResult], version: int) -> None:
        """Let the game of this position go on with one of the moves that the policy drew."""
        self.advance(task.id, evaluation.moves_of(results), version)

    @override
    def finished(self) -> list[FinishedGame]:
        return [FinishedGame(str(game), dict(game.headers)) for game in self.finished_games()]


class ChessDomain(GamesDomain):
    """Chess under one configuration."""

    name: ClassVar[str] = "chess"
    chunk: ClassVar[int] = evaluation.CHUNK

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        self._chess = config.section(ChessConfig)
        self._screener: ChessScorer | None = None

    @override
    def check(self) -> None:
        """Refuse a broken puzzle file, a row by its number, and what is no engine."""
        self.engine(evaluating=True).close()
        if self.config.eval.puzzles is not None:
            load_puzzles(self.config.eval.puzzles, limit=self.config.eval.puzzle_limit)

    @override
    def open_source(self, stack: ExitStack) -> ChessSource:
        """Return self-play games from balanced openings, and files, mixed by shares."""
        screener = self._screener = stack.enter_context(self.engine(evaluating=False))
        chess, seed, name = self._chess, self.config.seed, self.config.name
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
            opponents=self.opponents,
        )
        source = ChessSource.open(
            {str(source): share for source, share in chess.sources.items()},
            seed=seed,
            pool=pool,
            puzzles=chess.puzzles,
            epd=chess.epd,
            pgn=chess.pgn,
            exclude=exclude,
        )
        report_excluded("chess", source.excluded)
        return source

    def evaluated(self) -> frozenset[str]:
        """Return the `position_key` of all that is evaluated, now or ever: it never trains.

        These are the positions of all suites, test sets included, and those that the run's own
        puzzles ask. Raises InputError for a broken puzzle file.
        """
        evaluation = self.config.eval
        if evaluation.puzzles is None:
            return heldout_keys()
        puzzles = load_puzzles(evaluation.puzzles, limit=evaluation.puzzle_limit)
        return heldout_keys().union(*map(asked_positions, puzzles))

    @override
    def identity(self) -> dict[str, Any]:
        """Return the engine's identity, and the suites whose positions never train."""
        if self._screener is None:
            return {}
        return asdict(self._screener.identity) | {"held_out": list(suite_names())}

    @property
    @override
    def max_tokens(self) -> int:
        return self._chess.max_tokens

    @override
    def render(self, task: Task) -> Prompt:
        """Return the prompt in the configured style."""
        chess = self._chess
        return render(task, chess.style, chess.notation, chess.max_tokens, chess.shots)

    @override
    def samples(self, task: Task) -> int:
        """A whole group, or, with every legal move to train on, a few to play on with."""
        listed = self.config.sampler.explore == "all_legal"
        return self.config.sampler.explore_samples if listed else self.config.group_size

    @property
    @override
    def advantage(self) -> Advantage:
        """The learner's settings, and how many of the listed moves train."""
        best = self.config.sampler.explore_draws == "best"
        return replace(super().advantage, most=self.config.group_size if best else None)

    @override
    def actions(self, task: Task, limit: int, seed: int) -> list[str] | None:
        """Return the legal moves where they are to train; which of many is decided by `advantage`.

        With `explore_draws: uniform` at most `limit`, chosen at random.
        """
        if self.config.sampler.explore != "all_legal":
            return None
        chess = self._chess
        # In a PGN the next move may follow: to train a line break after moves would teach it
        # after White's move in the prompt too, where Black is to answer.
        end = "" if chess.style == "pgn" else "\n"
        moves = legal_moves(board_of(task), chess.notation)
        chosen = moves
        if self.config.sampler.explore_draws == "uniform":
            chosen = random.Random(seed).sample(moves, min(len(moves), limit))
        return [f" {move}{end}" for move in sorted(chosen)]

    @override
    def make_scorer(self, *, evaluating: bool) -> EngineScorer:
        return EngineScorer(self.engine(evaluating=evaluating))

    def engine(self, *, evaluating: bool) -> ChessScorer:
        """Return the scorer of moves with its engine started. Raises InputError for no engine."""
        engine, reward = self.config.section(EngineConfig), self.config.section(RewardConfig)
        return ChessScorer(
            engine.path,
            self.config.eval.nodes if evaluating else engine.nodes,
            engine.hash_mb,
            engine.deadline_s,
            engine.cache,
            reward.shape,
            reward.floor,
            reward.slope,
            reward.beyond,
            engine.limits,
        )

    @override
    def metrics(self, groups: Sequence[Group], source: Source | None) -> dict[str, float | None]:
        """Return legal_rate, regret_mean (of legal answers) and best_rate."""
        results = drawn_results(groups)
        return {
            "legal_rate": mean([r.parts.get("legal", 0.0) for r in results]),
            "regret_mean": mean([r.parts["regret"] for r in results if r.parts.get("legal")]),
            "best_rate": mean([r.parts.get("best", 0.0) for r in results]),
        }

    @override
    def suite_tasks(self, suite: str, limit: int) -> list[Task]:
        return load_suite(suite)[:limit]

    @override
    def evaluate(
        self, suite: str, limit: int, ask: Ask, score: Score, progress: Progress
    ) -> dict[str, Any]:
        """Return a suite's numbers; the puzzles of `eval.puzzles` are solved move by move."""
        if suite != PUZZLES:
            return super().evaluate(suite, limit, ask, score, progress)
        puzzles = self.config.eval.puzzles
        if puzzles is None:
            raise ValueError(f"{PUZZLES} without eval.puzzles")
        limit = min(limit, self.config.eval.puzzle_limit)
        return evaluation.solve_puzzles(puzzles, limit, self.render, ask, progress)

    @override
    def own_suites(self) -> list[str]:
        return [] if self.config.eval.puzzles is None else [PUZZLES]

    @override
    def answers(self, tasks: Sequence[Task], start: int, ask: Ask) -> list[list[str]]:
        """The policy's move, then those of the rules that choose one."""
        drawn = super().answers(tasks, start, ask)
        return [[own[0], *evaluation.rule_answers(t)] for t, own in zip(tasks, drawn, strict=True)]

    @override
    def stored_answers(self, row: Row, task: Task) -> list[str]:
        rules = evaluation.rule_answers(task) if evaluation.RULE_ROWS in row else []
        return [str(row["completion"]), *rules]

    @override
    def row(self, task: Task, texts: Sequence[str], results: Sequence[RewardResult]) -> EvalRow:
        return evaluation.evaluation_row(task, texts, results)

    @override
    def numbers(self, suite: str, rows: Sequence[Row], formula: int = FORMULA) -> dict[str, Any]:
        if suite == PUZZLES:
            return evaluation.puzzle_numbers(rows, formula)
        return evaluation.suite_numbers(rows, formula)

    @override
    def compared(
        self, suite: str, base: Sequence[Row], final: Sequence[Row], formula: int = FORMULA
    ) -> dict[str, Any]:
        if suite == PUZZLES:
            return super().compared(suite, base, final, formula)
        return {"paired": evaluation.paired(base, final, formula)}

    @override
    def utility(self, row: Row) -> float | None:
        return evaluation.utility(row)

    @override
    def variants(self) -> list[tuple[PromptForm, Domain]]:
        """One for each of `eval.base_prompts`."""
        made: list[tuple[PromptForm, Domain]] = []
        for form in self.config.eval.base_prompts:
            if form.style not in get_args(Style):  # the configuration was checked
                raise ValueError(f"style {form.style!r} is none of chess")
            changed = {"style": cast(Style, form.style), "shots": form.shots}
            section = self._chess.model_copy(update=changed)
            made.append((form, ChessDomain(self.config.with_section(section))))
        return made

    @override
    def gold(self) -> list[Gold]:
        shape = self.config.section(RewardConfig).shape
        least = 0.0 if shape == "win_percent" else 0.99
        tasks = [make_task(chess.Board(fen)) for fen in GOLD_FENS]
        mates = [
            Gold(task, f" {move}", "pass", least)
            for task, move in zip(tasks, GOLD_MOVES, strict=True)
        ]
        return mates + [Gold(task, " a1a8", "illegal", most=0.0) for task in tasks]

    @override
    def check_scorer(self) -> str:
        with self.engine(evaluating=False) as scorer:
            name, sha256 = scorer.identity.name, scorer.identity.sha256
        super().check_scorer()
        return f"{name} (sha256 {sha256[:12]}); gold answers score as they must"

    @override
    def score_task(self, row: Row, where: str) -> Task:
        """Return the position of a row: "fen", and optionally "moves" (UCI) that lead to it from
        "start_fen" or the usual start.
        """
        return scored_task(row, where)

    @override
    def message(self, task: Task) -> str:
        """Return the FEN."""
        return str(task.payload["fen"])

    @override
    def beside(self, estimates: Row) -> dict[str, Any]:
        return evaluation.beside(estimates)

    @override
    def before_after(self, base: Rows, final: Rows) -> str:
        return page.boards_html(base, final)
