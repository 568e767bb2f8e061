"""The run configuration: pydantic models, YAML, `a.b=c` overrides. No torch, no Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from envs.chess.prompts import Style
from envs.code.hub import absolute
from selfplay.config.domains import (
    ChessConfig,
    CodeConfig,
    EngineConfig,
    MatchConfig,
    ProposerConfig,
    RewardConfig,
    SandboxConfig,
    Section,
)
from selfplay.config.league import LeagueConfig, PromotionConfig
from selfplay.config.roles import LearnerConfig, SamplerConfig, ScorerConfig


class PromptForm(Section):
    """Another prompt for the same chess positions."""

    style: Style = "fen_legal"
    shots: int = Field(0, ge=0, le=8)


class EvalConfig(Section):
    """Held-out evaluation: greedy, before and after the run and every `every` steps."""

    suites: list[str] | None = None
    """None: those of the domain, see RunConfig.suites."""
    positions: int = Field(512, ge=1)
    """Positions per suite for the base and the final evaluation."""
    base_prompts: list[PromptForm] = Field(default=[])
    """Chess: other prompts under which the base model is measured too. What it answers under its
    best one is what a run has to be compared with."""
    base_positions: int = Field(128, ge=1)
    """Positions per suite for each of `base_prompts`."""
    every: int = Field(0, ge=0)
    """0: no evaluation between."""
    every_positions: int = Field(64, ge=1)
    puzzles: Path | None = None
    puzzle_limit: int = Field(512, ge=1)
    nodes: int = Field(20000, ge=1)
    """Engine nodes per position for regret and best move."""
    samples: int = Field(0, ge=0)
    """Code: programs drawn per task at `temperature` for pass@k, besides the greedy one."""
    k: list[int] = Field([1, 10], min_length=1)
    """Code: the k of pass@k; those above `samples` are left out."""
    temperature: float = Field(0.8, gt=0)
    mbpp: Path | None = None
    """MBPP for the suite code/mbpp, named as in `code.mbpp`; None: `code.mbpp`."""


class CheckpointConfig(Section):
    """When the run is saved."""

    every: int = Field(25, ge=1)
    keep: int = Field(2, ge=1)
    """Checkpoints that keep their trainer state; older ones keep the model only."""
    stop_s: float = Field(12.0, gt=0)
    """Longest wait for the save after Ctrl-C or `selfplay jobs stop`."""


class RayConfig(Section):
    """How Ray is found or started."""

    address: str | None = None
    """None: RAY_ADDRESS, else a local Ray is started and stopped with the run."""
    num_cpus: int | None = Field(None, ge=1)
    object_store_mb: int = Field(1024, ge=100)
    start_s: float = Field(300.0, gt=0)
    """Longest wait for a sampler or scorer to get its resources and to load. After it the run
    goes on without that one, or ends and names what is missing when there is no other."""


class RunConfig(Section):
    """One run, whole."""

    name: str = "run"
    runs_dir: Path = Path("runs")
    model: str = "smollm2-135m-instruct"
    seed: int = 0
    domain: Literal["chess", "code", "both"] = "chess"
    shares: dict[Literal["chess", "code"], float] = Field({"chess": 0.5, "code": 0.5})
    """`domain: both`: share of the groups per domain."""
    steps: int = Field(100, ge=1)
    max_minutes: float | None = Field(None, gt=0)
    """Training stops after the step in which this much wall time has passed since it began."""
    groups_per_step: int = Field(16, ge=1)
    group_size: int = Field(8, ge=2)
    micro_batch_size: int | None = Field(None, ge=1)
    """Rollouts per learner forward (a multiple of group_size); None: the whole batch at once."""
    max_staleness: int = Field(0, ge=0)
    """Policy versions that a rollout may lag behind; 0 is strictly on-policy."""
    max_refills: int = Field(0, ge=0)
    """Extra sampling rounds per step to replace groups without spread."""
    chess: ChessConfig = ChessConfig()
    code: CodeConfig = CodeConfig()
    proposer: ProposerConfig = ProposerConfig()
    sandbox: SandboxConfig = SandboxConfig()
    engine: EngineConfig = EngineConfig()
    reward: RewardConfig = RewardConfig()
    match: MatchConfig = MatchConfig()
    promotion: PromotionConfig = PromotionConfig()
    league: LeagueConfig = LeagueConfig()
    sampler: SamplerConfig = SamplerConfig()
    scorer: ScorerConfig = ScorerConfig()
    learner: LearnerConfig = LearnerConfig()
    eval: EvalConfig = EvalConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    ray: RayConfig = RayConfig()

    @property
    def accumulation_steps(self) -> int:
        """Micro-batches per update and learner worker."""
        rollouts = self.groups_per_step * self.group_size
        at_once = (self.micro_batch_size or rollouts) * self.learner.workers
        return max(1, -(-rollouts // at_once))

    @property
    def has_guests(self) -> bool:
        """Whether frozen versions ever play through the samplers."""
        return self.promotion.match or (self.league.opponents != "none" and self.league.versions)

    @property
    def suites(self) -> list[str]:
        """The held-out suites that the run is measured on."""
        if self.eval.suites is not None:
            return self.eval.suites
        return {
            "chess": ["chess/games", "chess/heldout"],
            "code": ["code/families"],
            "both": ["chess/games", "code/families"],
        }[self.domain]

    @property
    def max_tokens(self) -> int:
        """The longest completion of the run's domains."""
        proposal = self.proposer.max_tokens if self.proposer.enabled else 0
        code = max(self.code.max_tokens, proposal)
        longest = {"chess": self.chess.max_tokens, "code": code}
        return longest.get(self.domain, max(longest.values()))

    def with_absolute_paths(self) -> RunConfig:
        """Return the same with every file named from the root: actors have folders of their own."""
        engine = self.engine.model_copy(
            update={
                "path": _absolute(self.engine.path),
                "cache": self.engine.cache and self.engine.cache.absolute(),
            }
        )
        code = self.code.model_copy(
            update={
                "mbpp": absolute(self.code.mbpp),
                "jsonl": self.code.jsonl and self.code.jsonl.absolute(),
            }
        )
        evaluation = self.eval.model_copy(update={"mbpp": absolute(self.eval.mbpp)})
        return self.model_copy(update={"engine": engine, "code": code, "eval": evaluation})

    @field_validator("runs_dir", mode="before")
    @classmethod
    def _runs_dir_is_mounted(cls, given: object) -> object:
        if "://" in str(given):
            raise ValueError("a folder: mount the storage and name the mount point")
        return given

    @model_validator(mode="after")
    def _prior_has_a_target(self) -> RunConfig:
        listed = (
            self.domain == "chess"
            and self.learner.advantage == "target"
            and self.sampler.explore == "all_legal"
        )
        if self.learner.target_prior and not listed:
            raise ValueError(
                f"learner.target_prior={self.learner.target_prior} needs domain=chess, "
                "learner.advantage=target and sampler.explore=all_legal: samples come with the "
                "policy's weight already"
            )
        return self

    @model_validator(mode="after")
    def _proposals_are_asked(self) -> RunConfig:
        asked = self.code.sources.get("proposals", 0) > 0
        if self.proposer.enabled != asked:
            raise ValueError(
                f"proposer.enabled={str(self.proposer.enabled).lower()} and code.sources.proposals="
                f"{self.code.sources.get('proposals', 0):g} do not fit: give proposals a share "
                "exactly where the proposer is on"
            )
        return self

    @model_validator(mode="after")
    def _both_have_what_they_need(self) -> RunConfig:
        if self.domain == "both" and (
            set(self.shares) != {"chess", "code"} or min(self.shares.values()) <= 0
        ):
            raise ValueError(
                "shares: domain=both needs one above 0 for chess and for code; for a single domain "
                "set domain=chess or domain=code"
            )
        target = self.learner.advantage == "target"
        if self.domain != "chess" and target and self.code.advantage is None:
            raise ValueError(
                "learner.advantage=target needs listed actions, which programs are not; set "
                "code.advantage=dr_grpo"
            )
        return self

    @model_validator(mode="after")
    def _league_can_play(self) -> RunConfig:
        opponents = self.league.opponents
        if self.domain == "code" and (self.promotion.match or opponents != "none"):
            key = (
                "promotion.match=true" if self.promotion.match else f"league.opponents={opponents}"
            )
            raise ValueError(f"{key} needs chess games; set domain=chess or domain=both")
        if opponents != "none" and not self.chess.sources.get("selfplay"):
            raise ValueError(
                f"league.opponents={opponents} needs games of the policy; give "
                "chess.sources.selfplay a share"
            )
        return self

    @model_validator(mode="after")
    def _batch_divides(self) -> RunConfig:
        if self.micro_batch_size is not None and self.micro_batch_size % self.group_size:
            raise ValueError(
                f"micro_batch_size={self.micro_batch_size} must be a multiple of "
                f"group_size={self.group_size}: a group is never torn apart"
            )
        return self


def _absolute(path: Path | None) -> Path | None:
    """A bare name stays: it is looked up on PATH."""
    return path if path is None or len(path.parts) == 1 else path.absolute()
