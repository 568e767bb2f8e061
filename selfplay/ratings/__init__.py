"""Ratings of players from their games, pure: standard library and numpy, no torch and no Ray.

- `pair_up` finds the colour-swapped pairs among games; `pgn.read_games` reads PGN, and is the only
  part that needs python-chess;
- `pair_elo` gives the Elo of a match, `Sprt` tests it while it goes on, `TwoSidedSprt` both ways;
- `rate` rates everybody over all games: Bradley-Terry, pair-bootstrap intervals, rank groups;
- `puzzle_rating` rates a model by the rated puzzles that it solved.

Paired tests of suites (McNemar, bootstrap) and Holm's correction are in `selfplay.stats.intervals`.
"""

from selfplay.ratings.elo import (
    bound_when_all_lost,
    elo_of_score,
    expected_score,
    moments,
    pair_elo,
)
from selfplay.ratings.games import Game, Pair, pair_up, pentanomial
from selfplay.ratings.puzzles import PuzzleRating, puzzle_rating
from selfplay.ratings.sequential import Finding, TwoSidedSprt
from selfplay.ratings.sprt import Sprt, SprtResult, llr_approximate, llr_exact
from selfplay.ratings.table import PlayerRating, Ratings, rate

__all__ = [
    "Finding",
    "Game",
    "Pair",
    "PlayerRating",
    "PuzzleRating",
    "Ratings",
    "Sprt",
    "SprtResult",
    "TwoSidedSprt",
    "bound_when_all_lost",
    "elo_of_score",
    "expected_score",
    "llr_approximate",
    "llr_exact",
    "moments",
    "pair_elo",
    "pair_up",
    "pentanomial",
    "puzzle_rating",
    "rate",
]
