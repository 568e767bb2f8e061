"""TensorBoard events of a run. Import this lazily: it brings torch with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

_NOT_PLOTTED = ("step", "time")


class TensorBoardLog:
    """Writes every number of a metrics row below `folder`, nested ones as `seconds/learn`."""

    def __init__(self, folder: Path, resumed_from: int | None = None) -> None:
        """Open an event file; on a resume the events of steps after `resumed_from` are purged."""
        purge = None if resumed_from is None else resumed_from + 1
        self._writer = SummaryWriter(str(folder), purge_step=purge)

    def add(self, row: dict[str, Any]) -> None:
        """Write one metrics row; missing and null values leave gaps."""
        for name, value in _numbers(row):
            if name not in _NOT_PLOTTED:
                self._writer.add_scalar(name, value, int(row["step"]))
        self._writer.flush()

    def add_eval(self, result: dict[str, Any]) -> None:
        """Write the policy's numbers of one evaluation as eval/<suite>/<metric>."""
        for suite, numbers in result["suites"].items():
            for metric, interval in numbers["policy"].items():
                if isinstance(interval, dict) and interval.get("value") is not None:
                    self._writer.add_scalar(
                        f"eval/{suite}/{metric}", interval["value"], int(result["step"] or 0)
                    )
        self._writer.flush()

    def close(self) -> None:
        """Flush and close the event file."""
        self._writer.close()


def _numbers(row: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{name}/")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield prefix + name, float(value)
