"""The score cache: round trips, sharing between processes, files that are no cache."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import chess
import pytest

from envs.errors import InputError
from rewards.chess import cache as cache_module
from rewards.chess.cache import ScoreCache, default_cache_path, setting_key
from rewards.chess.engine import EngineIdentity
from rewards.chess.scores import MoveScore, PositionScores
from tests.patience import patient

SCORES = PositionScores({"e2e4": MoveScore.of(30, None), "f2f3": MoveScore.of(None, -3)}, 7, 900)
IDENTITY = EngineIdentity("Stockfish 15.1", "ab" * 32, {"Threads": "1"})
SETTING = setting_key(IDENTITY, 5000, 16)


def test_what_is_put_is_got_now_and_by_a_later_run(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "cache.sqlite"
    cache = ScoreCache(path)
    assert cache.get(chess.STARTING_FEN, SETTING) is None
    cache.put(chess.STARTING_FEN, SETTING, SCORES)
    assert cache.get(chess.STARTING_FEN, SETTING) == SCORES
    assert (cache.hits, cache.misses, cache.failures) == (1, 1, 0)
    cache.close()
    assert ScoreCache(path).get(chess.STARTING_FEN, SETTING) == SCORES


@pytest.mark.parametrize(
    "other",
    [
        setting_key(IDENTITY, 5001, 16),
        setting_key(IDENTITY, 5000, 32),
        setting_key(EngineIdentity("Stockfish 16", "ab" * 32, {"Threads": "1"}), 5000, 16),
        setting_key(EngineIdentity("Stockfish 15.1", "cd" * 32, {"Threads": "1"}), 5000, 16),
        setting_key(EngineIdentity("Stockfish 15.1", "ab" * 32, {"EvalFile": "x"}), 5000, 16),
    ],
)
def test_other_settings_are_other_scores(tmp_path: Path, other: str) -> None:
    cache = ScoreCache(tmp_path / "cache.sqlite")
    cache.put(chess.STARTING_FEN, SETTING, SCORES)
    assert cache.get(chess.STARTING_FEN, other) is None


def test_the_halfmove_clock_belongs_to_the_key(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path / "cache.sqlite")
    cache.put(chess.STARTING_FEN, SETTING, SCORES)
    assert cache.get(chess.STARTING_FEN.replace("0 1", "9 9"), SETTING) is None


def test_many_are_got_at_once(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path / "cache.sqlite")
    fens = [f"fen {n}" for n in range(1300)]
    for fen in fens[::2]:
        cache.put(fen, SETTING, SCORES)
    found = cache.get_many([*fens, *fens], SETTING)
    assert set(found) == set(fens[::2])
    assert (cache.hits, cache.misses) == (650, 650)
    assert cache.get_many([], SETTING) == {}


def test_the_first_scores_stay(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path / "cache.sqlite")
    cache.put("fen", SETTING, SCORES)
    cache.put("fen", SETTING, PositionScores({"e2e4": MoveScore.of(0, None)}, 1, 1))
    assert cache.get("fen", SETTING) == SCORES


WORKER = """
import sys
from pathlib import Path
from rewards.chess.cache import ScoreCache
from rewards.chess.scores import MoveScore, PositionScores
sys.stdin.readline()
cache = ScoreCache(Path(sys.argv[1]))
for n in range(150):
    scores = PositionScores({"e2e4": MoveScore.of(n, None)}, 1, 1)
    cache.put(f"{sys.argv[2]} {n}", "setting", scores)
    assert cache.get(f"{sys.argv[2]} {n}", "setting") == scores
assert cache.failures == 0
"""


def test_many_processes_create_and_fill_one_file(tmp_path: Path, repository: Path) -> None:
    path = tmp_path / "cache.sqlite"
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(path), str(n)], stdin=subprocess.PIPE, cwd=repository
        )
        for n in range(4)
    ]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(b"go\n")
        worker.stdin.close()
    assert [worker.wait(patient(20)) for worker in workers] == [0, 0, 0, 0]
    found = ScoreCache(path).get_many(
        [f"{worker} {n}" for worker in range(4) for n in range(150)], "setting"
    )
    assert len(found) == 600 and found["3 149"].moves["e2e4"].cp == 149


def test_a_fork_opens_its_own_connection(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path / "cache.sqlite")
    cache.put("parent", SETTING, SCORES)
    pid = os.fork()
    if pid == 0:
        try:
            cache.put("child", SETTING, SCORES)
            os._exit(0 if cache.get("parent", SETTING) == SCORES else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    assert cache.get("child", SETTING) == SCORES


def make_foreign(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE notes (text)")
        db.execute("INSERT INTO notes VALUES ('mine')")


def test_another_program_s_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite"
    make_foreign(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="another program's") as caught:
        ScoreCache(path)
    assert f"engine.cache={path}" in str(caught.value) and "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_files_that_cannot_serve_are_refused_in_one_line(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.sqlite"
    rubbish.write_bytes(b"no database at all" * 500)
    below_a_file = rubbish / "cache.sqlite"
    for path in (rubbish, below_a_file, tmp_path):
        with pytest.raises(InputError, match=r"engine\.cache=") as caught:
            ScoreCache(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert rubbish.read_bytes() == b"no database at all" * 500


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match=r"engine\.cache="):
            ScoreCache(tmp_path / "cache.sqlite")
    finally:
        tmp_path.chmod(0o700)


def test_broken_scores_are_named_with_their_position(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    cache = ScoreCache(path)
    cache.put("fen", SETTING, SCORES)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE scores SET scores = '{}'")
    with pytest.raises(InputError, match="broken scores for FEN fen"):
        cache.get("fen", SETTING)


def test_a_database_that_stays_locked_costs_speed_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cache_module, "BUSY_S", 0.2)
    path = tmp_path / "cache.sqlite"
    cache = ScoreCache(path)
    cache.put("fen", SETTING, SCORES)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        cache.put("new", SETTING, SCORES)
        assert cache.get("fen", SETTING) == SCORES  # Readers pass a writer in WAL mode.
        other.execute("ROLLBACK")
    assert cache.failures == 1 and "locked" in caplog.text
    assert cache.get("new", SETTING) is None
    cache.put("new", SETTING, SCORES)
    assert cache.get("new", SETTING) == SCORES


def test_the_default_lies_in_the_user_s_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_path() == tmp_path / "selfplay-rlvr" / "engine.sqlite"
    assert ScoreCache().path == default_cache_path() and default_cache_path().exists()
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_cache_path() == tmp_path / "home/.cache/selfplay-rlvr/engine.sqlite"
