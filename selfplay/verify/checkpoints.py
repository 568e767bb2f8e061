"""Checkpoints and SHA256SUMS: the files are there, are what they say, and have their hashes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from selfplay.domains.differences import Difference, named_differences
from selfplay.models.files import is_adapter
from selfplay.models.headers import Shapes, shapes_of
from selfplay.rundir.checksums import CHECKSUMS, COMPLETE, read_checksums, sealed_files, sha256_of

_RESULTS = ("rollouts", "games", "evals", "checkpoints")
"""Folders in which a file that no list names is a difference."""


def check_state(file: str, folder: Path, version: int) -> Iterator[Difference]:
    """Check that the JSON files of a checkpoint can be read and are of its version.

    Raises:
        OSError, ValueError: one is missing or is no JSON.
    """
    for name, key in ((COMPLETE, "step"), ("trainer_state.json", "global_step")):
        stored = {key: read_json(folder / name).get(key)}
        yield from named_differences(f"{file}/{name}", stored, {key: version})
    # Older LoRA runs saved the adapter alone.
    settings = "adapter_config.json" if is_adapter(folder) else "config.json"
    for name in (settings, "source.json"):
        if not read_json(folder / name):
            yield Difference.words(f"{file}/{name}", "", "nothing", "an object")


def check_listed(file: str, folder: Path) -> Iterator[Difference]:
    """Check that a checkpoint's SHA256SUMS is the one with which it was completed.

    Raises:
        OSError, ValueError: complete.json is missing or is no JSON.
    """
    completed, sums = read_json(folder / COMPLETE).get("sha256sums"), folder / CHECKSUMS
    if completed is not None and not sums.is_file():
        yield Difference.words(f"{file}/{CHECKSUMS}", "", "no file", f"a file: {COMPLETE} names it")
    elif completed is not None:
        place = f"sha256 in {COMPLETE}"
        yield from named_differences(f"{file}/{CHECKSUMS}", completed, sha256_of(sums), place)


def weights_of(folder: Path) -> dict[str, Shapes]:
    """Return file -> tensor -> (shape, type) of a checkpoint's weights, from the headers alone.

    Raises:
        ValueError: there are none, or a header does not fit its file.
    """
    found = {path.name: shapes_of(path) for path in sorted(folder.glob("*.safetensors"))}
    if not any(found.values()):
        raise ValueError("no weights (*.safetensors)")
    return found


def check_sums(file: str, folder: Path) -> Iterator[Difference]:
    """Check the files that folder/SHA256SUMS names.

    Raises:
        InputError: the list cannot be read.
    """
    for name, listed in read_checksums(folder / CHECKSUMS).items():
        path, label = folder / name, f"{file}/{name}" if file else name
        if ".." in Path(name).parts or Path(name).is_absolute():
            yield Difference.words(
                f"{file}/{CHECKSUMS}" if file else CHECKSUMS, name, "listed", "a file below it"
            )
        elif not path.is_file():
            yield Difference.words(label, "", "no file", f"a file: {CHECKSUMS} names it")
        else:
            computed = sha256_of(path)
            if computed != listed:
                yield Difference(label, f"sha256 in {CHECKSUMS}", listed, computed)


def check_unlisted(run: Path) -> Iterator[Difference]:
    """Name the results in a run's folder that its SHA256SUMS does not list."""
    listed = read_checksums(run / CHECKSUMS)
    for path in sealed_files(run):
        name = path.relative_to(run).as_posix()
        if name not in listed and name.partition("/")[0] in _RESULTS:
            yield Difference.words(name, "", "a file", f"none: {CHECKSUMS} does not name it")


def same_shapes(shapes: Mapping[str, dict[str, Shapes]]) -> list[Difference]:
    """Check that the checkpoints, by name, hold the same tensors of the same shapes and types."""
    found: list[Difference] = []
    names = list(shapes)
    for name in names[1:]:
        found += named_differences(name, _plain(shapes[name]), _plain(shapes[names[0]]))[:1]
    return found


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object. Raises OSError and ValueError, also for what is no object."""
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} is no object")
    return value


def _plain(files: dict[str, Shapes]) -> dict[str, Any]:
    return {
        name: {key: [*shape, kind] for key, (shape, kind) in tensors.items()}
        for name, tensors in files.items()
    }
