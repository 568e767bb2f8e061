"""Policies as players: a real tiny model, a run folder, and the tries that it has."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import chess
import pytest

from envs.errors import InputError
from selfplay.config.run import RunConfig
from selfplay.league.player import Turn, turn_seed
from selfplay.league.policy import Manner, PolicyPlayer, first_legal
from selfplay.league.roster import EngineRoom, fingerprint, open_player, open_policy
from selfplay.league.run_match import run_match
from selfplay.rundir.folder import RunDir
from tests.league.conftest import MakeConfig

BOARD = chess.Board()


@pytest.fixture
def tiny(tiny_model: Path) -> Iterator[PolicyPlayer]:
    player = PolicyPlayer("tiny", "0", str(tiny_model), Manner(), threads=1)
    yield player
    player.close()


def turns(count: int, board: chess.Board = BOARD) -> list[Turn]:
    return [Turn(board, turn_seed(0, pair, 1, 0)) for pair in range(count)]


def test_the_first_legal_answer_counts() -> None:
    assert first_legal([" Ke9", " e4", " d4"], BOARD).move == chess.Move.from_uci("e2e4")
    assert first_legal([" Ke9", " e4", " d4"], BOARD).tries == 2
    assert first_legal([" e4"], BOARD).legal_at_first
    lost = first_legal([" e4 e5", "nothing here"], chess.Board("7k/8/8/8/8/8/8/K7 w - - 0 1"))
    assert (lost.move, lost.tries, lost.fault) == (None, 2, "unparsable")
    assert first_legal([" Qh5"], BOARD).fault == "illegal"


def test_other_moves_than_those_asked_for_are_passed_over() -> None:
    only = frozenset({chess.Move.from_uci("d2d4")})
    assert first_legal([" e4", " d4"], BOARD, only).tries == 2
    refused = first_legal([" e4"], BOARD, only)
    assert (refused.move, refused.fault) == (None, "illegal")
    assert "not among the moves" in refused.detail


def test_the_seed_alone_decides(tiny: PolicyPlayer) -> None:
    tiny.manner = replace(tiny.manner, temperature=1.0, tries=4)
    asked = turns(6)
    choices = tiny.choose(asked)
    assert tiny.choose(asked[::-1])[::-1] == choices
    assert len({(choice.tries, choice.detail, choice.move) for choice in choices}) > 1
    assert all(1 <= choice.tries <= 4 for choice in choices)


def test_tries_find_legal_moves(taught_model: Path) -> None:
    blind = Manner(style="pgn", temperature=1.0, tries=1)
    player = PolicyPlayer("taught", "0", str(taught_model), blind, threads=1)
    once = player.choose(turns(40))
    player.manner = replace(blind, tries=12)
    often = player.choose(turns(40))
    player.close()
    assert {choice.tries for choice in once} == {1}
    assert 0 < sum(choice.legal_at_first for choice in once) < 40
    assert [choice.legal_at_first for choice in often] == [c.legal_at_first for c in once]
    found = [choice for choice in often if choice.move is not None]
    assert len(found) > 30
    assert {choice.tries for choice in found} & {2, 3, 4}
    assert all(choice.move in BOARD.legal_moves for choice in found)
    assert all(choice.tries == 12 and choice.fault for choice in often if choice not in found)


def test_a_prompt_beyond_the_context_is_no_answer(tiny: PolicyPlayer) -> None:
    long = chess.Board()
    for uci in ["g1f3", "g8f6", "f3g1", "f6g8"] * 250:
        long.push_uci(uci)
    tiny.manner = replace(tiny.manner, style="pgn")
    first, second = tiny.choose([turns(1, long)[0], turns(1)[0]])
    assert (first.move, first.tries, first.fault) == (None, 1, "no answer")
    assert second.fault != "no answer"


def test_giving_up_leaves_the_other_tries(tiny: PolicyPlayer) -> None:
    (choice,) = tiny.choose(turns(1), go_on=lambda: False)
    assert choice.tries == 1


@pytest.fixture
def run(tmp_path: Path, tiny_model: Path) -> RunDir:
    """A run in blind chess with two checkpoints, the first of them the champion."""
    config = RunConfig.model_validate(
        {
            "name": "blind",
            "runs_dir": tmp_path / "runs",
            "model": str(tiny_model),
            "chess": {"style": "pgn", "max_tokens": 6},
        }
    )
    run = RunDir.create(config)
    for version in (5, 12):
        shutil.copytree(tiny_model, run.versions.folder(version))
        run.versions.complete(version, {"step": version})
    run.versions.set_champion(5)
    run.close()
    return run


def test_a_run_is_asked_in_its_own_manner(settings: MakeConfig, run: RunDir) -> None:
    config = settings(f"runs_dir={run.path.parent}", "match.tries=2")
    mark = fingerprint(run.versions.folder(5))
    for text, name, version in (
        ("blind", "blind@v000005", f"v000005 {mark}"),
        ("blind@latest", "blind@v000012", f"v000012 {mark}"),
        ("blind@v000012", "blind@v000012", f"v000012 {mark}"),
        (f"{run.path}@champion", "blind@v000005", f"v000005 {mark}"),
        ("blind@base", "blind@base", f"base {mark}"),
    ):
        player = open_policy(text, config)
        assert (player.name, player.version) == (name, version)
        assert player.manner == Manner(style="pgn", max_tokens=6, tries=2)
    changed = open_policy("blind,tries=9,temperature=0.5", config)
    assert changed.name == "blind@v000005,temperature=0.5,tries=9"
    assert (changed.manner.tries, changed.manner.temperature) == (9, 0.5)
    assert open_policy("blind,tries=9", config, tries=4, style="fen").manner == Manner(
        style="fen", max_tokens=6, tries=9
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("blind@v000013", "no checkpoint v000013; there are v000005, v000012"),
        ("nobody@v000001", "nobody: no such run"),
        ("nobody", "no run in .*, and as a model: unknown model 'nobody'"),
        ("random", "is no model"),
    ],
)
def test_what_there_is_not_is_reported(
    settings: MakeConfig, run: RunDir, text: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        open_policy(text, settings(f"runs_dir={run.path.parent}"))
    assert "\n" not in str(caught.value)


def test_weights_are_distinguished(tiny_model: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    copy = tmp_path / "copy"
    shutil.copytree(tiny_model, copy)
    assert fingerprint(copy) == fingerprint(tiny_model)
    weights = load_file(copy / "model.safetensors")
    save_file({name: value + 0.01 for name, value in weights.items()}, copy / "model.safetensors")
    assert fingerprint(copy) != fingerprint(tiny_model)


def test_a_policy_without_legal_answers_loses_every_game(
    settings: MakeConfig, tiny_model: Path, tmp_path: Path
) -> None:
    config = settings("match.tries=2", "match.limit_win=null", "match.opening_max_win_gap=0.5")
    out = tmp_path / "m.pgn"
    summary = run_match((f"{tiny_model},max_tokens=2", "random"), 2, config, out=out)
    model, mover = summary["players"]
    assert summary["pentanomial"] == [2, 0, 0, 0, 0]
    assert summary["elo"]["value"] is None and summary["elo"]["high"] is not None
    assert model["legal_first_try"]["n"] == 4 and model["legal_first_try"]["value"] == 0
    assert mover["legal_first_try"]["n"] in range(1, 5)
    assert set(summary["terminations"]) <= {"illegal move", "unparsable answer"}
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert "after 2 tries" in out.read_text()


def test_policies_meet_over_the_board(
    settings: MakeConfig, taught_model: Path, tmp_path: Path
) -> None:
    """Legal and illegal answers, retries, and the tags that count them."""
    config = settings("match.opening_plies=[1,3]", "match.limit_win=null")
    name = f"{taught_model},style=pgn,temperature=1,tries=8"
    out = tmp_path / "m.pgn"
    summary = run_match((name, "random"), 3, config, out=out)
    rate = summary["players"][0]["legal_first_try"]
    assert rate["n"] > 6 and 0 < rate["value"] < 1
    assert "tries }" in out.read_text()
    assert f'WhiteSettings "{Manner("pgn", temperature=1, tries=8).words()}"' in out.read_text()
    assert run_match((name, "random"), 3, config, out=out) == summary


def test_any_player_opens_from_its_name(settings: MakeConfig, tiny_model: Path) -> None:
    with EngineRoom(settings()) as room:
        for text in ("random", "engine-eps:0.3", "softmax:0.5", "nodes:1", str(tiny_model)):
            player = open_player(text, room)
            (choice,) = player.choose(turns(1))
            assert choice.tries >= 1
            player.close()
            player.close()
