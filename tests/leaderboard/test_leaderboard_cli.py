"""`selfplay leaderboard` as a user runs it, with a real engine for the analysis."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from envs.errors import InputError
from selfplay.cli.commands import app
from tests.commands import selfplay
from tests.leaderboard.made_board import made_run, pgn, read_json, write_match
from tests.patience import patient


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path) -> Path:
    """An empty working folder with a run and two files of games."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = os.pathsep.join([str(repository), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    made_run(tmp_path / "runs")
    write_match(tmp_path / "a.pgn", "alpha@v000020", "random", ["1-0", "1/2-1/2"])
    blunder = "1. e4 e5 2. Qh5 Ke7 3. Qxe5#"
    (tmp_path / "b.pgn").write_text(pgn("random", "alpha@base", "1-0", moves=blunder))
    return tmp_path


def fault(*arguments: str) -> str:
    """Give bad input; return the message after checking that it is one line."""
    with pytest.raises(InputError) as caught:
        typer.main.get_command(app).main(["leaderboard", *arguments], standalone_mode=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_runs_and_games_become_a_folder(here: Path, stockfish: Path) -> None:
    done = selfplay(
        *("leaderboard", "alpha", "--games", "a.pgn", "--games", "b.pgn", "--out", "board"),
        *("--anchor", "random=100", "--analyse", "1000", "--engine", str(stockfish)),
        *("--bootstraps", "100", "--title", "Ours"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "6 entries: board/index.html\n"
    data = read_json(here / "board" / "leaderboard.json")
    assert data["title"] == "Ours" and data["ratings"]["anchor_elo"] == 100
    assert "1000 nodes a position" in data["analysis"]
    base = next(e for e in data["entries"] if e["name"] == "alpha@base")
    # 2... Ke7 allows mate at once: at most 1000 + 1000 centipawns, over Black's two moves.
    assert base["acpl"]["by"] == "analysis" and base["acpl"]["n"] == 2
    assert base["acpl"]["value"] > 400
    page = (here / "board" / "index.html").read_text()
    assert re.search(r'"marks":\{[^}]*"3":"\?\?"', page)


def test_bad_input_is_refused_in_one_line(here: Path) -> None:
    (here / "x").mkdir()
    (here / "x" / "file").write_text("")
    done = selfplay("leaderboard")
    assert done.returncode == 2 and done.stderr.startswith("error: nothing to show")
    assert done.stderr.count("\n") == 1
    assert "no such run" in fault("nobody")
    assert "none.pgn: No such file" in fault("--games", "none.pgn")
    assert "holds something else" in fault("alpha", "--out", "x")
    assert "give NAME=ELO" in fault("alpha", "--anchor", "random=x")
    assert "--analyse NODES" in fault("alpha", "--engine", "/bin/true")
    assert sorted(path.name for path in here.iterdir()) == ["a.pgn", "b.pgn", "runs", "x"]


def test_the_command_imports_nothing_heavy(here: Path) -> None:
    program = (
        "import sys\nfrom selfplay.cli.commands import main\n"
        "sys.argv = ['selfplay', 'leaderboard', 'alpha', '--out', 'board']\n"
        "try:\n    main()\nexcept SystemExit as done:\n    assert not done.code\n"
        "print([m for m in ('torch', 'ray', 'transformers') if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=patient(30),
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
