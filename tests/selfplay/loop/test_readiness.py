"""What a run refuses, its dry run refuses in the same words; neither leaves anything behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from envs.errors import InputError
from selfplay.cli.launch import launch
from selfplay.models.tiny_families import build_family
from tests.selfplay.made_up import filled_run

CODE = ("domain=code", "eval.suites=[code/families]")
TABLE = {
    "a share without a file": (("chess.sources={pgn: 1}",), "chess.sources.pgn has a share but"),
    "a file that is not there": (
        ("chess.sources={puzzles: 1}", "chess.puzzles=gone.csv"),
        "gone.csv: No such file or directory",
    ),
    "a file without tasks": (("chess.sources={epd: 1}", "chess.epd=empty"), "empty"),
    "no share at all": (("chess.sources={selfplay: 0}",), "chess.sources: no source has a share"),
    "a range that is none": (("chess.random_opening_plies=[5, 2]",), "random opening plies"),
    "an unknown suite": (("eval.suites=[chess/nothing]",), "suite 'chess/nothing' is unknown"),
    "puzzles that are not there": (
        ("eval.puzzles=gone.csv",),
        "gone.csv: No such file or directory",
    ),
    "no engine": (("engine.path=/bin/true",), "no UCI engine"),
    "no model": (("model=./gone",), "model: ./gone: no such folder"),
    "a family that cannot be packed": (("model={mpt}",), "MptForCausalLM cannot be trained here"),
    "no chat template": (("chess.style=chat", "model={bare}"), "no chat template"),
    "no room for the answer": (("chess.max_tokens=4096",), "exceed the model's context"),
    "no such anchor": (
        ("league.opponents=uniform", "league.anchors=[uci:/bin/true]"),
        "league.anchors",
    ),
    "no book": (
        ("promotion.match=true", "match.openings=gone.epd"),
        "gone.epd: No such file",
    ),
    "a book too small": (("promotion.match=true", "match.openings=one.epd"), "1 distinct openings"),
    "openings too short": (
        ("promotion.match=true", "match.opening_plies=[0, 1]"),
        "fewer than 100 distinct openings",
    ),
    "a file in the way": (("runs_dir=empty",), "cannot be written: Not a directory"),
    "a name that is taken": (("name=made-up",), "this run exists"),
    "a cache that cannot be": (("engine.cache=empty/x.sqlite",), "engine.cache="),
    "too few processors": (("ray.num_cpus=1", "sampler.cpus=4"), "need "),
    "no such GPU": (("sampler.gpus=64",), "GPU"),
    "no cluster": (("ray.address=127.0.0.1:1",), "nothing answers there"),
    "a client's address": (("ray.address=ray://head:10001",), "does not go through Ray Client"),
    "no such level": ((*CODE, "code.levels=[7]"), "'code.levels.0' is 7"),
    "no level": ((*CODE, "code.levels=[]"), "'code.levels' is []"),
    "tasks without a file": ((*CODE, "code.sources={jsonl: 1}"), "code.jsonl: is not set"),
    "tasks that are not there": (
        (*CODE, "code.sources={jsonl: 1}", "code.jsonl=gone.jsonl"),
        "gone.jsonl: No such file or directory",
    ),
    "a suite without a file": (("domain=code", "eval.suites=[code/mbpp]"), "eval.mbpp: is not set"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A working folder with a finished run, an empty file, a book, and models that do not fit."""
    import json
    import shutil

    folder = tmp_path_factory.mktemp("place")
    (folder / "empty").write_text("")
    (folder / "one.epd").write_text("rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq -\n")
    filled_run(folder / "runs").close()
    build_family(folder / "mpt", "MPT")
    shutil.copytree(tiny_model, folder / "bare")
    (folder / "bare" / "chat_template.jinja").unlink(missing_ok=True)
    settings = folder / "bare" / "tokenizer_config.json"
    kept = {k: v for k, v in json.loads(settings.read_text()).items() if k != "chat_template"}
    settings.write_text(json.dumps(kept))
    return folder


@pytest.mark.parametrize("case", TABLE)
def test_a_dry_run_refuses_what_the_run_refuses(
    case: str,
    place: Path,
    stockfish: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    given, message = TABLE[case]
    overrides = ["model=tiny-random", *(re.sub(r"{(\w+)}", r"./\1", t) for t in given)]
    before = sorted(map(str, place.rglob("*")))
    said = []
    for dry in (True, False):
        with pytest.raises(InputError) as refused:
            launch("smoke", overrides, name=None, resume=False, dry_run=dry)
        said.append(str(refused.value))
        assert sorted(map(str, place.rglob("*"))) == before
    assert message in said[0] and "\n" not in said[0]
    assert said[0] == said[1]
