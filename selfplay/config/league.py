"""The configuration of the gate and of the league in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from selfplay.registry import Section


class PromotionConfig(Section):
    """When a version becomes champion, and what becomes of one that is worse (gate/decide.py)."""

    match: bool = False
    """Chess: at each evaluation the candidate plays the champion too, by the rules in `match`,
    until a sequential test decides."""
    elo0: float = Field(0.0, ge=0)
    elo1: float = Field(100.0, gt=0)
    """Better: "at least elo1 above the champion" is accepted against "at most elo0"; worse: the
    same the other way round."""
    margin: float = Field(0.1, gt=0, le=1)
    """A version is promoted only if a loss of this much utility (pass rate; in chess what is kept
    of the best move's winning chances) is excluded in every suite that it is not better in."""
    alpha: float = Field(0.05, gt=0, lt=0.5)
    """Chance to call a version better (or worse) that is not even elo0 away."""
    beta: float = Field(0.05, gt=0, lt=0.5)
    """Chance to miss one that is elo1 away, while pairs remain."""
    max_pairs: int = Field(100, ge=4)
    """Colour-swapped pairs, at most; then the games are undecided."""
    on_worse: Literal["keep", "rollback"] = "keep"
    """`rollback`: training goes on from the champion when a version is found worse than it."""

    @model_validator(mode="after")
    def _apart(self) -> PromotionConfig:
        if self.elo0 >= self.elo1:
            raise ValueError(f"elo0={self.elo0:g} must be below elo1={self.elo1:g}")
        return self


class LeagueConfig(Section):
    """Opponents of the policy in its training games, besides itself (league/training.py)."""

    KEPT: ClassVar[Mapping[str, str]] = {"opponents": "games under way have their opponents"}

    opponents: Literal["none", "latest", "uniform", "closeness"] = "none"
    """How opponents are drawn: none; the newest frozen version; all alike; those that the policy
    scores about half against more often."""
    share: float = Field(0.5, gt=0, le=1)
    """Share of the games that have an opponent."""
    every: int = Field(0, ge=0)
    """Every k-th version is frozen, besides the champions; 0: the champions alone."""
    versions: bool = True
    """Frozen versions are opponents; false: the anchors alone."""
    anchors: list[str] = Field([])
    """Fixed opponents, named as in `selfplay match`: random, engine-eps:0.3, softmax:0.1,
    nodes:1."""

    @model_validator(mode="after")
    def _somebody(self) -> LeagueConfig:
        if self.opponents == "latest" and not self.versions:
            raise ValueError("opponents=latest draws frozen versions; set versions=true")
        if self.opponents != "none" and not self.versions and not self.anchors:
            raise ValueError("versions=false leaves no opponent; name anchors, e.g. [random]")
        return self
