"""Lines of JSONL files, gzipped or not, with the place each came from."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from envs.errors import InputError


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield "file:line" and object of each line of a JSONL file, gzipped if it ends in .gz.

    Raises InputError for a file that cannot be read and a line that is no JSON object.
    """
    opener: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield f"{path}:{number}", _object(line, f"{path}:{number}")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason}); name a JSONL file") from None
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise InputError(f"{path}: cannot be read ({reason}); name a JSONL file") from None


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON ({str(error)[:60]}); mend the line") from None
    if not isinstance(row, dict):
        raise InputError(f"{where}: no JSON object; give one object a line")
    return row
