"""The configuration of the actors: samplers, scorers, learner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from selfplay.registry import STATE, Section

_RAYS_OWN = ("CPU", "GPU", "memory", "object_store_memory")


def _checked_resources(given: dict[str, float]) -> dict[str, float]:
    for name, amount in given.items():
        if name in _RAYS_OWN or not name:
            raise ValueError("names of custom resources; for CPU and GPU there are cpus and gpus")
        if not 0 < amount < float("inf") or (amount > 1 and amount != int(amount)):
            raise ValueError("amounts above 0, and whole ones above 1")
    return given


CustomResources = Annotated[dict[str, float], AfterValidator(_checked_resources)]
"""Ray's custom resources, as in `ray start --resources='{"sampler": 2}'`."""


class SamplerConfig(Section):
    """The sampler actors."""

    BEFORE: ClassVar[Mapping[str, str]] = {"explore_draws": "uniform"}

    count: int = Field(1, ge=1)
    at_least: int | None = Field(None, ge=1)
    """A cluster with room for fewer is refused; None: `count`. The others join as room comes."""
    cpus: float = Field(1, ge=0)
    gpus: float = Field(0, ge=0)
    """GPUs per sampler; 0 with GPUs present means one each."""
    threads: int | None = Field(None, ge=1)
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    temperature: float = Field(1.0, gt=0)
    prefill_tokens: int = Field(1024, ge=1)
    """Padded prompt tokens per prefill forward."""
    deadline_s: float = Field(300.0, gt=0)
    resources: CustomResources = Field({})
    """Ray's custom resources that each sampler reserves: where it may run."""
    guests: int = Field(1, ge=1)
    """Frozen versions that a sampler holds at once besides the policy, while they play."""
    explore: Literal["none", "all_legal"] = "none"
    """`all_legal`: train on the legal moves themselves (at most group_size of them per position,
    see explore_draws) instead of on the samples: the all-action gradient. See advantages.py."""
    explore_draws: Literal["best", "uniform"] = "best"
    """`all_legal` where there are more than group_size: `best`: the best move and others drawn
    uniformly, weighed so that the gradient is that of all; `uniform`: any, and the others are not
    looked at."""
    explore_samples: int = Field(2, ge=1)
    """`all_legal`: samples per position; the games go on with them, the metrics are theirs."""


class ScorerConfig(Section):
    """The scorer actors, one engine process each."""

    count: int = Field(2, ge=1)
    cpus: float = Field(0.5, ge=0)
    resources: CustomResources = Field({})
    deadline_s: float = Field(120.0, gt=0)
    """Wall clock for the answers to one task: then their scorer is killed. Programs have three
    quarters of it together; what it does not suffice for is set aside and never trains."""
    retries: int = Field(2, ge=0)
    """Scorers that one task may cost, after the first, before it is set aside."""


class LearnerConfig(Section):
    """TRL's trainer, its optimiser and its losses."""

    KEPT: ClassVar[Mapping[str, str]] = {"lora_rank": STATE, "lora_alpha": STATE}
    BEFORE: ClassVar[Mapping[str, str]] = {"flat_groups": "drop"}

    workers: int = Field(1, ge=1)
    cpus: float = Field(1, ge=0)
    gpus: float = Field(0, ge=0)
    resources: CustomResources = Field({})
    threads: int | None = Field(None, ge=1)
    lr: float = Field(1e-5, gt=0)
    warmup_steps: int = Field(0, ge=0)
    """Updates with a lower rate at the beginning: 1/(n+1), 2/(n+1), ... of `lr`."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How the rate comes down over `steps`, or over `max_minutes` where more of that has passed."""
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    loss: Literal["dapo", "dr_grpo", "grpo", "bnpo", "cispo"] = "dapo"
    clip_low: float = Field(0.2, gt=0)
    """With `clip_high` the bounds 1 - low and 1 + high of the ratio of the policy to the one that
    sampled, as in DAPO (cispo: 1 + high alone). They act on rollouts of an older version
    (`max_staleness`); on the policy's own the ratio is 1."""
    clip_high: float = Field(0.28, gt=0)
    advantage: Literal["dr_grpo", "grpo", "target"] = "dr_grpo"
    """`dr_grpo`: r - mean; `grpo`: divided by the deviation too; `target`: see
    selfplay/advantages.py."""
    flat_groups: Literal["target", "drop"] = "target"
    """Groups whose rewards are all equal: `target` trains those of listed moves with the advantage
    of that name, for which they teach legality; `drop` trains none."""
    advantage_scale: float = Field(1.0, gt=0)
    target_temperature: float = Field(0.1, gt=0)
    """`target`: temperature of the improved policy over rewards."""
    target_prior: float = Field(0.0, ge=0, le=1)
    """`target`: exponent of the policy's own probability in the improved policy: 0 spreads it over
    all good actions, 1 keeps to those that the policy believes in. See learner/weighing.py."""
    importance_cap: float = Field(2.0, gt=0)
    """Truncated importance sampling: per-token cap of learner / sampler on one version. On older
    versions, with a negative advantage, the ratio above which a token no longer trains."""
    adaptive_entropy: bool = True
    entropy_target: float = Field(0.2, ge=0)
    """Mean nats per token below which the entropy bonus acts."""
    entropy_coef: float = Field(0.0, ge=0)
    entropy_coef_delta: float = Field(0.002, gt=0)
    entropy_coef_max: float = Field(0.05, ge=0)
    lora_rank: int | None = Field(None, ge=1)
    lora_alpha: float = Field(32.0, gt=0)
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Dtype of the weights; the optimiser keeps float32 copies of lower ones."""
    gradient_checkpointing: bool = False
    deadline_s: float = Field(900.0, gt=0)
    """Longest wait for one update, start-up included."""
