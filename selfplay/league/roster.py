"""From the name of a player to the player: runs, models, anchors and engines opened."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from envs.errors import InputError
from rewards.chess.engine import find_engine
from rewards.chess.scorer import ChessScorer
from rewards.closing import Closes
from selfplay.config.run import RunConfig
from selfplay.domains.chess.config import EngineConfig
from selfplay.league.anchors import EpsilonEngine, RandomMover, RulePlayer, SoftmaxEngine
from selfplay.league.player import Player
from selfplay.league.policy import Manner, PolicyPlayer
from selfplay.league.specs import Kind, Spec, parse_spec
from selfplay.league.uci_engine import MoveEngine, UciPlayer
from selfplay.models.load import resolve_model
from selfplay.rundir.folder import RunDir

UCI_NODES = 10_000
"""`uci` and `uci-elo` think this long where nothing is said; low rungs pick at lower depths."""
_ENDS = 1 << 20


class EngineRoom(Closes):
    """What the players of a match share: engines that score, by nodes, started when first asked."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self._scorers: dict[int, ChessScorer] = {}

    def scorer(self, nodes: int | None = None) -> ChessScorer:
        """Return the scorer with `nodes` per position (None: `engine.nodes`). Raises InputError."""
        settings = self.config.section(EngineConfig)
        nodes = settings.nodes if nodes is None else nodes
        if nodes not in self._scorers:
            self._scorers[nodes] = ChessScorer(
                settings.path,
                nodes,
                settings.hash_mb,
                settings.deadline_s,
                settings.cache,
                limits=settings.limits,
            )
        return self._scorers[nodes]

    def close(self) -> None:
        """End the engines."""
        while self._scorers:
            self._scorers.popitem()[1].close()


def open_player(text: str, room: EngineRoom) -> Player:
    """Return the player of a spec (see specs.FORMS); weights are loaded when it first moves.

    Raises:
        InputError: no such run, version, model or engine.
    """
    spec = parse_spec(text)
    return _OPENERS[spec.kind](spec, room)


def open_policy(text: str, config: RunConfig, **changes: Any) -> PolicyPlayer:
    """Return a run's version or a model as a player.

    Args:
        text: its spec.
        config: for models the chess section, for all the match section and the sampler's threads.
        changes: fields of Manner that go before run and configuration, not before the spec.

    Raises:
        InputError: it is no policy, or there is no such run, version or model.
    """
    spec = parse_spec(text)
    if spec.kind != "policy":
        raise InputError(f"{text}: is no model; give a run, RUN@v000012, a model folder or id")
    name, version, model, own = _located(spec, config)
    fields: dict[str, Any] = asdict(Manner.of(own, config.match))
    fields |= {key: value for key, value in changes.items() if value is not None}
    given = {key: type(fields[key])(value) for key, value in spec.options.items()}
    words = [f"{key}={spec.options[key]}" for key in sorted(spec.options)]
    return PolicyPlayer(
        ",".join([name, *words]),
        version,
        model,
        Manner(**fields | given),
        dtype=own.sampler.dtype,
        threads=config.sampler.threads,
        prefill_tokens=own.sampler.prefill_tokens,
    )


def fingerprint(folder: Path) -> str:
    """Return 12 hex digits that distinguish weights: of config.json and each weight file's name,
    size, first and last MiB. Reading all of a large model would take longer than a game."""
    digest = hashlib.sha256()
    for path in [folder / "config.json", *sorted(folder.glob("*.safetensors"))]:
        size = path.stat().st_size
        digest.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            digest.update(file.read(_ENDS))
            file.seek(max(0, size - _ENDS))
            digest.update(file.read(_ENDS))
    return digest.hexdigest()[:12]


def _located(spec: Spec, config: RunConfig) -> tuple[str, str, str, RunConfig]:
    """Return name, version, model (for load_model) and the configuration it was trained under."""
    if spec.version or _is_run(spec.argument, config.runs_dir):
        run = RunDir.open(spec.argument, config.runs_dir)
        own = run.config()
        number = _version(run, spec)
        version, model = named(number), own.model
        if number:
            model = str(run.versions.checkpoints()[number])
        return f"{run.path.name}@{version}", f"{version} {weights_mark(model)}", model, own
    try:
        mark = weights_mark(spec.argument)
    except InputError as error:
        runs = f"no run in {config.runs_dir}/"
        raise InputError(f"player {spec.text!r}: {runs}, and as a {error}") from error
    return spec.argument, mark, spec.argument, config


def weights_mark(model: str) -> str:
    """Return the fingerprint of a model's folder, or the id of one from the hub."""
    found = resolve_model(model)
    return fingerprint(found) if isinstance(found, Path) else found


def _is_run(target: str, runs_dir: Path) -> bool:
    return any((path / "config.yaml").is_file() for path in (Path(target), runs_dir / target))


def named(version: int) -> str:
    """Return what follows the @ of a run's version; 0 is the model that it began with."""
    return f"v{version:06d}" if version else "base"


def _version(run: RunDir, spec: Spec) -> int:
    """Return the version that is meant: the one asked for, else the champion."""
    if spec.version == "base":
        return 0
    have = run.versions.checkpoints()
    if spec.version == "latest":
        if not have:
            raise InputError(f"player {spec.text!r}: no complete checkpoint yet; try @base")
        return max(have)
    if spec.version in ("", "champion"):
        champion = run.versions.champion()
        if champion is None:
            other = "@latest" if have else "@base"
            raise InputError(f"player {spec.text!r}: the run has no champion yet; try {other}")
        wanted = champion
    else:
        wanted = int(spec.version[1:])
    if wanted and wanted not in have:
        shown = ", ".join(f"v{number:06d}" for number in list(have)[-8:]) or "none but base"
        raise InputError(f"player {spec.text!r}: no checkpoint v{wanted:06d}; there are {shown}")
    return wanted


def _scored(spec: Spec, room: EngineRoom) -> tuple[ChessScorer, int]:
    nodes = int(spec.options.get("nodes", room.config.section(EngineConfig).nodes))
    return room.scorer(nodes), nodes


def _softmax(spec: Spec, room: EngineRoom) -> Player:
    return SoftmaxEngine(spec.number, *_scored(spec, room))


def _epsilon(spec: Spec, room: EngineRoom) -> Player:
    return EpsilonEngine(spec.number, *_scored(spec, room))


def _nodes(spec: Spec, room: EngineRoom) -> Player:
    """The engine at fixed nodes, single line; repeatable, since its hash is emptied each move."""
    engine = room.config.section(EngineConfig)
    made = MoveEngine(
        find_engine(engine.path),
        limit=f"nodes {spec.argument}",
        options={},
        usual={"Threads": "1", "Hash": str(engine.hash_mb)},
        deadline_s=engine.deadline_s,
        limits=engine.limits,
    )
    settings = f"nodes={spec.argument} hash={engine.hash_mb}"
    return UciPlayer(
        f"nodes:{spec.argument}", made, settings=settings, repeatable=True, forfeits=False
    )


def _elo(spec: Spec, room: EngineRoom) -> Player:
    """The engine's own handicap. It is seeded from the clock, so it never plays twice alike."""
    handicap = {"UCI_LimitStrength": "true", "UCI_Elo": spec.argument}
    made, settings = _engine(
        spec, room, find_engine(room.config.section(EngineConfig).path), handicap
    )
    name = spec.text.replace(" ", "")
    return UciPlayer(name, made, settings=settings, repeatable=False, forfeits=False)


def _uci(spec: Spec, room: EngineRoom) -> Player:
    """Any engine. Whether it plays twice alike is its own affair, so nothing is promised."""
    path = Path(spec.argument).expanduser()
    if len(path.parts) > 1 and not path.exists():
        raise InputError(f"player {spec.text!r}: {path}: no such file; give the engine's path")
    made, settings = _engine(spec, room, find_engine(path), {})
    name = spec.text.replace(" ", "")
    return UciPlayer(name, made, settings=settings, repeatable=False, forfeits=True)


def _engine(
    spec: Spec, room: EngineRoom, path: Path, options: dict[str, str]
) -> tuple[MoveEngine, str]:
    """Start an engine under the limit and options of a spec; return it and its settings."""
    engine = room.config.section(EngineConfig)
    key = next((key for key in ("nodes", "movetime", "depth") if key in spec.options), "nodes")
    value = spec.options.get(key, str(UCI_NODES))
    seconds = float(value) / 1000 if key == "movetime" else 0.0
    own = _own_options(spec)
    made = MoveEngine(
        path,
        limit=f"{key} {value}",
        options=options | own,
        usual={"Threads": "1", "Hash": str(engine.hash_mb)},
        deadline_s=engine.deadline_s + seconds,
        limits=engine.limits,
    )
    return made, " ".join([f"{key}={value}", *(f"{k}={v}" for k, v in own.items())])


def _own_options(spec: Spec) -> dict[str, str]:
    """Return the engine's UCI options of a spec: option.NAME=VALUE."""
    return {
        key.removeprefix("option."): value
        for key, value in spec.options.items()
        if key.startswith("option.")
    }


_OPENERS: dict[Kind, Callable[[Spec, EngineRoom], Player]] = {
    "policy": lambda spec, room: open_policy(spec.text, room.config),
    "random": lambda spec, room: RandomMover(),
    "rule": lambda spec, room: RulePlayer(spec.argument),
    "engine-eps": _epsilon,
    "softmax": _softmax,
    "nodes": _nodes,
    "uci-elo": _elo,
    "uci": _uci,
}
