"""metrics.jsonl: one JSON row per step, appended; a line torn by a crash harms nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from selfplay.rundir.writes import plain, write_text


class MetricsLog:
    """Appends to and reads `path`; rows are dicts with at least `step`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, row: dict[str, Any]) -> None:
        """Add one row and see it to the disk; NaN and infinity become null.

        Raises:
            TypeError: the row holds something without a JSON form.
        """
        self._cut_torn_line()
        line = json.dumps(plain(row), allow_nan=False) + "\n"
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> list[dict[str, Any]]:
        """Return all whole rows in file order; a torn last line is left out.

        Raises:
            ValueError: a line before the last is broken: that is no crash but a damaged file.
        """
        if not self.path.exists():
            return []
        lines = self.path.read_bytes().split(b"\n")
        rows = []
        for number, line in enumerate(lines[:-1], start=1):
            try:
                row = json.loads(line)
            except ValueError as error:
                if number == len(lines) - 1:
                    break
                raise ValueError(f"{self.path}:{number}: not JSON: {error}") from error
            rows.append(row)
        return rows

    def set_aside_after(self, step: int) -> int:
        """Move the rows of later steps to a file NAME.discarded.jsonl; return how many there were.

        The discarded rows are written first: a crash between leaves them twice, never lost.
        """
        rows = self.read()
        late = [row for row in rows if int(row["step"]) > step]
        if not late:
            return 0
        aside = MetricsLog(self.path.with_name(f"{self.path.stem}.discarded.jsonl"))
        for row in late:
            aside.append(row)
        kept = [row for row in rows if int(row["step"]) <= step]
        text = "".join(json.dumps(row, allow_nan=False) + "\n" for row in kept)
        write_text(self.path, text, overwrite=True)
        return len(late)

    def _cut_torn_line(self) -> None:
        """Shorten the file to its last line break: what follows was never finished."""
        if not self.path.exists():
            return
        with self.path.open("rb+") as file:
            data = file.read()
            whole = data.rfind(b"\n") + 1
            if whole != len(data):
                file.truncate(whole)
