"""Hypothesis strategies for engine scores."""

from __future__ import annotations

from hypothesis import strategies as st

from rewards.chess.scores import MoveScore, PositionScores

_centipawns = st.integers(-3000, 3000).map(lambda cp: MoveScore.of(cp, None))
_mates = st.integers(1, 40).flatmap(
    lambda n: st.sampled_from([MoveScore.of(None, n), MoveScore.of(None, -n)])
)


def position_scores() -> st.SearchStrategy[PositionScores]:
    """One to eight moves with any mix of centipawns and mates, ties among them."""
    names = st.integers(0, 7).map(lambda n: f"{'abcdefgh'[n]}2{'abcdefgh'[n]}3")
    moves = st.dictionaries(names, _centipawns | _mates, min_size=1, max_size=8)
    return st.builds(PositionScores, moves, st.integers(0, 60), st.integers(0, 10**9))
