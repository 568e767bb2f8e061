"""Code's part of the configuration: what is asked, proposals, and the sandbox that judges."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field
from typing_extensions import override

from envs.places import absolute_source
from selfplay.registry import MEASURED, TASKS, Section, VerifyTools

if TYPE_CHECKING:
    from selfplay.config.run import RunConfig

SUITES = ("code/families", "code/far", "code/humaneval", "code/mbpp")
"""Held-out families; those that are far from every training family; HumanEval; MBPP's validation
split (511-600)."""
TEST_SUITES = ("code/test",)
CodeSourceName = Literal["families", "mbpp", "jsonl", "proposals"]


class CodeConfig(Section):
    """What is asked in code, and where the tasks come from."""

    KEPT: ClassVar[Mapping[str, str]] = {
        "style": MEASURED,
        "max_tokens": MEASURED,
        "sources": TASKS,
        "levels": TASKS,
        "secret": "its tests ask the same to its end",
        "preflight_s": "it goes by the tasks that were found sound when it began",
    }
    SETTLED: ClassVar[frozenset[str]] = frozenset(("secret",))

    style: Literal["completion", "chat"] = "completion"
    max_tokens: int = Field(160, ge=1, le=4096)
    samples: int | None = Field(None, ge=2)
    """Programs drawn per task; None: `group_size`. Never more than that."""
    sources: dict[CodeSourceName, float] = Field({"families": 1.0})
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

    @override
    def absolute(self) -> Self:
        jsonl = self.jsonl and self.jsonl.absolute()
        return self.model_copy(update={"mbpp": absolute_source(self.mbpp), "jsonl": jsonl})

    @override
    def check(self, run: RunConfig) -> None:
        if run.learner.advantage == "target" and self.advantage is None:
            raise ValueError(
                "learner.advantage=target needs listed actions, which programs are not; set "
                "code.advantage=dr_grpo"
            )

    @override
    def fixed(self, run: RunConfig) -> Self:
        """With the secret that the tests of the run draw from."""
        from selfplay.domains.code.secret import tests_secret

        return self.model_copy(update={"secret": tests_secret(self.secret, run.seed).hex()})


class ProposerConfig(Section):
    """Self-play for code: the policy proposes functions that become tasks (off by default)."""

    KEPT: ClassVar[Mapping[str, str]] = {"enabled": TASKS}

    enabled: bool = False
    share: float = Field(0.25, gt=0, lt=1)
    """Share of code's groups that are requests to propose; needs a share in `code.sources`."""
    samples: int = Field(4, ge=2)
    """Proposals drawn per request."""
    max_tokens: int = Field(192, ge=16, le=4096)
    aim: Literal["reimplement", "predict"] = "reimplement"
    """What a proposal asks: to write the function from examples, or to say what it returns."""

    @override
    def check(self, run: RunConfig) -> None:
        share = run.section(CodeConfig).sources.get("proposals", 0)
        if self.enabled != (share > 0):
            raise ValueError(
                f"proposer.enabled={str(self.enabled).lower()} and code.sources.proposals="
                f"{share:g} do not fit: give proposals a share exactly where the proposer is on"
            )


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

    @override
    def harmless(self, tools: VerifyTools) -> Self:
        """Never weaker than this machine's own."""
        return self.model_copy(update={"allow_weak": False})
