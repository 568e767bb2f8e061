"""The configuration of the domains: chess, code and what scores them. No torch, no Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from envs.chess.prompts import Notation, Style
from rewards.chess.handshake import Deadlines

Shape = Literal["regret", "win_percent", "lichess_accuracy", "best_move", "rank"]


class Section(BaseModel):
    """A part of the configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", validate_default=True)


class ChessConfig(Section):
    """What is asked in chess, and where the positions come from."""

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
    sources: dict[Literal["selfplay", "puzzles", "epd", "pgn"], float] = {"selfplay": 1.0}
    """Share of the tasks per source."""
    puzzles: Path | None = None
    epd: Path | None = None
    pgn: Path | None = None


class CodeConfig(Section):
    """What is asked in code, and where the tasks come from."""

    style: Literal["completion", "chat"] = "completion"
    max_tokens: int = Field(160, ge=1, le=4096)
    samples: int | None = Field(None, ge=2)
    """Programs drawn per task; None: `group_size`. Never more than that."""
    sources: dict[Literal["families", "mbpp", "jsonl", "proposals"], float] = {"families": 1.0}
    """Share of the tasks per source."""
    levels: list[Annotated[int, Field(ge=1, le=3)]] = Field([1, 2, 3], min_length=1)
    """Levels of difficulty of the built-in families."""
    mbpp: Path | None = None
    """MBPP's JSONL, a folder that `datasets` reads, or a Hugging Face id such as
    google-research-datasets/mbpp (`ID:sanitized` for a configuration of it). Only the training
    split (601-974) trains."""
    jsonl: Path | None = None
    """Tasks of your own; the fields are those of envs/code/task.py."""
    shape: Literal["all", "fraction"] = "all"
    """`all`: 1 when every hidden test passes, else 0; `fraction`: the share that passes."""
    advantage: Literal["dr_grpo", "grpo"] | None = None
    """None: `learner.advantage`."""
    advantage_scale: float | None = Field(None, gt=0)
    """None: `learner.advantage_scale`."""
    retire_at: float = Field(0.9, gt=0, le=1)
    """Solve rate from which a task is asked no more."""
    preflight_s: float = Field(900.0, ge=0)
    """Seconds for checking the tasks of `mbpp` and `jsonl` at the start of a run: those that do not
    hold, or are not reached, are left out. 0 trusts them all."""
    secret: str | None = Field(None, pattern=r"^([0-9a-f]{2}){16,32}$")
    """What test code draws at random follows from this, in hexadecimal: a run's own, which no
    program can read. None: made from `seed` and a key of this user's
    (selfplay/domains/code/secret.py); a run's config.yaml has it. Give a recorded one to judge
    again what was judged with it."""


class ProposerConfig(Section):
    """Self-play for code: the policy proposes functions that become tasks (off by default)."""

    enabled: bool = False
    share: float = Field(0.25, gt=0, lt=1)
    """Share of code's groups that are requests to propose; needs a share in `code.sources`."""
    samples: int = Field(4, ge=2)
    """Proposals drawn per request."""
    max_tokens: int = Field(192, ge=16, le=4096)
    aim: Literal["reimplement", "predict"] = "reimplement"
    """What a proposal asks: to write the function from examples, or to say what it returns."""


class SandboxConfig(Section):
    """What a program may use while it is judged (rewards/code/sandbox)."""

    cpu_s: float = Field(4.0, gt=0)
    """CPU of all threads of a program together; at least `task_s`, over its whole life."""
    wall_s: float = Field(4.0, gt=0)
    """Per test; a slow reference raises it (max(this, 4 x the reference's time))."""
    task_s: float = Field(8.0, gt=0)
    """For all tests of one program."""
    memory_mb: int = Field(256, ge=32)
    output_bytes: int = Field(4_194_304, ge=1000)
    """The longest answer to one call, or all that a whole program prints."""
    numpy: bool = False
    bubblewrap: bool | None = None
    """None: where it works."""
    allow_weak: bool = False
    """Accept a machine where only rlimits hold."""


class EngineConfig(Section):
    """The UCI engine behind the rewards."""

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


class RewardConfig(Section):
    """How a legal move is paid (rewards/chess/shaping.py gives the formulas)."""

    shape: Shape = "regret"
    floor: float = Field(0.1, ge=0, lt=1)
    """`regret`, `rank`: what the worst legal move earns; an illegal one always earns 0."""
    slope: float = Field(3.0, gt=0)
    """`regret`: k in floor + (1 - floor) * max(0, 1 - k * regret)."""
    beyond: Literal["ordered", "tied"] = "ordered"
    """`ordered`: the winning chance behind reward and regret distinguishes mates and scores
    beyond 1,000 centipawns (rewards/chess/scores.py); `tied`: all are worth as much as 1,000."""


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
