"""Rows of data sets and sample files: JSONL, a JSON array or Parquet, with the place of each.

One reader for every command. What a file is follows from its content, not from its name: gzip,
bzip2 and xz are unpacked, UTF-8, UTF-16 and UTF-32 decoded (envs/text_files.py).
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from envs.errors import InputError
from envs.text_files import text_lines

_PARQUET = b"PAR1"
_BATCH = 256


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place ("file:line", or "file[number]") and the object of each row of a file.

    Blank lines are passed over. Of Parquet, columns without a value in a row are left out of it.
    Raises InputError for a file that cannot be read and a row that is no object.
    """
    if _begins(path) == _PARQUET:
        yield from _parquet(path)
        return
    lines = enumerate(text_lines(path, "JSONL", latin1=False), start=1)
    first = next(((number, line) for number, line in lines if line.strip()), None)
    if first is None:
        return
    if first[1].lstrip().startswith("[") or first[1].strip() == "{":
        yield from _document(path, first[1] + "".join(line for _, line in lines), first[0])
        return
    for number, line in chain([first], lines):
        if line.strip():
            yield f"{path}:{number}", _object(line, f"{path}:{number}")


def number_of(where: str, path: Path) -> str:
    """Return a row's number in the place that read_rows gave it."""
    return where.removeprefix(str(path)).strip(":[]")


def _begins(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(_PARQUET))
    except OSError:
        return b""  # text_lines says what is wrong


def _document(path: Path, text: str, line: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of one JSON value: an array of objects, or a single one over several lines."""
    rows = _parsed(text, f"{path}:{line}")
    if isinstance(rows, dict):
        rows = [rows]
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise InputError(f"{path}[{number}]: no JSON object; give an array of objects")
        yield f"{path}[{number}]", row


def _object(line: str, where: str) -> dict[str, Any]:
    row = _parsed(line, where)
    if not isinstance(row, dict):
        raise InputError(f"{where}: no JSON object; give one object a line")
    return row


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON ({str(error)[:60]}); mend the line") from None


def _parquet(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise InputError(
            f"{path}: Parquet, and the package pyarrow, which reads it, is not installed; "
            "`pip install pyarrow` or give JSONL"
        ) from None
    number = 0
    try:
        for batch in parquet.ParquetFile(path).iter_batches(_BATCH):
            for row in batch.to_pylist():
                number += 1
                yield f"{path}[{number}]", {k: v for k, v in row.items() if v is not None}
    except (OSError, ValueError) as error:  # pyarrow's own errors are ValueErrors
        fault = str(error).strip().splitlines()[0][:100]
        raise InputError(f"{path}: Parquet that cannot be read ({fault}); give it anew") from None
