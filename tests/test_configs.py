"""Every shipped configuration is valid and says what it is for and how it is launched."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from selfplay.config.run import RunConfig

CONFIGS = sorted((Path(__file__).resolve().parents[1] / "configs").glob("*.yaml"))


def test_the_promised_configurations_are_there() -> None:
    assert {"quickstart", "chess_blind", "chess_hour", "chess", "smoke"} <= {
        path.stem for path in CONFIGS
    }


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_is_valid_and_keeps_its_own_name(path: Path) -> None:
    config = RunConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert config.name == path.stem


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_its_first_lines_tell_purpose_and_launch(path: Path) -> None:
    head = path.read_text(encoding="utf-8").splitlines()[:6]
    assert head[0].startswith("# Purpose: ")
    assert any(line.startswith(f"# Launch:  selfplay run configs/{path.name}") for line in head)
