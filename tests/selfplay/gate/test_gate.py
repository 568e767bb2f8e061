"""The gate over real samplers: the champion plays as their guest, and the games are stored."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import ray

from selfplay.config.reading import parse_config
from selfplay.config.run import RunConfig
from selfplay.gate.decide import items_of
from selfplay.gate.gate import Gate
from selfplay.loop.evaluate import Evaluator
from selfplay.models.load import auto_dtype, load_model, load_tokenizer, model_context
from selfplay.models.transfer import pack_weights
from selfplay.ratings.pgn import read_games
from selfplay.rundir.folder import RunDir
from selfplay.sampler.engines import SampleRequest
from selfplay.sampler.pool import SamplerPool

VERSION = 5
EMPTY: dict[str, Any] = {"name": "x", "version": VERSION, "positions": 1, "suites": {}}


def configured(folder: Path, model: Path, stockfish: Path) -> RunConfig:
    overrides = [
        "name=gated",
        f"runs_dir={folder}",
        f"model={model}",
        "chess.style=pgn",
        "match.tries=6",
        "match.max_plies=30",
        "match.limit_win=null",
        "match.opening_max_win_gap=0.5",
        "match.opening_plies=[1,4]",
        "promotion.match=true",
        "promotion.elo1=400",
        "promotion.max_pairs=40",
        "sampler.threads=1",
        "sampler.cpus=0.5",
        "scorer.count=1",
        f"engine.path={stockfish}",
    ]
    return parse_config({}, "test", overrides)


@pytest.fixture(scope="module")
def samplers(
    tmp_path_factory: pytest.TempPathFactory,
    taught_model: Path,
    tiny_model: Path,
    stockfish: Path,
    local_ray: None,
) -> Iterator[SamplerPool]:
    """Samplers of version 5: some answers are legal; the tiny random model has next to none."""
    config = configured(tmp_path_factory.mktemp("runs"), tiny_model, stockfish)
    pool = SamplerPool(config, str(taught_model), VERSION, 0)
    pool.wait_started()
    yield pool
    pool.close()


@pytest.fixture
def run(tmp_path: Path, tiny_model: Path, taught_model: Path, stockfish: Path) -> Iterator[RunDir]:
    """A run whose base model is the tiny random one, and whose version 5 was taught."""
    run = RunDir.create(configured(tmp_path, tiny_model, stockfish))
    run.versions.set_champion(0)
    shutil.copytree(taught_model, run.versions.folder(VERSION))
    run.versions.complete(VERSION, {})
    yield run
    run.close()


@contextmanager
def held(samplers: SamplerPool, model: Path, version: int) -> Iterator[None]:
    """Let the samplers hold another model as `version`, for a while."""

    def give(folder: Path, number: int) -> None:
        loaded = load_model(str(folder), dtype=auto_dtype("auto", "cpu"))
        weights = pack_weights(loaded.named_parameters(), loaded.dtype)
        samplers.update_weights(number, ray.put(weights))

    source, own = samplers._source[0], samplers.version
    give(model, version)
    try:
        yield
    finally:
        give(Path(source), own)


def gate_of(run: RunDir, samplers: SamplerPool, base: Path) -> Gate:
    return Gate(
        run.config(),
        run_dir=run,
        samplers=samplers,
        base=str(base),
        tokenizer=load_tokenizer(str(base)),
        context=model_context(str(base)),
    )


def test_guests_answer_with_their_own_weights(
    run: RunDir, samplers: SamplerPool, taught_model: Path, tiny_model: Path
) -> None:
    ids = tuple(load_tokenizer(str(tiny_model))("1. e4 e5 2.", add_special_tokens=False).input_ids)
    requests = [SampleRequest(ids, 2, 6, "word", 1.0, seed) for seed in range(3)]
    own = samplers.sample(requests)
    assert samplers.sample_guest(str(taught_model), requests) == own
    guest = samplers.sample_guest(str(tiny_model), requests)  # `guests: 1`: taught has to go
    assert guest != own and samplers.sample_guest(str(tiny_model), requests) == guest
    samplers.dismiss_guests()
    assert samplers.sample(requests) == own


def test_a_better_player_passes_and_the_match_is_stored_and_resumed(
    run: RunDir, samplers: SamplerPool, tiny_model: Path
) -> None:
    gate = gate_of(run, samplers, tiny_model)
    lines: list[str] = []

    def stop(text: str) -> None:
        lines.append(text)
        if len(lines) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gate.judge(EMPTY, stop)
    decision = gate.judge(EMPTY, lines.append)
    assert decision.promoted and decision.reason == "better in games, worse in none"
    assert [text.split()[3] for text in lines[:4]] == ["1", "2", "3", "4"]  # pairs, none twice
    assert lines[0].startswith("games against base: 1 pairs")
    row = decision.as_dict()["games"]
    assert row["file"] == "matches/v000005-v000000.pgn" and row["players"][0]["name"]
    games = read_games([run.path / row["file"]]).games
    assert {game.white for game in games} == {"gated@v000005", "gated@base"}
    assert gate.judge(EMPTY, lines.append) == decision and len(lines) == len(games) // 2
    # Games under other rules do not count, and are not lost.
    run.replace_config(parse_config(run.config().model_dump(mode="json"), "", ["match.tries=5"]))
    gate_of(run, samplers, tiny_model).judge(EMPTY, lines.append)
    assert len(lines) > len(games) // 2
    assert read_games([run.path / "matches/discarded/v000005-v000000.pgn"]).games == tuple(
        dataclasses.replace(game, source=str(run.path / "matches/discarded/v000005-v000000.pgn"))
        for game in games
    )


def test_a_worse_player_is_reported_and_a_champion_does_not_play_itself(
    run: RunDir, samplers: SamplerPool, tiny_model: Path
) -> None:
    """The other way round: the samplers hold the taught model, the champion is a checkpoint."""
    run.versions.set_champion(VERSION)
    shutil.copytree(tiny_model, run.versions.folder(7))
    run.versions.complete(7, {})
    assert gate_of(run, samplers, tiny_model).judge(EMPTY, print).games is None
    with held(samplers, tiny_model, 7):
        decision = gate_of(run, samplers, tiny_model).judge(EMPTY | {"version": 7}, print)
    assert decision.worse and not decision.promoted and decision.reason == "worse in games"


def test_a_final_evaluation_meets_the_champion_on_the_same_items(
    run: RunDir, samplers: SamplerPool, tiny_model: Path
) -> None:
    """The champion was measured on 3 positions in training, the final evaluation has 8."""
    shutil.copytree(tiny_model, run.versions.folder(7))
    run.versions.complete(7, {})
    run.versions.set_champion(7)
    suites = ["eval.suites=[chess/heldout]", "promotion.match=false", "eval.nodes=50"]
    run.replace_config(parse_config(run.config().model_dump(mode="json"), "", suites))
    gate = gate_of(run, samplers, tiny_model)
    tokenizer, context = load_tokenizer(str(tiny_model)), model_context(str(tiny_model))
    evaluator = Evaluator(run.config(), samplers=samplers, tokenizer=tokenizer, context=context)
    short = evaluator.evaluate("step_000007", step=7, positions=3, guest=str(tiny_model))
    run.write_eval("step_000007", short)
    result = evaluator.evaluate("final", step=VERSION, positions=8)
    assert (short["version"], result["version"]) == (7, VERSION)
    gate.measure_champion(result, evaluator, print)
    whole = run.champion_eval()
    assert whole is not None and (whole["name"], whole["version"]) == ("whole_000007", 7)
    assert items_of(whole) == items_of(result)
    rows = whole["suites"]["chess/heldout"]["rows"]
    assert rows[:3] == short["suites"]["chess/heldout"]["rows"]  # by the champion's own weights
    (suite,) = gate.judge(result, print).suites
    assert suite.difference.n == 8
    (run.path / "evals" / "whole_000007.json").unlink()
    gate.measure_champion(short | {"version": VERSION}, evaluator, print)  # nothing was left out
    assert not (run.path / "evals" / "whole_000007.json").exists()
