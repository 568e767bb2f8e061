"""The scorer of programs that a configuration describes, and the secret that it draws from."""

from __future__ import annotations

import math

from rewards.code.sandbox import Limits
from rewards.code.scorer import CodeScorer
from selfplay.config.run import RunConfig
from selfplay.domains.code.config import CodeConfig, SandboxConfig
from selfplay.domains.code.secret import tests_secret


def code_scorer(config: RunConfig, *, group_s: float = math.inf) -> CodeScorer:
    """Return the scorer that `config` describes, its sandbox started; close it.

    `group_s` seconds are for all answers to one task (`CodeScorer`).

    Raises InputError where the sandbox that this machine allows is too weak.
    """
    box, code = config.section(SandboxConfig), config.section(CodeConfig)
    limits = Limits(
        cpu_s=box.cpu_s,
        wall_s=box.wall_s,
        memory_mb=box.memory_mb,
        output_bytes=box.output_bytes,
        numpy=box.numpy,
    )
    return CodeScorer(
        shape=code.shape,
        limits=limits,
        task_s=box.task_s,
        group_s=group_s,
        bubblewrap=box.bubblewrap,
        allow_weak=box.allow_weak,
        secret=tests_secret(code.secret, config.seed),
    )


def with_secret(config: RunConfig) -> RunConfig:
    """Return the configuration with its secret in it, to be kept with a run."""
    return config.with_section(config.section(CodeConfig).fixed(config))
