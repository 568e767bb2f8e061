"""The run configuration: pydantic models, YAML, `a.b=c` overrides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from pydantic import Field, create_model, field_validator, model_validator
from typing_extensions import override

from envs.places import absolute_source
from selfplay.config.league import LeagueConfig, PromotionConfig
from selfplay.config.match import MatchConfig
from selfplay.config.roles import LearnerConfig, SamplerConfig, ScorerConfig
from selfplay.registry import (
    ALIASES,
    DEFAULT,
    MEASURED,
    STATE,
    TASKS,
    DomainSpec,
    Section,
    domain_of_suite,
    fault_of,
    section_kinds,
    spec_of,
    specs,
)

S = TypeVar("S", bound=Section)
_FOUND = "it says where the run is found"


class PromptForm(Section):
    """Another prompt for the same tasks, where a domain has several (chess: its styles)."""

    style: str = "fen_legal"
    shots: int = Field(0, ge=0, le=8)


class EvalConfig(Section):
    """Held-out evaluation: greedy, before and after the run and every `every` steps."""

    KEPT: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (
            *("suites", "positions", "puzzle_limit", "nodes", "samples", "k", "temperature"),
            *("base_prompts", "base_positions"),
        ),
        MEASURED,
    )

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

    @override
    def absolute(self) -> Self:
        return self.model_copy(update={"mbpp": absolute_source(self.mbpp)})


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


class RunSettings(Section):
    """What every run has; RunConfig adds the sections of the domains that are installed."""

    KEPT: ClassVar[Mapping[str, str]] = {
        "name": _FOUND,
        "runs_dir": _FOUND,
        "model": STATE,
        "seed": STATE,
        "domain": STATE,
        "shares": TASKS,
    }

    name: str = "run"
    runs_dir: Path = Path("runs")
    model: str = "smollm2-135m-instruct"
    seed: int = 0
    domain: str | list[str] = DEFAULT
    """What is trained: the name of an installed domain, or several; `both` is [chess, code]."""
    shares: dict[str, float] = Field({})
    """Several domains: share of the groups for each; without any all have the same."""
    steps: int = Field(100, ge=1)
    max_minutes: float | None = Field(None, gt=0)
    """Training stops after the step in which this much wall time has passed since it began."""
    groups_per_step: int = Field(16, ge=1)
    group_size: int = Field(8, ge=2)
    micro_batch_size: int | None = Field(None, ge=1)
    """Rollouts per learner forward (a multiple of group_size); None: the whole batch at once."""
    max_staleness: int = Field(0, ge=0)
    """Policy versions that a rollout may lag; 0 is strictly on-policy."""
    max_refills: int = Field(0, ge=0)
    """Extra sampling rounds per step to replace groups without spread."""
    match: MatchConfig = MatchConfig()
    promotion: PromotionConfig = PromotionConfig()
    league: LeagueConfig = LeagueConfig()
    sampler: SamplerConfig = SamplerConfig()
    scorer: ScorerConfig = ScorerConfig()
    learner: LearnerConfig = LearnerConfig()
    eval: EvalConfig = EvalConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    ray: RayConfig = RayConfig()

    def section(self, kind: type[S]) -> S:
        """Return the section of that kind, which a domain has."""
        for section in self.sections.values():
            if isinstance(section, kind):
                return section
        raise TypeError(f"no installed domain has a section {kind.__name__}")

    @property
    def sections(self) -> dict[str, Section]:
        """Every section by its key, those of domains included."""
        parts = {key: getattr(self, key) for key in type(self).model_fields}
        return {key: part for key, part in parts.items() if isinstance(part, Section)}

    def with_section(self, section: Section) -> Self:
        """Return the same with another section of that kind."""
        [key] = [key for key, old in self.sections.items() if type(old) is type(section)]
        return self.model_copy(update={key: section})

    @property
    def domains(self) -> tuple[str, ...]:
        """The names of the domains that are trained, in the order in which they are registered."""
        named = [self.domain] if isinstance(self.domain, str) else self.domain
        wanted = {name for given in named for name in ALIASES.get(given, (given,))}
        return tuple(name for name in specs() if name in wanted)

    @property
    def domain_shares(self) -> dict[str, float]:
        """The share of the groups that each domain has."""
        if len(self.domains) == 1 or not self.shares:
            return dict.fromkeys(self.domains, 1.0)
        return {name: self.shares[name] for name in self.domains}

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
        trained = [spec_of(name) for name in self.domains]
        if len(trained) == 1 and trained[0].alone:
            return list(trained[0].alone)
        return [spec.suites[0] for spec in trained]

    @property
    def used_domains(self) -> tuple[str, ...]:
        """The names of the domains that are trained or measured."""
        measured = {domain_of_suite(suite) for suite in self.suites}
        return tuple(name for name in specs() if name in {*self.domains, *measured})

    def with_absolute_paths(self) -> Self:
        """Return the same, all files that actors open named from the root (Section.absolute)."""
        absolute = {key: section.absolute() for key, section in self.sections.items()}
        return self.model_copy(update=absolute)

    def fixed_for_good(self) -> Self:
        """Return the same with all that a new run settles when it begins (Section.fixed)."""
        keys = [key for name in self.used_domains for key in spec_of(name).sections]
        return self.model_copy(update={key: self.sections[key].fixed(self) for key in keys})

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON, from which `RunConfig.model_validate` makes an equal one.

        Sections of domains that the run does not use are left out where they are as they come: who
        reads it need not have those domains.
        """
        values = self.model_dump(mode="json")
        for name, spec in specs().items():
            for key, kind in spec.sections.items():
                if name not in self.used_domains and self.sections[key] == kind():
                    del values[key]
        return values

    def _games(self) -> list[DomainSpec]:
        return [spec_of(name) for name in self.domains if spec_of(name).games]

    @field_validator("runs_dir", mode="before")
    @classmethod
    def _runs_dir_is_mounted(cls, given: object) -> object:
        if "://" in str(given):
            raise ValueError("a folder: mount the storage and name the mount point")
        return given

    @field_validator("domain")
    @classmethod
    def _domains_are_installed(cls, given: str | list[str]) -> str | list[str]:
        named = [given] if isinstance(given, str) else given
        if not named or len(set(named)) != len(named):
            raise ValueError("the name of a domain, or a list of different ones")
        for name in (one for alias in named for one in ALIASES.get(alias, (alias,))):
            fault = fault_of(name)
            if fault is not None:
                raise ValueError(f"a domain that is installed: {fault}")
        return given

    @model_validator(mode="after")
    def _prior_has_a_target(self) -> Self:
        listed = (
            all(spec_of(name).lists_actions for name in self.domains)
            and self.learner.advantage == "target"
            and self.sampler.explore == "all_legal"
        )
        if self.learner.target_prior and not listed:
            can = [f"domain={name}" for name, spec in specs().items() if spec.lists_actions]
            raise ValueError(
                f"learner.target_prior={self.learner.target_prior} needs {' or '.join(can)}, "
                "learner.advantage=target and sampler.explore=all_legal: samples come with the "
                "policy's weight already"
            )
        return self

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        for name in self.shares:
            fault = fault_of(name)
            if fault is not None:
                raise ValueError(f"shares: {fault}")
        several = len(self.domains) > 1
        if several and self.shares and any(self.shares.get(n, 0) <= 0 for n in self.domains):
            named = ", ".join(self.domains)
            raise ValueError(
                f"shares: domain={self.domain} needs one above 0 for {named}; "
                "leave a domain out of `domain` to train without it"
            )
        return self

    @model_validator(mode="after")
    def _league_can_play(self) -> Self:
        opponents = self.league.opponents
        if (self.promotion.match or opponents != "none") and not self._games():
            key = (
                "promotion.match=true" if self.promotion.match else f"league.opponents={opponents}"
            )
            can = " or ".join(f"domain={name}" for name, spec in specs().items() if spec.games)
            raise ValueError(f"{key} needs games; set {can}, alone or with others")
        return self

    @model_validator(mode="after")
    def _sections_fit(self) -> Self:
        for name in self.domains:
            for key in spec_of(name).sections:
                self.sections[key].check(self)
        return self

    @model_validator(mode="after")
    def _batch_divides(self) -> Self:
        if self.micro_batch_size is not None and self.micro_batch_size % self.group_size:
            raise ValueError(
                f"micro_batch_size={self.micro_batch_size} must be a multiple of "
                f"group_size={self.group_size}: a group is never torn apart"
            )
        return self


if TYPE_CHECKING:  # the sections of domains are found at run time; `section` gives them their types
    RunConfig = RunSettings
else:
    RunConfig = create_model(
        "RunConfig",
        __base__=RunSettings,
        __module__=__name__,
        __doc__="One run, whole.",
        **{key: (kind, kind()) for key, kind in section_kinds().items()},
    )
