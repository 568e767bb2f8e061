"""Numbers and texts out of stored files, which may be of another version, damaged or hostile.

What is missing or is no such value becomes None: it stays empty on the leaderboard.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envs.errors import InputError
from selfplay.display.text import visible

LONGEST_LINE = 600
LONGEST_TEXT = 20_000


def number(value: Any) -> float | None:
    """Return a finite number as a float; anything else is None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def whole(value: Any) -> int | None:
    """Return a whole number of at least 0; anything else is None."""
    found = number(value)
    return int(found) if found is not None and found >= 0 and found == int(found) else None


def words(value: Any) -> str | None:
    """Return a text that is not empty; anything else is None."""
    return value if isinstance(value, str) and value.strip() else None


def section(value: Any, *keys: str) -> Mapping[str, Any]:
    """Return the mapping at `keys` below `value`, an empty one where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def interval(value: Any) -> dict[str, Any] | None:
    """Return {"value", "low", "high", "n"}; None without a value. An end may be None."""
    found = section(value)
    middle = number(found.get("value"))
    if middle is None:
        return None
    return {
        "value": middle,
        "low": number(found.get("low")),
        "high": number(found.get("high")),
        "n": whole(found.get("n")),
    }


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object of a file, an empty one where there is no file.

    Raises:
        InputError: it cannot be read or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; mend or remove it") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON ({error}); mend or remove it") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: is no JSON object; mend or remove it")
    return value


def harmless(value: Any) -> Any:
    """Return JSON with every text made visible: no control, bidirectional or unpaired character.

    Line breaks stay, since programs have them; long lines and long texts are cut.
    """
    if isinstance(value, str):
        lines = value[:LONGEST_TEXT].split("\n")
        return "\n".join(visible(line, LONGEST_LINE) for line in lines)
    if isinstance(value, Mapping):
        return {visible(str(key), LONGEST_LINE): harmless(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [harmless(item) for item in value]
    return value
