"""The wheel holds the three packages, their data and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from selfplay.registry import GROUP
from tests.patience import patient


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A freshly built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=repository,
        check=True,
        capture_output=True,
        timeout=patient(30),
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """The file names in the wheel."""
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_top_level_is_the_three_packages(names: set[str]) -> None:
    top = {name.split("/")[0] for name in names}
    (metadata,) = {name for name in top if name.endswith(".dist-info")}
    assert metadata.startswith("selfplay_rlvr-")
    assert top - {metadata} == {"envs", "rewards", "selfplay"}


def test_every_configuration_ships_inside_selfplay(names: set[str], repository: Path) -> None:
    shipped = {name for name in names if name.startswith("selfplay/configs/")}
    there = [p for p in (repository / "configs").rglob("*") if p.is_file()]
    assert shipped == {f"selfplay/{p.relative_to(repository)}" for p in there}


def test_package_data_and_typing_marks_ship(names: set[str], repository: Path) -> None:
    data = {str(p.relative_to(repository)) for p in repository.glob("envs/**/*.jsonl")}
    data |= {str(p.relative_to(repository)) for p in repository.glob("selfplay/**/assets/*")}
    assert {"selfplay/leaderboard/assets/page.css", "selfplay/leaderboard/assets/main.js"} <= data
    assert data <= names
    assert {f"{package}/py.typed" for package in ("envs", "rewards", "selfplay")} <= names
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    assert not [name for name in names if "__pycache__" in name]


def test_the_console_script_is_declared(names: set[str], repository: Path) -> None:
    assert any(name.endswith("dist-info/entry_points.txt") for name in names)
    listed = (repository / "pyproject.toml").read_text(encoding="utf-8")
    assert 'selfplay = "selfplay.cli:main"' in listed


def test_the_domains_are_declared_as_those_of_any_package(wheel: Path) -> None:
    found = Distribution.discover(path=[str(wheel)])
    points = [point for one in found for point in one.entry_points]
    assert {p.name: p.value for p in points if p.group == GROUP} == {
        "chess": "selfplay.domains.chess:SPEC",
        "code": "selfplay.domains.code:SPEC",
    }
