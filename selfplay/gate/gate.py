"""The gate in a run: an evaluated version against the champion, in suites and, in chess, games."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from selfplay.config.run import RunConfig
from selfplay.domains.base import Progress
from selfplay.domains.made import Domains
from selfplay.gate.decide import Decision, GamesChange, decide, items_of
from selfplay.gate.title_match import play_title_match
from selfplay.league.openings import match_openings, refuse_too_few
from selfplay.league.policy import Manner
from selfplay.league.roster import EngineRoom, named, weights_mark
from selfplay.league.run_match import identify
from selfplay.league.sampled import AskSamplers, SampledPolicy
from selfplay.ratings.sequential import TwoSidedSprt
from selfplay.rundir.folder import RunDir
from selfplay.rundir.setting_aside import set_aside
from selfplay.sampler.pool import SamplerPool

WHOLE = "whole_"
"""Evaluations of a champion that repeat its own on as many items as the final one has."""


class Measures(Protocol):
    """What asks a model the held-out suites (selfplay.loop.evaluate.Evaluator)."""

    def evaluate(
        self, name: str, *, step: int, positions: int, progress: Progress, guest: str
    ) -> dict[str, Any]:
        """Return the record `name` of the model `guest`, version `step` of the run."""


class Gate:
    """Decides whether the samplers' version becomes champion.

    Args:
        config: its `promotion`, `match` and `chess`.
        run_dir: champion, evaluations and matches so far.
        samplers: they hold the candidate; the champion plays as their guest.
        base: the model that the run began with, version 0.
        tokenizer: the run's.
        context: the longest sequence that the model takes, in tokens.
    """

    def __init__(
        self,
        config: RunConfig,
        *,
        run_dir: RunDir,
        samplers: SamplerPool,
        base: str,
        tokenizer: Any,
        context: int,
    ) -> None:
        self._config = config
        self._run_dir = run_dir
        self._samplers = samplers
        self._base = base
        self._tokenizer, self._context = tokenizer, context

    def judge(self, result: dict[str, Any], progress: Progress) -> Decision:
        """Return what becomes of the version that evaluation `result` is of.

        For a match it must have been saved: its games can then be played again, and a run that is
        stopped in them goes on with the same weights.

        Raises:
            InputError: the champion's checkpoint, or the file of the match, cannot be used.
            EngineError: an engine failed twice on one position; the finished pairs are kept.
        """
        version, champion = int(result["version"]), self._run_dir.versions.champion() or 0
        games = None
        if self._config.promotion.match and version != champion:
            games = self._games(version, champion, progress)
        return decide(
            self._run_dir.champion_eval() or {"suites": {}},
            result,
            games,
            utility=Domains(self._config).utility,
            margin=self._config.promotion.margin,
        )

    def measure_champion(
        self, result: Mapping[str, Any], evaluator: Measures, progress: Progress
    ) -> None:
        """Ask the champion all that the final evaluation `result` asked, if it was asked less.

        A version that became champion in training was measured on `eval.every_positions` items
        only. What it says to all of them is an evaluation of its own, WHOLE and its version.
        """
        run_dir, version = self._run_dir, self._run_dir.versions.champion() or 0
        known = items_of(run_dir.champion_eval() or {"suites": {}})
        if version == int(result["version"]) or items_of(result) <= known:
            return
        try:
            record = evaluator.evaluate(
                f"{WHOLE}{version:06d}",
                step=version,
                positions=int(result["positions"]),
                progress=progress,
                guest=run_dir.versions.model_of(version, self._base),
            )
        finally:
            self._samplers.dismiss_guests()
        run_dir.write_eval(record["name"], record)

    def _games(self, version: int, champion: int, progress: Progress) -> GamesChange:
        model = self._run_dir.versions.model_of(champion, self._base)
        guest = functools.partial(self._samplers.sample_guest, model)
        players = self._player(version, self._samplers.sample), self._player(champion, guest)
        path = self._run_dir.versions.match_file(version, champion)

        def report(played: int, test: TwoSidedSprt) -> None:
            progress(f"games against {named(champion)}: {played} pairs, {test.finding}")

        seed = match_seed(self._config.seed, version)
        try:
            with EngineRoom(self._config.model_copy(update={"seed": seed})) as room:
                _make_room(path, identify(players, room))
                found = play_title_match(*players, room, self._config.promotion, path, report)
        finally:
            self._samplers.dismiss_guests()
        file = str(path.relative_to(self._run_dir.path))
        return GamesChange(found.change, {**found.evidence, "file": file})

    def _player(self, version: int, sample: AskSamplers) -> SampledPolicy:
        model = self._run_dir.versions.model_of(version, self._base)
        return SampledPolicy(
            f"{self._run_dir.name}@{named(version)}",
            f"{named(version)} {weights_mark(model)}",
            Manner.of(self._config, self._config.match),
            sample,
            self._tokenizer,
            self._context,
        )


def check_openings(config: RunConfig) -> None:
    """Refuse a book of openings that is broken, and openings too few for the matches of the gate.

    Raises:
        InputError: at the start of a run, not at its first evaluation.
    """
    match_openings(config.promotion.max_pairs, config.seed, config.match, lambda _: 0.5)
    if config.match.openings is None:
        refuse_too_few(config.promotion.max_pairs, config.match)


def _make_room(path: Path, match_id: str) -> None:
    """Set aside games between the same versions under other rules or with other weights."""
    if path.exists() and f'[MatchId "{match_id}"]' not in path.read_text(encoding="utf-8"):
        set_aside(path)


def match_seed(seed: int, version: int) -> int:
    """Return the 63-bit seed of a version's match: every candidate has openings of its own."""
    digest = hashlib.sha256(f"title match/{seed}/{version}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
