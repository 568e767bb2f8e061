"""Chess rewards: every legal move scored by a UCI engine, shaped into a number in [0, 1]."""

from rewards.chess.cache import ScoreCache, default_cache_path
from rewards.chess.engine import Engine, EngineError, EngineIdentity, find_engine
from rewards.chess.scorer import ChessScorer
from rewards.chess.scores import MoveScore, PositionScores, win_probability
from rewards.chess.shaping import SHAPES, shape_value
from rewards.chess.trl import chess_reward
from rewards.result import ScoreRequest

__all__ = [
    "SHAPES",
    "ChessScorer",
    "Engine",
    "EngineError",
    "EngineIdentity",
    "MoveScore",
    "PositionScores",
    "ScoreCache",
    "ScoreRequest",
    "chess_reward",
    "default_cache_path",
    "find_engine",
    "shape_value",
    "win_probability",
]
