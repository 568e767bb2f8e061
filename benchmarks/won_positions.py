"""What the reward distinguishes in won positions, and how often the best move is among those drawn.

python -m benchmarks.won_positions --suite chess/games --suite chess/endings

Prints, per suite: positions whose best move stands at the ceiling of lichess's winning chance; the
share of their moves that are paid as the best, and of positions without spread, with
reward.beyond=tied and ordered; and the share of all positions in which no best move is among 32
drawn uniformly (sampler.explore_draws=uniform; with `best` it is 0 by construction).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from envs.chess.position import board_of
from envs.chess.suites import load_suite
from rewards.chess.engine import Engine, find_engine
from rewards.chess.scores import CP_CEILING, PositionScores, win_probability
from rewards.chess.shaping import shape_value

DRAWN = 32


def main(
    suite: Annotated[list[str], typer.Option()] = ["chess/games", "chess/endings"],  # noqa: B006
    nodes: int = 5000,
    engine: Path | None = None,
) -> None:
    """Search every position of the suites and print the shares."""
    with Engine(find_engine(engine), nodes=nodes) as searching:
        for name in suite:
            scores = [searching.score_moves(board_of(task)) for task in load_suite(name)]
            ceiling = win_probability(CP_CEILING, None)
            won = [s for s in scores if s.best_win >= ceiling]
            print(f"{name}: {len(scores)} positions, {len(won)} won")
            print(f"  tied:    {_shares(won, lambda s: s)}")
            print(f"  ordered: {_shares(won, PositionScores.ordered)}")
            missed = sum(not _drawn(s, seed) & set(s.best_moves) for seed, s in enumerate(scores))
            print(f"  no best move among {DRAWN} drawn: {missed / len(scores):.1%}")


def _shares(won: Sequence[PositionScores], view: Callable[[PositionScores], PositionScores]) -> str:
    paid = [[shape_value("regret", view(s), uci, 0.1, 3.0) for uci in s.moves] for s in won]
    best = sum(values.count(max(values)) / len(values) for values in paid) / max(1, len(paid))
    flat = sum(len(set(values)) == 1 for values in paid) / max(1, len(paid))
    return f"{best:.1%} of the moves paid as the best, {flat:.1%} of the positions without spread"


def _drawn(scores: PositionScores, seed: int) -> set[str]:
    moves = list(scores.moves)
    return set(random.Random(seed).sample(moves, min(DRAWN, len(moves))))


if __name__ == "__main__":
    typer.run(main)
