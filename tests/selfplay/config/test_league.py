"""What the sections promotion and league refuse, each in one line with its mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from envs.errors import InputError
from selfplay.config.reading import dump_config, parse_config
from selfplay.config.run import RunConfig
from selfplay.league.training import TrainingLeague
from selfplay.rundir.folder import RunDir


def test_nothing_plays_unless_asked() -> None:
    config = RunConfig()
    assert not config.promotion.match and config.promotion.on_worse == "keep"
    assert config.league.opponents == "none" and not config.has_guests
    assert parse_config({"league": {"opponents": "latest"}}, "x", []).has_guests
    anchors = ["league.opponents=uniform", "league.versions=false", "league.anchors=[random]"]
    assert not parse_config({}, "x", anchors).has_guests
    assert dump_config(parse_config({}, "x", anchors)).count("- random") == 1


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["promotion.elo0=50", "promotion.elo1=50"], "elo0=50 must be below elo1=50"),
        (["promotion.alpha=0.5"], "promotion.alpha"),
        (["promotion.max_pairs=3"], "promotion.max_pairs"),
        (["promotion.on_worse=restart"], "'keep' or 'rollback'"),
        (["domain=code", "promotion.match=true"], "promotion.match=true needs games"),
        (["domain=code", "league.opponents=latest"], "league.opponents=latest needs games"),
        (["league.opponents=latest", "league.versions=false"], "set versions=true"),
        (["league.opponents=uniform", "league.versions=false"], "no opponent"),
        (
            ["league.opponents=uniform", "chess.sources={epd: 1}"],
            "needs games of the policy",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(overrides: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_config({}, "run.yaml", overrides)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("anchor", ["uci-elo:1320", "uci:/usr/bin/engine", "smollm2-135m-instruct"])
def test_an_anchor_must_repeat_itself(anchor: str, tmp_path: Path) -> None:
    config = parse_config(
        {"name": "r", "runs_dir": str(tmp_path)},
        "x",
        ["league.opponents=uniform", f"league.anchors=['{anchor}']"],
    )
    run = RunDir.create(config)
    with pytest.raises(InputError, match=r"league\.anchors: .* give random"):
        TrainingLeague(config, run, "tiny-random")
    run.close()
