"""The command line as a user runs it: exit codes, one line per fault, real engine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import fault, selfplay
from tests.patience import patient
from tests.selfplay.made_up import filled_run

START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"


def write_rows(path: Path, *rows: object) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_help_teaches_every_command(here: Path) -> None:
    text = selfplay("--help").stdout
    for command in ("run", "eval", "score", "validate", "doctor", "rollouts", "report"):
        assert f"\n  {command} " in text
        shown = selfplay(command, "--help")
        assert shown.returncode == 0 and f"selfplay {command} " in shown.stdout


def test_starting_imports_nothing_heavy(here: Path) -> None:
    program = "import sys, selfplay.cli; print([m for m in ('torch', 'ray') if m in sys.modules])"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=patient(30), check=True)
    assert done.stdout == "[]\n"


def test_bad_configuration_is_one_line(here: Path) -> None:
    (here / "x.yaml").write_text("chess:\n  styl: pgn\n")
    expected = "error: x.yaml: unknown key 'chess.styl'; did you mean 'chess.style'?"
    assert fault("validate", "x.yaml") == fault("run", "x.yaml") == expected
    assert "'steps' is 'ten', expected a whole number" in fault("run", "quickstart", "steps=ten")
    assert "no such configuration file" in fault("run", "missing.yaml")


def test_a_bad_engine_is_one_line_and_leaves_no_folder(here: Path) -> None:
    """Whatever else a run refuses before it starts is in loop/test_readiness.py."""
    assert "engine.path=" in fault("run", "smoke", "engine.path=/nowhere/fish")
    assert not (here / "runs" / "smoke").exists()


def test_bad_run_folders_are_one_line(here: Path) -> None:
    run = filled_run(here / "runs")
    assert "--name OTHER, or go on with --resume" in fault("run", "quickstart", "--name", "made-up")
    (here / "file").write_text("")
    assert "cannot be written" in fault("run", "quickstart", "runs_dir=file")
    assert "is running this run" in fault("run", "quickstart", "--name", "made-up", "--resume")
    run.close()
    changed = fault("run", "quickstart", "model=x/y", "--name", "made-up", "--resume")
    assert "a resumed run keeps its model" in changed
    assert "no such run" in fault("rollouts", "nothing") and "no such" in fault("report", "nothing")
    assert "has steps 1 to 20" in fault("rollouts", "made-up", "--step", "4")
    assert "--verdict bad" in fault("rollouts", "made-up", "--verdict", "bad")


def test_rollouts_and_report_show_a_run(here: Path) -> None:
    filled_run(here / "runs", text="\x1b[2J[red]e4[/red]")
    shown = selfplay("rollouts", "made-up", "--limit", "3")
    assert shown.returncode == 0 and "\x1b" not in shown.stdout
    assert shown.stdout.count(r"\x1b[2J[red]e4[/red]") == 3
    made = selfplay("report", "made-up")
    assert made.returncode == 0
    assert Path(made.stdout.strip()).read_text().startswith("<!doctype html>")


def test_validate_prints_what_loads_back(here: Path) -> None:
    done = selfplay("validate", "quickstart", "steps=7")
    (here / "resolved.yaml").write_text(done.stdout)
    again = selfplay("validate", "resolved.yaml")
    assert done.returncode == 0 and again.stdout == done.stdout and "\nsteps: 7\n" in done.stdout


def test_score_tells_verdicts_with_the_real_engine(here: Path, stockfish: Path) -> None:
    mate = "6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1"
    write_rows(
        here / "in.jsonl",
        {"fen": mate, "completion": " Rd8#", "mine": 1},
        {"fen": mate, "completion": " h3"},
        {"fen": mate, "completion": " Qh5"},
        {"fen": mate, "completion": " I resign"},
        {"fen": START.replace("PPPPPPPP", "PPPPPPPP"), "completion": "e4", "moves": []},
    )
    arguments = ("score", "--domain", "chess", "--input", "in.jsonl", "--output", "out.jsonl")
    done = selfplay(*arguments, f"engine.path={stockfish}", "engine.nodes=500")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (here / "out.jsonl").read_text().splitlines()]
    verdicts = [row["verdict"] for row in rows]
    assert verdicts[:4] == ["pass", "fail", "illegal", "unparsable"]
    assert verdicts[4] in ("pass", "fail")
    assert rows[0]["mine"] == 1 and rows[0]["value"] == 1.0 and rows[0]["parts"]["regret"] == 0.0
    assert rows[0]["evidence"]["best"] == ["d1d8"]
    assert rows[1]["value"] < 1.0 and rows[2]["value"] == rows[3]["value"] == 0.0
    assert "out.jsonl: exists" in fault(*arguments)
    assert selfplay(*arguments, "--force", "engine.nodes=500").returncode == 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"fen": "nonsense", "completion": "e4"}, "in.jsonl:2: "),
        ({"fen": "8/8/8/8/8/8/8/8 w - - 0 1", "completion": "e4"}, "in.jsonl:2: "),
        ({"fen": START}, "in.jsonl:2: key 'completion' is missing"),
        ({"fen": START, "completion": 7}, "in.jsonl:2: key 'completion' is not text"),
        ({"fen": START, "completion": "e4", "moves": ["e2e5"]}, "in.jsonl:2: "),
        ({"fen": START, "completion": "e4", "moves": ["e2e4"]}, "in.jsonl:2: 'moves' lead to"),
        ([1], "in.jsonl:2: no JSON object"),
        ({"fen": "7k/5Q2/6K1/8/8/8/8/8 b - - 0 1", "completion": "e4"}, "in.jsonl:2: 'fen' has no"),
    ],
)
def test_a_broken_row_is_named_by_line(here: Path, row: object, message: str) -> None:
    write_rows(here / "in.jsonl", {"fen": START, "completion": "e4"}, row)
    arguments = ("score", "--input", "in.jsonl", "--output", "out.jsonl")
    assert fault(*arguments).startswith(f"error: {message}")
    assert not (here / "out.jsonl").exists()


def test_a_dry_run_checks_and_starts_nothing(here: Path, stockfish: Path) -> None:
    done = selfplay("run", "smoke", "--dry-run", "engine.nodes=500", f"engine.path={stockfish}")
    assert done.returncode == 0, done.stderr
    assert "gold answers score as they must" in done.stdout and "rollouts per step" in done.stdout
    assert not (here / "runs").exists()


def test_doctor_reports_and_fails_with_a_code(here: Path, stockfish: Path) -> None:
    good = selfplay("doctor", "smoke", f"engine.path={stockfish}", "--quick")
    assert good.returncode == 0, good.stdout + good.stderr
    bad = selfplay("doctor", "smoke", "engine.path=/bin/true", "--quick")
    assert bad.returncode == 1 and "no UCI engine" in bad.stdout and "model" in bad.stdout
