"""examples/: packages that are installed as a user installs them, and pass their own tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.patience import patient
from tests.toys import environment, install


def test_countdown_passes_its_own_tests_where_it_is_installed(
    repository: Path, tmp_path: Path
) -> None:
    folder = repository / "examples" / "countdown"
    install(folder, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "pyproject.toml"],
        cwd=folder,
        env=environment(folder, tmp_path),
        capture_output=True,
        text=True,
        timeout=patient(60),
    )
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr


def test_countdown_is_as_short_as_the_page_says(repository: Path) -> None:
    folder = repository / "examples" / "countdown"
    files = [p for p in folder.rglob("*") if p.suffix in (".py", ".toml", ".yaml")]
    assert len(files) == 5
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files) < 200
