"""A resume that is refused leaves the run as it was; every key of the configuration is decided."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from rich.console import Console

from envs.errors import InputError
from selfplay.cli.launch import launch
from selfplay.config.run import RunConfig
from selfplay.display.console import RunConsole
from selfplay.loop.resuming import kept_keys, resumed_config
from selfplay.rundir.checksums import seal
from selfplay.rundir.folder import RunDir
from tests.selfplay.made_up import filled_run


def leaves(model: type[BaseModel] = RunConfig, prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from leaves(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


KEPT = kept_keys()


def test_every_kept_key_is_one_of_the_configuration() -> None:
    assert set(KEPT) < set(leaves())
    assert all(reason.strip() for reason in KEPT.values())


CHANGED: dict[str, Any] = {
    "code.secret": "ab" * 16,
    "model": "other",
    "domain": "code",
    "shares": {"chess": 0.9, "code": 0.1},
    "chess.style": "pgn",
    "chess.notation": "uci",
    "chess.sources": {"selfplay": 2.0},
    "code.style": "chat",
    "code.sources": {"families": 2.0},
    "code.levels": [1],
    "proposer.enabled": True,
    "league.opponents": "uniform",
    "learner.lora_rank": 4,
    "eval.suites": ["chess/games"],
    "eval.k": [1],
    "reward.beyond": "tied",
    "eval.base_prompts": [{"style": "fen"}],
}
"""Other values of what is no number."""


@pytest.mark.parametrize("key", sorted({*KEPT} - {"name", "runs_dir"}))
def test_a_kept_key_is_refused_in_one_line(tmp_path: Path, key: str) -> None:
    run = RunDir.create(RunConfig(name="one", runs_dir=tmp_path))
    old: Any = run.config()
    for part in key.split("."):
        old = getattr(old, part)
    new = CHANGED[key] if key in CHANGED else old * 2 + 1
    extra = ["code.sources={families: 1, proposals: 1}"] if key == "proposer.enabled" else []
    overrides = [f"{key}={json.dumps(new)}", *extra]
    with pytest.raises(InputError, match=rf"a resumed run keeps its {key}[ .]") as refused:
        resumed_config(run, run.config(), overrides, RunConsole())
    assert "\n" not in str(refused.value) and "--name OTHER" in str(refused.value)


def test_a_constant_entropy_bonus_may_change_and_an_adaptive_one_goes_on(tmp_path: Path) -> None:
    run = RunDir.create(RunConfig(name="one", runs_dir=tmp_path))
    with pytest.raises(InputError, match="goes on from where it was"):
        resumed_config(run, run.config(), ["learner.entropy_coef=0.1"], RunConsole())
    more = ["learner.entropy_coef=0.1", "learner.adaptive_entropy=false"]
    assert resumed_config(run, run.config(), more, RunConsole()).learner.entropy_coef == 0.1


def test_what_the_file_says_now_is_named_with_its_mend(tmp_path: Path) -> None:
    run = RunDir.create(RunConfig(name="one", runs_dir=tmp_path))
    out = io.StringIO()
    given = RunConfig(steps=7, seed=3)
    kept = resumed_config(run, given, [], RunConsole(Console(file=out, width=200)))
    assert kept == run.config()
    assert "keeps steps=100; to change it, pass steps=7" in out.getvalue()
    assert "keeps seed=0; to change it, start another run" in out.getvalue()


def everything(folder: Path) -> dict[str, str]:
    """Return name -> hash of all files but the lock, which only names the last process."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }


def break_json(name: str) -> Callable[[RunDir], None]:
    def broken(run: RunDir) -> None:
        (run.path / name).write_text('{"torn": \n{}\n')

    return broken


def nothing(run: RunDir) -> None:
    """Leave the run as it is."""


def checkpoint_without_tasks(run: RunDir) -> None:
    run.versions.folder(20).mkdir(parents=True)
    run.versions.complete(20, {"step": 20})


REFUSED: dict[str, tuple[Callable[[RunDir], None], tuple[str, ...], str]] = {
    "an engine that is none": (nothing, ("engine.path=/bin/true",), "no UCI engine"),
    "a bad value": (nothing, ("steps=ten",), "'steps' is 'ten'"),
    "a key that is kept": (nothing, ("eval.nodes=7",), "a resumed run keeps its eval.nodes"),
    "an unknown suite": (nothing, ("eval.suites=[x]",), "a resumed run keeps its eval.suites"),
    "a file that is not there": (nothing, ("eval.puzzles=gone.csv",), "gone.csv"),
    "a book that is not there": (
        nothing,
        ("promotion.match=true", "match.openings=gone.epd"),
        "gone.epd",
    ),
    "no cluster": (nothing, ("ray.address=127.0.0.1:1",), "nothing answers there"),
    "too few processors": (nothing, ("ray.num_cpus=1", "sampler.cpus=4"), "need "),
    "torn metrics": (break_json("metrics.jsonl"), (), "metrics.jsonl: cannot be read"),
    "torn promotions": (break_json("promotions.jsonl"), (), "promotions.jsonl: cannot be read"),
    "a torn evaluation": (break_json("evals/final.json"), (), "final.json: cannot be read"),
    "a torn manifest": (break_json("manifest.json"), (), "manifest.json: cannot be read"),
    "a checkpoint without its model": (checkpoint_without_tasks, (), "no config.json"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_resume_that_is_refused_changes_nothing(
    case: str, tmp_path: Path, stockfish: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    spoil, overrides, message = REFUSED[case]
    config = RunConfig(name="one", runs_dir=Path("runs"), model="tiny-random")
    run = filled_run(Path("runs"), name="one", config=config)
    seal(run.path)
    spoil(run)
    run.close()
    before = everything(run.path)
    for dry in (True, False):
        with pytest.raises(InputError) as refused:
            launch("smoke", list(overrides), name="one", resume=True, dry_run=dry)
        assert message in str(refused.value) and "\n" not in str(refused.value)
        assert everything(run.path) == before
    RunDir.open("one").lock()  # given back, or this would be refused
