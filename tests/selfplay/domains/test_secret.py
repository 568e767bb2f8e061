"""The secret behind a run's tests: one per seed and user, recorded, and enough to judge again."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from envs.errors import InputError
from selfplay.config.reading import parse_config
from selfplay.config.run import RunConfig
from selfplay.domains.code import secret as tests_secret
from selfplay.domains.code.scoring import with_secret
from selfplay.domains.code.secret import FILE
from selfplay.scorer.file import score_file


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tests_secret._key_of.cache_clear()
    return tmp_path / "cache" / "selfplay-rlvr"


def test_one_for_each_seed_and_user(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def secret(seed: int) -> str:
        tests_secret._key_of.cache_clear()
        made = with_secret(RunConfig(seed=seed)).code.secret
        assert made is not None
        return made

    assert len(secret(0)) == 32 and secret(0) == secret(0) != secret(1)
    key = cache / FILE
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and len(key.read_bytes()) >= 16
    assert [path.name for path in cache.iterdir()] == [FILE]
    mine = secret(0)
    assert key.read_bytes().hex() not in mine
    key.unlink()
    assert secret(0) != mine
    # Where no file can be kept it lasts as long as the process.
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/cache")
    assert secret(0) == secret(0) != secret(1)

    def homeless() -> Path:
        raise InputError("no home folder")

    monkeypatch.setattr(tests_secret, "user_cache", homeless)
    assert secret(0) == secret(0) != secret(1)


def test_a_recorded_one_is_taken_and_rubbish_refused(cache: Path) -> None:
    config = with_secret(RunConfig())
    again = parse_config(config.model_dump(mode="json"), "config.yaml", ["seed=5"])
    assert with_secret(again).code.secret == config.code.secret
    for wrong in ("0xx", "ab", "g" * 32):
        with pytest.raises(InputError, match=r"code\.secret"):
            parse_config({}, "config.yaml", [f"code.secret={wrong}"])


ROW = {
    "instruction": "Flip the bits.",
    "entry_point": "f",
    "setup": "",
    "tests": [
        "def check(candidate):\n    import random\n    for _ in range(3):\n"
        "        hidden = random.getrandbits(40)\n        assert candidate(hidden ^ 21) == hidden\n"
    ],
}


def scored(folder: Path, name: str, config: RunConfig) -> list[dict[str, str]]:
    source = folder / "rows.jsonl"
    rows = [ROW | {"solution": f"def f(x):\n    return {text}\n"} for text in ("x", "x ^ 21")]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    score_file(source, folder / name, config, force=False, domain="code")
    found = [json.loads(line) for line in (folder / name).read_text().splitlines()]
    assert [row["verdict"] for row in found] == ["fail", "pass"]
    return [row["evidence"] for row in found]


def test_score_asks_the_same_again_with_the_recorded_secret(cache: Path, tmp_path: Path) -> None:
    first = scored(tmp_path, "first", RunConfig())
    same = scored(tmp_path, "same", RunConfig())
    other = scored(tmp_path, "other", RunConfig(seed=1))
    asked = [evidence[0]["failed"]["input"] for evidence in (first, same, other)]
    assert asked[0] == asked[1] != asked[2]
    (cache / FILE).unlink()
    tests_secret._key_of.cache_clear()
    overrides = [f"code.secret={other[0]['secret']}"]
    again = scored(tmp_path, "again", parse_config({}, "config.yaml", overrides))
    assert again[0]["failed"]["input"] == asked[2]
    assert again[1]["secret"] == other[1]["secret"]
