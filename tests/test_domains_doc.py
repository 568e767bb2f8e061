"""docs/domains.md as a stranger follows it: its files written, its commands run, real Ray and all.

A file is a block after a line that is its name in backticks. In a block of commands, each line
after a command must be found in what it printed, in this order.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.patience import RUN_S, patient
from tests.toys import environment, install

pytestmark = [pytest.mark.timeout(patient(2 * RUN_S)), pytest.mark.usefixtures("stockfish")]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


@dataclass
class Command:
    """A command of the page, and the lines that must be in what it prints."""

    line: str
    expected: list[str] = field(default_factory=list)


def steps(text: str) -> Iterator[tuple[str, str] | Command]:
    """The page in order: files as (name, contents), and commands."""
    end = 0
    for block in BLOCK.finditer(text):
        named = re.findall(r"^`(\S+)`[:,]", text[end : block.start()], flags=re.MULTILINE)
        end = block.end()
        if block[1] == "console":
            commands: list[Command] = []
            for line in block[2].splitlines():
                if line.startswith("$ "):
                    commands.append(Command(line[2:]))
                else:
                    commands[-1].expected.append(line)
            yield from commands
        else:
            assert named, f"a block of {block[1]} without a name: {block[2][:60]!r}"
            yield named[-1], block[2]


def run(folder: Path, site: Path, line: str) -> str:
    """Run a command of the page in its folder; return what it printed."""
    program, *arguments = shlex.split(line)
    assert program == "selfplay", line
    done = subprocess.run(
        [sys.executable, "-m", "selfplay", *arguments],
        cwd=folder,
        env=environment(folder, site) | {"COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=patient(RUN_S),
    )
    said = done.stdout + done.stderr
    assert done.returncode == (2 if said.startswith("error: ") else 0), f"{line}\n{said}"
    return said


def missing(expected: list[str], said: str) -> list[str]:
    """The first of the expected lines that is not in what was said, after those before it."""
    at = 0
    for line in expected:
        at = said.find(line, at)
        if at < 0:
            return [line]
        at += len(line)
    return []


def test_every_line_of_the_page_works(repository: Path, tmp_path: Path) -> None:
    folder, site = tmp_path / "words", tmp_path / "site"
    folder.mkdir()
    text = (repository / "docs" / "domains.md").read_text(encoding="utf-8")
    seen = 0
    for step in steps(text):
        if isinstance(step, tuple):
            (folder / step[0]).write_text(step[1], encoding="utf-8")
        elif step.line.startswith("pip install"):
            install(folder, site)
        else:
            said = run(folder, site, step.line)
            assert missing(step.expected, said) == [], f"{step.line}\n{said}"
            seen += 1
    assert seen >= 15
    runs = folder / "runs"
    for name, suites in (("words", {"words/vowels"}), ("several", {"words/vowels", "chess/games"})):
        [*_, decision] = (runs / name / "promotions.jsonl").read_text("utf-8").splitlines()
        assert {*json.loads(decision)["suites"]} == suites
    [opening] = (runs / "test_openings.jsonl").read_text("utf-8").splitlines()
    assert json.loads(opening)["suites"] == ["words/long"]
    assert "letters too many or few" in (runs / "words" / "report.html").read_text("utf-8")
    board = (folder / "leaderboard" / "leaderboard.md").read_text(encoding="utf-8")
    assert "words/vowels" in board and "letters too many or few" in board


def test_every_file_and_command_of_the_page_is_found(repository: Path) -> None:
    """The other test would pass on a page that it cannot read."""
    found = list(steps((repository / "docs" / "domains.md").read_text(encoding="utf-8")))
    files = [step[0] for step in found if isinstance(step, tuple)]
    assert files == ["pyproject.toml", "words.py", "words.yaml", "answers.jsonl"]
