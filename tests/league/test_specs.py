"""Names of players: what they mean, and one line with a mend for what means nothing."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest

from envs.errors import InputError
from selfplay.league.specs import parse_spec


@pytest.mark.parametrize(
    ("text", "kind", "argument", "version", "options"),
    [
        ("random", "random", "", "", {}),
        ("quickstart", "policy", "quickstart", "", {}),
        ("runs/q@v000012", "policy", "runs/q", "v000012", {}),
        ("quickstart@base", "policy", "quickstart", "base", {}),
        ("org/Model-0.5B,style=pgn", "policy", "org/Model-0.5B", "", {"style": "pgn"}),
        (
            "q@latest, temperature=0.5, tries=1",
            "policy",
            "q",
            "latest",
            {"temperature": "0.5", "tries": "1"},
        ),
        ("engine-eps:0.3", "engine-eps", "0.3", "", {}),
        ("softmax:0.1,nodes=1000", "softmax", "0.1", "", {"nodes": "1000"}),
        ("nodes:1", "nodes", "1", "", {}),
        ("uci-elo:1320,movetime=50", "uci-elo", "1320", "", {"movetime": "50"}),
        (
            "uci:/opt/e,option.Skill Level=3",
            "uci",
            "/opt/e",
            "",
            {"option.Skill Level": "3"},
        ),
    ],
)
def test_a_name_is_read(
    text: str, kind: str, argument: str, version: str, options: dict[str, str]
) -> None:
    spec = parse_spec(text)
    assert (spec.kind, spec.argument, spec.version) == (kind, argument, version)
    assert spec.options == options


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no name; give RUN"),
        ("softmx:0.1", "did you mean softmax:0.1?"),
        ("softmax", "softmax needs more, for example softmax:0.1"),
        ("softmax:0", "'0' after softmax: is not a number from 1e-06 to 100"),
        ("softmax:nan", "is not a number"),
        ("engine-eps:1.5", "is not a number from 0 to 1"),
        ("nodes:0", "is not a whole number from 1"),
        ("nodes:1e3", "is not a whole number"),
        ("uci:", "no engine; give its path"),
        ("q@v12x", "no version 'v12x'; give RUN@v000012"),
        ("q,temprature=1", "unknown option 'temprature'; did you mean temperature?"),
        ("q,tries=0", "tries=0 must be a whole number from 1 to 1000"),
        ("q,style=blind", "style=blind must be one of fen_legal, fen_captures, pgn, fen, chat"),
        ("q,tries", "'tries' is no option; write ,key=value"),
        ("q,tries=1,tries=2", "tries is given twice"),
        ("random,nodes=3", "unknown option 'nodes'; there are: none"),
        ("uci:/opt/e,nodes=3,depth=2", "give one of nodes, movetime (ms) and depth"),
    ],
)
def test_a_fault_is_one_line_with_its_mend(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_spec(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_may_have_an_at_or_a_colon_in_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("model@best", "model:2"):
        (tmp_path / name).mkdir()
        assert parse_spec(name).argument == name


@hypothesis.given(st.text(max_size=60))
def test_any_text_is_a_player_or_an_input_error(text: str) -> None:
    try:
        spec = parse_spec(text)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert spec.text == text
