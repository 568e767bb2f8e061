"""Chess's part of the configuration: what is asked, the engine behind the rewards, the payment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self, get_args

from pydantic import Field
from typing_extensions import override

from envs.chess.prompts import Notation, Style
from rewards.chess.handshake import Deadlines
from rewards.chess.shaping import Shape
from selfplay.registry import MEASURED, TASKS, Section, VerifyTools

if TYPE_CHECKING:
    from selfplay.config.run import RunConfig

PUZZLES = "chess/puzzles"
"""The suite of the run's own puzzle file (`eval.puzzles`)."""


class ChessConfig(Section):
    """What is asked in chess, and where the positions come from."""

    KEPT: ClassVar[Mapping[str, str]] = {
        "style": MEASURED,
        "notation": MEASURED,
        "max_tokens": MEASURED,
        "shots": MEASURED,
        "boards": TASKS,
        "sources": TASKS,
    }

    style: Style = "fen_legal"
    notation: Notation = "san"
    """Notation of the listed moves (not in `pgn` and `fen`); answers may always be in either."""
    shots: int = Field(0, ge=0, le=8)
    """Solved positions that stand before the one that is asked."""
    max_tokens: int = Field(8, ge=1, le=4096)
    boards: int = Field(64, ge=1)
    """Self-play games kept side by side."""
    random_opening_plies: tuple[int, int] = (2, 16)
    """Random plies (inclusive range) from the start position to where a self-play game begins."""
    opening_max_win_gap: float = Field(0.35, gt=0, le=0.5)
    """An opening is balanced when |win probability - 0.5| is at most this; 0.5 screens nothing."""
    max_plies: int = Field(120, ge=2)
    """Longer self-play games are adjudicated as unfinished (`*`)."""
    random_move_prob: float = Field(0.1, ge=0, le=1)
    """Chance that a game goes on with a random legal move instead of a sampled one."""
    random_when_illegal: bool = True
    """Where no sampled move was legal, go on with a random legal move; false ends the game."""
    sources: dict[Literal["selfplay", "puzzles", "epd", "pgn"], float] = Field({"selfplay": 1.0})
    """Share of the tasks per source."""
    puzzles: Path | None = None
    epd: Path | None = None
    pgn: Path | None = None

    @override
    def check(self, run: RunConfig) -> None:
        opponents = run.league.opponents
        if opponents != "none" and not self.sources.get("selfplay"):
            raise ValueError(
                f"league.opponents={opponents} needs games of the policy; give "
                "chess.sources.selfplay a share"
            )
        for form in run.eval.base_prompts:
            if form.style not in get_args(Style):
                raise ValueError(
                    f"eval.base_prompts: style={form.style!r} is no style of chess; give one of "
                    f"{', '.join(get_args(Style))}"
                )


class EngineConfig(Section):
    """The UCI engine behind the rewards."""

    KEPT: ClassVar[Mapping[str, str]] = {"hash_mb": MEASURED}
    NEUTRAL: ClassVar[frozenset[str]] = frozenset(
        ("path", "start_s", "ready_s", "newgame_s", "deadline_s", "cache")
    )

    path: Path | None = None
    """None: `stockfish` on PATH, then /usr/games/stockfish."""
    nodes: int = Field(5000, ge=1)
    hash_mb: int = Field(16, ge=1, le=1024)
    start_s: float = Field(20.0, gt=0)
    """Wall-clock limit from starting the engine to `uciok`; what is silent for longer is none."""
    ready_s: float = Field(120.0, gt=0)
    """From its options to `readyok`: engines with large nets load them then."""
    newgame_s: float = Field(60.0, gt=0)
    """From `ucinewgame` to `readyok`."""
    deadline_s: float = Field(20.0, gt=0)
    """For one position or move; then the process is killed and replaced."""
    cache: Path | None = None
    """SQLite file of position scores; None: the user's cache folder."""

    @property
    def limits(self) -> Deadlines:
        """The time for each phase before a search."""
        return Deadlines(self.start_s, self.ready_s, self.newgame_s)

    @override
    def absolute(self) -> Self:
        path = self.path
        if path is not None and len(path.parts) > 1:  # a bare name is looked up on PATH
            path = path.absolute()
        return self.model_copy(update={"path": path, "cache": self.cache and self.cache.absolute()})

    @override
    def harmless(self, tools: VerifyTools) -> Self:
        """Never the program that the folder names; a new cache, so that no score is believed."""
        return self.model_copy(
            update={"path": tools.engine, "cache": tools.scratch / "scores.sqlite"}
        )


class RewardConfig(Section):
    """How a legal move is paid (rewards/chess/shaping.py gives the formulas)."""

    KEPT: ClassVar[Mapping[str, str]] = {"beyond": MEASURED}
    BEFORE: ClassVar[Mapping[str, str]] = {"beyond": "tied"}

    shape: Shape = "regret"
    floor: float = Field(0.1, ge=0, lt=1)
    """`regret`, `rank`: what the worst legal move earns; an illegal one always earns 0."""
    slope: float = Field(3.0, gt=0)
    """`regret`: k in floor + (1 - floor) * max(0, 1 - k * regret)."""
    beyond: Literal["ordered", "tied"] = "ordered"
    """`ordered`: the winning chance behind reward and regret distinguishes mates and scores beyond
    1,000 centipawns apart (rewards/chess/scores.py); `tied`: all are worth as much as 1,000."""
