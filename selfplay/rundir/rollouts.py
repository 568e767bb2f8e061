"""rollouts/*.parquet: every sampled completion with its score, one file per step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from envs.text import clean_text
from selfplay.records import Group
from selfplay.rundir.names import step_name
from selfplay.rundir.writes import plain, write_atomic

SCHEMA = pa.schema(
    [
        ("run", pa.string()),
        ("step", pa.int64()),
        ("task_id", pa.string()),
        ("domain", pa.string()),
        ("payload", pa.string()),
        ("policy_version", pa.int64()),
        ("seed", pa.int64()),
        ("index", pa.int64()),
        ("prompt_ids", pa.list_(pa.int32())),
        ("completion_ids", pa.list_(pa.int32())),
        ("logprobs", pa.list_(pa.float32())),
        ("text", pa.string()),
        ("finish", pa.string()),
        ("verdict", pa.string()),
        ("value", pa.float64()),
        ("parts", pa.string()),
        ("evidence", pa.string()),
        ("advantage", pa.float64()),
        ("trained", pa.bool_()),
    ]
)
"""payload, parts and evidence are JSON; logprobs are nats; unscored: verdict and value null."""


class RolloutStore:
    """The Parquet files below `folder`."""

    def __init__(self, folder: Path, run: str) -> None:
        self.folder = folder
        self.run = run

    def write(self, step: int, groups: list[Group]) -> Path:
        """Write all rollouts of `step` to its own file and return the path.

        Raises:
            FileExistsError: the step has been written.
        """
        path = self.folder / f"{step_name(step)}.parquet"
        rows = [row for group in groups for row in self._rows(step, group)]
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        write_atomic(
            path,
            lambda temporary: pq.write_table(table, temporary, compression="zstd"),
            overwrite=False,
        )
        return path

    def files(self) -> dict[int, Path]:
        """Return step -> file, ascending."""
        return {
            int(path.stem.removeprefix("step_")): path
            for path in sorted(self.folder.glob("step_*.parquet"))
        }

    def count(self) -> int:
        """Return how many rollouts there are, from the file footers alone."""
        return sum(pq.read_metadata(path).num_rows for path in self.files().values())

    def read(self, step: int) -> list[dict[str, Any]]:
        """Return the rows of one step with their JSON columns decoded.

        Raises:
            FileNotFoundError: there is no such step.
        """
        table = pq.read_table(self.folder / f"{step_name(step)}.parquet", schema=SCHEMA)
        return [_decoded(row) for row in table.to_pylist()]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of all steps in order, one file in memory at a time."""
        for step in self.files():
            yield from self.read(step)

    def _rows(self, step: int, group: Group) -> Iterator[dict[str, Any]]:
        payload = _json(group.task.payload)
        for rollout in group.rollouts:
            result = rollout.result
            yield {
                "run": self.run,
                "step": step,
                "task_id": group.task.id,
                "domain": group.task.domain,
                "payload": payload,
                "policy_version": rollout.policy_version,
                "seed": rollout.seed,
                "index": rollout.index,
                "prompt_ids": rollout.prompt_ids,
                "completion_ids": rollout.completion_ids,
                "logprobs": rollout.logprobs,
                "text": clean_text(rollout.text),
                "finish": rollout.finish,
                "verdict": result.verdict if result else None,
                "value": result.value if result else None,
                "parts": _json(result.parts if result else {}),
                "evidence": _json(result.evidence if result else {}),
                "advantage": rollout.advantage,
                "trained": group.trained,
            }


def _json(value: Any) -> str:
    return json.dumps(plain(value), sort_keys=True, allow_nan=False)


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: json.loads(row[name]) for name in ("payload", "parts", "evidence")}
