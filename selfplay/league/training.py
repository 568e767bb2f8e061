"""The league in training: frozen versions and anchors that play against the policy."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Sequence
from typing import Any

import chess
import chess.pgn
from typing_extensions import override

from envs.errors import InputError
from envs.opponents import Opponents
from rewards.closing import Closes
from selfplay.config.run import RunConfig
from selfplay.league.pairing import chances, drawn
from selfplay.league.player import Player, Turn
from selfplay.league.policy import Manner
from selfplay.league.referee import RESULTS
from selfplay.league.roster import EngineRoom, named, open_player
from selfplay.league.sampled import SampledPolicy
from selfplay.league.specs import parse_spec
from selfplay.ratings import Pair, pair_up, rate
from selfplay.ratings.pgn import read_games
from selfplay.records import FinishedGame
from selfplay.rundir.folder import RunDir
from selfplay.sampler.pool import SamplerPool

ANCHORS = ("random", "rule", "engine-eps", "softmax", "nodes")
"""What a training game may have as a fixed opponent: its moves repeat under a seed."""


class TrainingLeague(Opponents, Closes):
    """Draws opponents and moves for them (envs.opponents.Opponents).

    A frozen version is a checkpoint of the run, or the model that it began with; a sampler loads it
    as its guest when it is first asked. What may be drawn changes in `refresh` alone, and only by
    what the run folder holds, so a resumed run draws the same.
    """

    def __init__(self, config: RunConfig, run_dir: RunDir, base: str) -> None:
        """Read the anchors' names; engines start when they are first asked.

        Raises InputError for an anchor that is none, or that does not repeat itself.
        """
        self._config = config
        self._run_dir = run_dir
        self._base = base
        self._room = EngineRoom(config)
        self._players: dict[str, Player] = {}
        self._samplers: SamplerPool | None = None
        self._tokenizer: Any = None
        self._context = 0
        self._anchors = [self._anchor(text) for text in config.league.anchors]
        self._weights: dict[str, float] = {}

    def attach(self, samplers: SamplerPool, tokenizer: Any, context: int) -> None:
        """Name the samplers that frozen versions play through."""
        self._samplers, self._tokenizer, self._context = samplers, tokenizer, context

    def refresh(self) -> None:
        """Look again at who is frozen and how they are rated; call it when either changes."""
        league = self._config.league
        if league.opponents == "none":
            return
        frozen = self._run_dir.versions.frozen(league.every) if league.versions else []
        versions = {version: self._name(version) for version in frozen}
        elos = ratings(self._run_dir) if league.opponents == "closeness" else {}
        self._weights = chances(league.opponents, versions, self._anchors, elos)

    @override
    def draw(self, rng: random.Random) -> str | None:
        if not self._weights:
            self.refresh()
        return drawn(self._weights, rng) if rng.random() < self._config.league.share else None

    @override
    def moves(self, name: str, turns: Sequence[tuple[chess.Board, int]]) -> list[chess.Move | None]:
        """Return the opponent's moves; it is opened at its first turn.

        Raises:
            InputError: a frozen version's checkpoint is missing.
            EngineError: an anchor's engine failed twice on one position.
        """
        if name not in self._players:
            self._players[name] = self._opened(name)
        choices = self._players[name].choose([Turn(board, seed) for board, seed in turns])
        return [choice.move for choice in choices]

    def close(self) -> None:
        """End the anchors' engines."""
        for player in self._players.values():
            player.close()
        self._room.close()

    def _anchor(self, text: str) -> str:
        spec = parse_spec(text)
        if spec.kind not in ANCHORS:
            raise InputError(
                f"league.anchors: {text!r} may play otherwise each time or is no anchor; give "
                "random, rule:best_exchange, engine-eps:0.3, softmax:0.1 or nodes:1"
            )
        # Two ways to write one player must not become two.
        return ",".join([text.partition(",")[0].strip(), *sorted(text.split(",")[1:])])

    def _name(self, version: int) -> str:
        return f"{self._run_dir.name}@{named(version)}"

    def _opened(self, name: str) -> Player:
        own, at, version = name.rpartition("@")
        if not at or own != self._run_dir.name:
            return open_player(name, self._room)
        if self._samplers is None:
            raise RuntimeError(f"opponent {name}: no samplers are attached")
        number = 0 if version == "base" else int(version[1:])
        model = self._run_dir.versions.model_of(number, self._base)
        if number and number not in self._run_dir.versions.checkpoints():
            raise InputError(
                f"{model}: is missing, and a game against {name} is under way; put it back"
            )
        match = self._config.match
        heat = self._config.sampler.temperature
        manner = Manner.of(self._config, match.model_copy(update={"temperature": heat}))
        return SampledPolicy(
            name,
            f"v{number:06d}",
            manner,
            functools.partial(self._samplers.sample_guest, model),
            self._tokenizer,
            self._context,
        )


def opponent_metrics(games: Sequence[FinishedGame]) -> dict[str, float | None]:
    """Return how many of the games that ended had an opponent, and the policy's score in them.

    Unfinished games count as such, but not for the score.
    """
    played = [game.tags for game in games if "Opponent" in game.tags]
    white = [(RESULTS[h["Result"]], h["Opponent"]) for h in played if h["Result"] in RESULTS]
    scores = [points if theirs == "Black" else 1 - points for points, theirs in white]
    return {
        "opponent_games": float(len(played)),
        "opponent_score": sum(scores) / len(scores) if scores else None,
    }


def ratings(run_dir: RunDir) -> dict[str, float]:
    """Return name -> Elo of all that played in the matches between the run's versions.

    Every pairing counts one drawn pair more than it played, a weak prior as in BayesElo
    (remi-coulom.fr/Bayesian-Elo): who won or lost everything is rated too, and the further away
    the more pairs it was. Who is tied to nobody else is left out.
    """
    pairs = pair_up(read_games(run_dir.versions.match_files()).games)
    pairings = {tuple(sorted((pair.first, pair.second))) for pair in pairs}
    pairs += [Pair(first, second, 2, 1.0) for first, second in sorted(pairings)]
    players = rate(pairs, bootstraps=0).players if pairs else ()
    return {player.name: player.elo for player in players if math.isfinite(player.elo)}
