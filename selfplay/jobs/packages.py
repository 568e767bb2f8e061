"""What a job carries so that its domains are found: packages, and metadata of their entry points.

Domains are found by the metadata of installed distributions. A cluster's nodes need have none: what
a job carries is no installation, so metadata goes along, with nothing in it but entry points.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterable, Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from envs.errors import InputError
from selfplay.registry import GROUP

DISTRIBUTION = "selfplay-rlvr"
OWN = ("envs", "rewards", "selfplay")
"""The packages of this distribution."""
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


def pack_packages(domains: Sequence[str], folder: Path) -> list[str]:
    """Copy this package and those of the domains into `folder`, each with its entry points.

    Args:
        domains: the domains that the job uses.
        folder: the job's working directory.

    Returns:
        What must be installed on the nodes because it cannot be carried, a line for each package.

    Raises:
        InputError: a domain's package is not to be found here.
    """
    for name in OWN:
        _copy(name, folder)
    notes: list[str] = []
    points = sorted(set(entry_points(group=GROUP)), key=lambda point: point.name)
    for point in points:
        top = point.module.partition(".")[0]
        if top in OWN:
            continue
        if point.name in domains:
            compiled = _copy(top, folder)
            named = _name(point.dist, top)
            if compiled is not None:
                notes.append(f"install {named} on every node: {compiled}")
                continue
            needed = _requirements(point.dist)
            if needed:
                notes.append(f"install what {named} needs on every node: {', '.join(needed)}")
            _write_metadata(folder, point.dist, top, [point])
    own = [point for point in points if point.module.partition(".")[0] in OWN]
    _write_metadata(folder, own[0].dist if own else None, DISTRIBUTION, own)
    return notes


def _copy(name: str, folder: Path) -> str | None:
    """Copy a module or a package; return in a few words why it cannot be carried, if so."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise InputError(f"the module {name} is not found; install its package here")
    places = [Path(place) for place in spec.submodule_search_locations or ()]
    if len(places) > 1 or (not places and not str(spec.origin).endswith(".py")):
        return "it is no package of Python alone in one place"
    if not places:
        shutil.copy(str(spec.origin), folder)
        return None
    compiled = next((path for path in _files(places[0]) if _is_compiled(path)), None)
    if compiled is not None:
        return f"it has compiled parts ({compiled.name})"
    shutil.copytree(places[0], folder / name, ignore=_LEFT_OUT)
    return None


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _is_compiled(path: Path) -> bool:
    return path.name.endswith(tuple(EXTENSION_SUFFIXES))


def _name(distribution: Distribution | None, otherwise: str) -> str:
    return otherwise if distribution is None else str(distribution.metadata["Name"])


def _requirements(distribution: Distribution | None) -> list[str]:
    """Return what a distribution requires, besides this one and what is optional."""
    listed = (distribution.requires if distribution is not None else None) or []
    found = {line: Requirement(line) for line in listed}
    return [
        line
        for line, needed in found.items()
        if canonicalize_name(needed.name) != DISTRIBUTION
        and (needed.marker is None or needed.marker.evaluate({"extra": ""}))
    ]


def _write_metadata(
    folder: Path, distribution: Distribution | None, top: str, points: Sequence[EntryPoint]
) -> None:
    """Write what importlib.metadata reads of an installed distribution, of entry points alone."""
    name = _name(distribution, top)
    version = "0" if distribution is None else distribution.version
    about = folder / f"{re.sub(r'[-_.]+', '_', name)}-{version}.dist-info"
    about.mkdir(exist_ok=True)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (about / "METADATA").write_text(metadata, encoding="utf-8")
    with (about / "entry_points.txt").open("a", encoding="utf-8") as file:
        if file.tell() == 0:
            file.write(f"[{GROUP}]\n")
        file.writelines(f"{point.name} = {point.value}\n" for point in points)
