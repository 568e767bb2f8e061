"""The documents point at things that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from selfplay.config.run import RunConfig

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    """All keys of the configuration, dotted."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        found.add(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= keys(field.annotation, f"{prefix}{name}.")
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert missing == []


def test_configuration_keys_in_the_documents_exist() -> None:
    known = keys(RunConfig)
    sections = {key.split(".")[0] for key in known if "." in key}
    pattern = re.compile(rf"`((?:{'|'.join(sorted(sections))})\.[a-z_]+)(?:=[^`]*)?`")
    named = {
        (path.name, key)
        for path in DOCUMENTS
        for key in pattern.findall(path.read_text(encoding="utf-8"))
        if not key.endswith((".py", ".yaml"))
    }
    assert len(named) > 10
    assert {(name, key) for name, key in named if key not in known} == set()


def test_the_readme_names_every_configuration() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [p.name for p in (ROOT / "configs").glob("*.yaml") if p.name not in readme] == []
