"""Which opponent a game gets: the rules by hand, and the ratings that they read."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from selfplay.config.run import RunConfig
from selfplay.league.pairing import chances, drawn
from selfplay.league.training import ratings
from selfplay.rundir.folder import RunDir

VERSIONS = {0: "r@base", 4: "r@v000004", 8: "r@v000008", 12: "r@v000012"}
ELOS = {"r@base": -400.0, "r@v000004": 0.0, "r@v000012": 50.0}


def test_the_latest_is_the_newest_frozen_version() -> None:
    assert chances("latest", VERSIONS, ["random"], ELOS) == {"r@v000012": 1.0}
    with pytest.raises(ValueError, match="no frozen version"):
        chances("latest", {}, ["random"], {})


def test_uniform_takes_all_alike() -> None:
    weights = chances("uniform", VERSIONS, ["random"], {})
    assert set(weights) == {*VERSIONS.values(), "random"} and set(weights.values()) == {1.0}
    counts = Counter(drawn(weights, random.Random(seed)) for seed in range(500))
    assert len(counts) == 5 and min(counts.values()) > 60
    turned = dict(reversed(weights.items()))
    assert all(
        drawn(weights, random.Random(s)) == drawn(turned, random.Random(s)) for s in range(50)
    )


def test_closeness_prefers_who_is_about_as_strong() -> None:
    weights = chances("closeness", VERSIONS, ["random"], ELOS)
    # Against itself 1/4; 450 Elo below: E = 0.930, E(1 - E) = 0.065.
    assert weights["r@v000012"] == pytest.approx(0.25)
    assert weights["r@base"] == pytest.approx(0.065, abs=0.001)
    assert weights["r@v000008"] == weights["r@v000004"]  # unrated: as the nearest, lower first
    mean = sum(weights[name] for name in VERSIONS.values()) / 4
    assert weights["random"] == pytest.approx(mean)


def test_closeness_without_any_rating_is_uniform() -> None:
    assert set(chances("closeness", VERSIONS, ["random"], {}).values()) == {1.0}
    with pytest.raises(ValueError, match="nobody to play"):
        chances("closeness", {}, [], {})


def pgn(number: int, white: str, black: str, result: str) -> str:
    tags = {"Event": "m", "Round": f"{number}", "White": white, "Black": black, "Result": result}
    return "\n".join(f'[{key} "{value}"]' for key, value in tags.items()) + f"\n\n{result}\n"


def test_ratings_come_from_the_run_s_stored_matches(tmp_path: Path) -> None:
    run = RunDir.create(RunConfig(name="r", runs_dir=tmp_path))
    assert ratings(run) == {}
    folder = run.path / "matches"
    folder.mkdir()
    pair = ("r@v000004", "r@base")
    lost = [pgn(k, *pair[:: 1 if k % 2 else -1], "1-0" if k % 2 else "0-1") for k in range(1, 9)]
    (folder / "v000004-v000000.pgn").write_text("\n".join(lost))
    mixed = [pgn(k, "r@v000008", "r@v000004", "1-0" if k % 3 else "0-1") for k in range(1, 10)]
    (folder / "v000008-v000004.pgn").write_text("\n".join(mixed))
    (folder / "other.pgn").write_text(pgn(1, "r@v000008", "somebody", "0-1"))
    found = ratings(run)
    assert set(found) == {"r@base", "r@v000004", "r@v000008"}
    assert found["r@base"] < found["r@v000004"] < found["r@v000008"]
    run.close()
