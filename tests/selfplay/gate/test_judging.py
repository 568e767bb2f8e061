"""The gate around its match, in milliseconds: the games are made up, file and guests are not."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from selfplay.config.run import RunConfig
from selfplay.gate import gate as module
from selfplay.gate.decide import GamesChange
from selfplay.gate.gate import Gate, match_seed
from selfplay.rundir.folder import RunDir
from tests.selfplay import stubs


class Match:
    """A match that writes its file and says what it was made to say."""

    def __init__(self, change: Any) -> None:
        self.change = change
        self.rooms: list[RunConfig] = []
        self.players: list[tuple[Any, Any]] = []

    def room(self, config: RunConfig) -> Any:
        self.rooms.append(config)
        return nullcontext("room")

    def play(self, candidate: Any, champion: Any, room: Any, rules: Any, path: Path, _: Any) -> Any:
        self.players.append((candidate, champion))
        if isinstance(self.change, Exception):
            raise self.change
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('[MatchId "1"]\n')
        return GamesChange(self.change, {"pairs": 3})


class Judged:
    """A gate in a run whose champion is version 2."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, change: Any = "even") -> None:
        self.run_dir = RunDir.create(
            RunConfig.model_validate(
                {"name": "r", "runs_dir": folder, "promotion": {"match": True}}
            )
        )
        self.run_dir.versions.folder(2).mkdir(parents=True)
        self.run_dir.versions.complete(2, {})
        self.run_dir.versions.set_champion(2)
        self.match, self.log, self.match_id = Match(change), list[str](), "1"
        monkeypatch.setattr(module, "EngineRoom", self.match.room)
        monkeypatch.setattr(module, "identify", lambda players, room: self.match_id)
        monkeypatch.setattr(module, "play_title_match", self.match.play)
        monkeypatch.setattr(module, "weights_mark", lambda model: "mark")
        samplers: Any = stubs.Samplers(self.log, version=5)
        self.gate = Gate(
            self.run_dir.config(),
            run_dir=self.run_dir,
            samplers=samplers,
            base="the-base-model",
            tokenizer=stubs.Letters(),
            context=100,
        )

    def judge(self, version: int = 5) -> Any:
        return self.gate.judge({"version": version, "suites": {}}, lambda _: None)


def test_the_match_decides_and_its_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = Judged(tmp_path, monkeypatch, "better")
    decision = judged.judge()
    assert decision.promoted
    assert decision.games.evidence == {"pairs": 3, "file": "matches/v000005-v000002.pgn"}
    [(candidate, champion)] = judged.match.players
    assert (candidate.name, champion.name) == ("r@v000005", "r@v000002")
    assert judged.log == ["guests dismissed"]
    [config] = judged.match.rooms
    assert config.seed == match_seed(judged.run_dir.config().seed, 5) != match_seed(0, 6)


def test_guests_go_when_a_match_breaks_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = Judged(tmp_path, monkeypatch, RuntimeError("the engine died"))
    with pytest.raises(RuntimeError, match="the engine died"):
        judged.judge()
    assert judged.log == ["guests dismissed"]


def test_a_champion_does_not_play_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = Judged(tmp_path, monkeypatch)
    assert judged.judge(version=2).games is None and judged.match.players == []


def test_games_of_another_match_are_set_aside_and_its_own_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = Judged(tmp_path, monkeypatch)
    aside = judged.run_dir.path / "matches" / "discarded"
    judged.judge()
    judged.judge()
    assert not aside.exists()
    judged.match_id = "2"
    judged.judge()
    assert [path.name for path in aside.iterdir()] == ["v000005-v000002.pgn"]


def record(name: str, version: int, keys: range) -> dict[str, Any]:
    rows = [{"task_id": f"toy/{i}", "key": f"{i}", "verdict": "pass"} for i in keys]
    suites = {"toy/x": {"rows": rows}}
    return {"name": name, "version": version, "step": version, "positions": 8, "suites": suites}


@pytest.mark.parametrize(
    ("version", "known", "asked"),
    [
        (5, 3, ["evaluate whole_000002 on 8", "guests dismissed"]),
        (5, 8, []),
        (2, 3, []),
    ],
    ids=["less is known of it", "all is known of it", "it is the champion"],
)
def test_a_champion_is_asked_what_it_was_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, known: int, asked: list[str]
) -> None:
    judged = Judged(tmp_path, monkeypatch)
    judged.run_dir.write_eval("step_000002", record("step_000002", 2, range(known)))
    evaluator: Any = stubs.Evaluator(judged.log)
    final = record("final", version, range(8))
    judged.gate.measure_champion(final, evaluator, lambda _: None)
    assert judged.log == asked
    assert ("whole_000002" in judged.run_dir.read_evals()) == bool(asked)
