"""What each room may import from outside, as an allow-list; import-linter holds the rest."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ALLOWED = {
    "envs": {"envs", "chess"},
    "rewards": {"rewards", "envs", "chess"},
}
OPTIONAL = {"envs/code/hub.py": {"datasets"}}
"""What a single file may import besides, when it is asked for what needs it and no sooner."""


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and top-level name of every import of a file, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.split(".")[0]


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_a_room_imports_only_what_it_may(room: str, repository: Path) -> None:
    files = sorted((repository / room).rglob("*.py"))
    assert len(files) >= 3
    allowed = ALLOWED[room] | sys.stdlib_module_names
    offences = [
        f"{path.relative_to(repository)}:{line}: {name}"
        for path in files
        for line, name in imported(path)
        if name not in allowed | OPTIONAL.get(str(path.relative_to(repository)), set())
    ]
    assert offences == []


def test_selfplay_has_rooms_and_few_modules_at_its_top(repository: Path) -> None:
    """A seventh module belongs in a room; pyproject.toml says which there are."""
    top = sorted(path.name for path in (repository / "selfplay").glob("*.py"))
    assert len([name for name in top if not name.startswith("__")]) <= 6, top


def test_every_folder_of_selfplay_is_a_package(repository: Path) -> None:
    """Without __init__.py the import contracts would not see what is in it."""
    folders = {path.parent for path in (repository / "selfplay").rglob("*.py")}
    assert [f for f in sorted(folders) if not (f / "__init__.py").is_file()] == []


def test_the_registry_loads_neither_configuration_nor_domains(repository: Path) -> None:
    """pyproject.toml lets it name their types, and no more."""
    program = "import sys, selfplay.registry\nprint(*sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, check=True
    )
    loaded = shown.stdout.split()
    assert "selfplay.registry" in loaded
    assert [m for m in loaded if m.startswith(("selfplay.config", "selfplay.domains"))] == []
