"""The configuration of matches: boards, tries, openings, and when a game ends."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from selfplay.registry import Section


class MatchConfig(Section):
    """How two players meet: openings, tries, and where a game ends (selfplay/league)."""

    boards: int = Field(32, ge=2)
    """Games side by side; both games of a pair count."""
    tries: int = Field(3, ge=1)
    """Answers that a policy may give for one move; when none is legal the game is lost."""
    temperature: float = Field(0.0, ge=0)
    """Of a policy's first answer; 0 is greedy."""
    retry_temperature: float = Field(1.0, gt=0)
    """Of the answers after it: a greedy one would only repeat itself."""
    openings: Path | None = None
    """An EPD or PGN book; None: random openings that the engine finds balanced."""
    book_plies: int | None = Field(None, ge=0)
    """PGN book: plies taken from each game; None: the whole game."""
    opening_plies: tuple[int, int] = (4, 10)
    """Random openings: plies from the start position (inclusive range)."""
    opening_max_win_gap: float = Field(0.1, gt=0, le=0.5)
    """Random openings: |win probability - 0.5| at most; 0.5 screens nothing."""
    max_plies: int = Field(200, ge=2)
    """A game of this many plies, its opening included, is adjudicated."""
    limit_win: float | None = Field(0.9, gt=0.5, le=1)
    """At `max_plies` the side with at least this win probability wins, else it is a draw; None: a
    draw whatever the position."""
    resign_win: float | None = Field(None, gt=0.5, le=1)
    """A side that has had at least this win probability for `resign_plies` plies wins at once; None
    plays on. Lichess's formula at 1,000 centipawns and for a mate is 0.975."""
    resign_plies: int = Field(6, ge=1)
    draw_gap: float | None = Field(None, ge=0, lt=0.5)
    """Drawn when |win probability - 0.5| was at most this for `draw_plies` plies after ply
    `draw_from`; None plays on."""
    draw_plies: int = Field(16, ge=1)
    draw_from: int = Field(80, ge=0)

    @model_validator(mode="after")
    def _ranges(self) -> MatchConfig:
        low, high = self.opening_plies
        if not 0 <= low <= high < self.max_plies:
            raise ValueError(
                f"opening_plies={[low, high]} must be a range below max_plies={self.max_plies}"
            )
        return self
