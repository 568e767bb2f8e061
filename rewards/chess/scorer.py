"""ChessScorer: completions in, RewardResults out; one engine query for each position."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chess

from envs.chess.parse import parse_move
from envs.chess.position import board_of
from envs.errors import InputError
from envs.task import Parsed, Task
from rewards.chess.cache import ScoreCache, setting_key
from rewards.chess.engine import Engine, EngineError, EngineIdentity, find_engine
from rewards.chess.handshake import Deadlines
from rewards.chess.scores import BEYOND, Beyond, PositionScores
from rewards.chess.shaping import check_shape, shape_value
from rewards.closing import Closes
from rewards.result import RewardResult, ScoreRequest, Verdict

IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Appraisal:
    """All that can be said of a position's moves before anybody chose one."""

    scores: PositionScores
    best: tuple[str, ...]
    parts: dict[str, float]

    @classmethod
    def of(cls, scores: PositionScores) -> Appraisal:
        """Return the position's own parts: random_regret, random_best, best_win."""
        parts = {
            "random_regret": scores.random_regret,
            "random_best": scores.random_best,
            "best_win": scores.best_win,
        }
        return cls(scores, scores.best_moves, parts)


class ChessScorer(Closes):
    """Scores chess completions with one engine process and the shared cache."""

    def __init__(
        self,
        engine_path: Path | None = None,
        nodes: int = 5000,
        hash_mb: int = 16,
        deadline_s: float = 20.0,
        cache_path: Path | None = None,
        shape: str = "regret",
        floor: float = 0.1,
        slope: float = 3.0,
        beyond: Beyond = "ordered",
        limits: Deadlines | None = None,
    ) -> None:
        """Start the engine and open the cache; the arguments are those of the configuration.

        None finds Stockfish (`find_engine`) and the user's cache. `beyond` is for rewards and their
        parts; winning chances that are asked for (`win_probability`, `position_scores`) are
        lichess's. Raises InputError for anything that cannot be used.
        """
        check_shape(shape, floor, slope)
        if beyond not in BEYOND:
            raise InputError(f"reward.beyond={beyond}: unknown; take one of {', '.join(BEYOND)}")
        self._ordered = beyond == "ordered"
        self.shape, self.floor, self.slope = shape, floor, slope
        self.cache = ScoreCache(cache_path)
        try:
            self._engine = Engine(
                find_engine(engine_path),
                nodes=nodes,
                hash_mb=hash_mb,
                deadline_s=deadline_s,
                limits=limits,
            )
        except BaseException:
            self.cache.close()
            raise
        self._setting = setting_key(self._engine.identity, nodes, hash_mb)
        self._doing = IDLE

    @property
    def identity(self) -> EngineIdentity:
        """The engine that scores."""
        return self._engine.identity

    @property
    def doing(self) -> str:
        """What is being worked on, for whoever wonders why it takes so long; `idle` otherwise."""
        return self._doing

    def close(self) -> None:
        """Kill the engine and close the cache."""
        self._engine.close()
        self.cache.close()

    def score(self, requests: list[ScoreRequest]) -> list[RewardResult]:
        """Return one result for each request, in order; each distinct position is searched once.

        A hung or dead engine gives `infra_error` to all completions of the position. Raises
        InputError for a task that holds no position to move in.
        """
        boards = {request.task.id: request.task for request in requests}
        by_task = {key: board_of(task) for key, task in boards.items()}
        known = self._known(list(by_task.values()))
        results: list[RewardResult] = []
        for request in requests:
            board = by_task[request.task.id]
            fen = board.fen()
            if fen not in known:
                known[fen] = self._appraise(board)
            parsed = parse_move(request.completion, board)
            results.append(self._result(fen, parsed, known[fen]))
        return results

    def position_scores(self, task: Task) -> PositionScores:
        """Return all legal moves' scores. Raises InputError or EngineError."""
        return self.board_scores(board_of(task))

    def board_scores(self, board: chess.Board) -> PositionScores:
        """Return all legal moves' scores on a board. Raises InputError or EngineError."""
        return self.cache.get(board.fen(), self._setting) or self._search(board)

    def win_probability(self, board: chess.Board) -> float:
        """Return the winning chance in [0, 1] of the side to move, playing its best move.

        A finished game counts 0 (mated) or 0.5 (drawn). Raises InputError or EngineError.
        """
        if board.is_valid() and not any(board.legal_moves):
            return 0.0 if board.is_check() else 0.5
        return self.board_scores(board).best_win

    def _known(self, boards: list[chess.Board]) -> dict[str, Appraisal | EngineError]:
        cached = self.cache.get_many((board.fen() for board in boards), self._setting)
        return {fen: self._appraisal(scores) for fen, scores in cached.items()}

    def _appraise(self, board: chess.Board) -> Appraisal | EngineError:
        try:
            return self._appraisal(self._search(board))
        except EngineError as error:
            return error

    def _appraisal(self, scores: PositionScores) -> Appraisal:
        return Appraisal.of(scores.ordered() if self._ordered else scores)

    def _search(self, board: chess.Board) -> PositionScores:
        fen = board.fen()
        self._doing = f"engine {self.identity.name} on FEN {fen}"
        try:
            scores = self._engine.score_moves(board)
        finally:
            self._doing = IDLE
        self.cache.put(fen, self._setting, scores)
        return scores

    def _result(self, fen: str, parsed: Parsed, found: Appraisal | EngineError) -> RewardResult:
        legal = {"legal": 1.0 if parsed.status == "ok" else 0.0}
        evidence: dict[str, Any] = {
            "fen": fen,
            "action": parsed.action,
            "detail": parsed.detail,
            "engine": self.identity.sha256[:12],
        }
        if isinstance(found, EngineError):
            evidence["detail"] = str(found)
            return RewardResult(0.0, "infra_error", legal, evidence)
        scores = found.scores
        evidence |= {"best": list(found.best), "depth": scores.depth, "nodes": scores.nodes}
        parts = legal | found.parts
        move = parsed.action
        if parsed.status != "ok" or move is None or move not in scores.moves:
            verdict: Verdict = "unparsable" if parsed.status == "unparsable" else "illegal"
            return RewardResult(0.0, verdict, parts, evidence)
        score = scores.moves[move]
        evidence |= {"cp": score.cp, "mate": score.mate}
        is_best = move in found.best
        parts |= {
            "regret": scores.best_win - score.win,
            "win": score.win,
            "best": 1.0 if is_best else 0.0,
            "rank": scores.rank(move),
        }
        value = shape_value(self.shape, scores, move, self.floor, self.slope)
        return RewardResult(value, "pass" if is_best else "fail", parts, evidence)
