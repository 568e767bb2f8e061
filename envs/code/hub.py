"""Rows of a data set on Hugging Face, or in a folder that `datasets` reads.

`datasets` runs no code of a data set (it reads Parquet, JSON, CSV and the like). It is imported
when a data set is asked for, and no sooner.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from envs.errors import InputError
from envs.places import is_hub_id
from envs.rows import read_rows


def rows_of(source: Path | str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place and the object of each row of a file, a folder or a Hugging Face id.

    All splits of a folder or an id, in its own order. Raises InputError for what cannot be read.
    """
    if is_hub_id(source) or Path(source).is_dir():
        return _loaded(str(source))
    return read_rows(Path(source))


def _loaded(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        import datasets
    except ImportError:
        raise InputError(
            f"{name}: no file of that name, and the package datasets, which reads folders and "
            "Hugging Face ids, is not installed; `pip install datasets` or name a JSONL file"
        ) from None
    folder = Path(name).is_dir()
    path, _, configuration = (name, "", "") if folder else name.partition(":")
    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        splits = datasets.load_dataset(path, configuration or None)
    except Exception as error:  # what the hub, the network and the readers of files raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        what = "a folder without data" if folder else "not to be had from Hugging Face"
        raise InputError(
            f"{name}: {what} ({reason}); give the path of a JSONL file or another id"
        ) from None
    finally:
        if shown:
            datasets.enable_progress_bars()
    for split, rows in splits.items():
        for number, row in enumerate(rows):
            yield f"{name} {split}[{number}]", {k: v for k, v in row.items() if v is not None}
