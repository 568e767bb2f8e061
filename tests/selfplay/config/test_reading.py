"""Configuration: every fault in one line that names file or override, key, fault and mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from envs.errors import InputError
from rewards.chess.shaping import SHAPES
from selfplay.config.files import packaged_configs
from selfplay.config.reading import differing_keys, dump_config, load_config
from selfplay.config.run import RunConfig

FAULTS = [
    ("chess:\n  styl: pgn\n", [], "{file}: unknown key 'chess.styl'; did you mean 'chess.style'?"),
    ("lr: 1\n", [], "{file}: unknown key 'lr'; did you mean 'learner.lr'?"),
    ("steps: ten\n", [], "{file}: 'steps' is 'ten', expected a whole number"),
    ("steps: true\n", [], "{file}: 'steps' is true, expected a number"),
    ("steps: 0\n", [], "{file}: 'steps' is 0, expected greater than or equal to 1"),
    ("steps: 1\nsteps: 2\n", [], "{file}:2: not valid YAML: key 'steps' is given twice"),
    ("a: [1\nb: 2\n", [], "{file}:2: not valid YAML: expected ',' or ']', but got ':'"),
    ("- a\n", [], "{file}: the file must hold keys and values, not a list"),
    ("chess:\n", [], "{file}: 'chess' is None, expected a section of keys"),
    ("", ["steps=x"], "override 'steps=x': 'steps' is 'x', expected a whole number"),
    (
        "",
        ["chess.stile=pgn"],
        "override 'chess.stile=pgn': unknown key 'chess.stile'; did you mean",
    ),
    ("", ["steps"], "override 'steps': write it as key=value"),
    ("steps: 3\n", ["steps.x=3"], "override 'steps.x=3': 'steps' is a value, not a section"),
    ("", ["learner.lr=.inf"], "override 'learner.lr=.inf': 'learner.lr' is inf, expected a finite"),
    ("", ["steps=[1"], "override 'steps=[1': the value is not valid YAML"),
    (
        "",
        ["micro_batch_size=3"],
        "override 'micro_batch_size=3': micro_batch_size=3 must be a mult",
    ),
    ("shares: {chess: 1.0}\ndomain: both\n", [], "{file}: shares: domain=both needs one above 0"),
    (
        "domain: both\nlearner: {advantage: target}\n",
        [],
        "{file}: learner.advantage=target needs listed actions",
    ),
    ("", ["learner.target_prior=1"], "override 'learner.target_prior=1': learner.target_prior=1"),
    (
        "proposer: {enabled: true}\ndomain: code\n",
        [],
        "{file}: proposer.enabled=true and code.sources.prop",
    ),
    ("micro_batch_size: 3\n", [], "{file}: micro_batch_size=3 must be a multiple of group_size=8"),
    ("", ["chess.style=x"], "override 'chess.style=x': 'chess.style' is 'x', expected 'fen_legal'"),
    ("a: !!python/object/apply:os.system [ls]\n", [], "{file}:1: not valid YAML"),
]


@pytest.mark.parametrize(("text", "overrides", "message"), FAULTS)
def test_a_fault_is_one_line_with_its_place(
    tmp_path: Path, text: str, overrides: list[str], message: str
) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        load_config(file, overrides)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(message.format(file=file))


def test_overrides_win_in_order_and_are_read_as_yaml(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("steps: 5\nlearner:\n  lr: 1e-6\n")
    overrides = ["steps=7", "steps=8", "learner.lr=2e-5", "max_minutes=null", "name=2024"]
    config = load_config(file, [*overrides, "chess.sources.puzzles=0.5", "engine.path=~/fish"])
    assert (config.steps, config.learner.lr, config.name) == (8, 2e-5, "2024")
    assert config.chess.sources == {"selfplay": 1.0, "puzzles": 0.5}
    assert config.engine.path == Path.home() / "fish"
    assert config.learner.clip_high == RunConfig().learner.clip_high


def test_a_dumped_config_reads_back_equal(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("")
    config = load_config(file, ["chess.random_opening_plies=[0, 3]", "learner.lr=3e-7", "name='1'"])
    file.write_text(dump_config(config))
    assert load_config(file, []) == config


@pytest.mark.parametrize("source", ["quickstart", "quickstart.yaml", "configs/quickstart.yaml"])
def test_a_packaged_config_is_found_from_anywhere(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config(source, []) == load_config(packaged_configs()["quickstart"], [])


def test_a_missing_config_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"^quickstat: no such .*did you mean 'quickstart'\?$"):
        load_config("quickstat", [])


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_the_reward_can_be_configured(shape: str) -> None:
    assert load_config("quickstart", [f"reward.shape={shape}"]).reward.shape == shape


def test_differing_keys_names_leaves() -> None:
    new = RunConfig(steps=7)
    assert differing_keys(RunConfig(), new) == {"steps": (RunConfig().steps, 7)}
