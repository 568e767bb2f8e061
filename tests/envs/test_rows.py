"""Files of rows as they are in the world: one reader, which goes by content."""

from __future__ import annotations

import bz2
import codecs
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envs.code.datasets import load_humaneval, load_mbpp
from envs.code.jsonl import load_jsonl
from envs.errors import InputError
from envs.rows import read_rows
from selfplay.config.run import RunConfig
from selfplay.domains.code.score_file import scored_code

ROWS: list[dict[str, Any]] = [
    {"instruction": "Add \u00e4.", "entry_point": "f", "tests": ["assert f(1) == 2"], "n": 1},
    {"instruction": "Sub.", "entry_point": "f", "tests": ["assert f(1) == 0"], "n": 2},
]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
PLAIN = LINES.encode()


def parquet(path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(
        pyarrow.Table.from_pylist([ROWS[0] | {"key": "mine"}, ROWS[1]]), path
    )


FORMS: dict[str, bytes] = {
    "plain": PLAIN,
    "no line end": PLAIN.rstrip(),
    "blank lines": b"\n \n" + PLAIN.replace(b"\n", b"\n\n"),
    "CRLF": PLAIN.replace(b"\n", b"\r\n"),
    "byte-order mark": codecs.BOM_UTF8 + PLAIN,
    "UTF-16": codecs.BOM_UTF16_LE + LINES.encode("utf-16-le"),
    "gzip": gzip.compress(PLAIN),
    "bzip2": bz2.compress(PLAIN),
    "xz": lzma.compress(PLAIN),
    "gzip of CRLF and a mark": gzip.compress(codecs.BOM_UTF8 + PLAIN.replace(b"\n", b"\r\n")),
    "array": json.dumps(ROWS).encode(),
    "array over lines": json.dumps(ROWS, indent=2).encode(),
    "array, marked": codecs.BOM_UTF8 + json.dumps(ROWS, indent=2).encode() + b"\n\n",
}


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json.gz", "rows"])
@pytest.mark.parametrize("form", FORMS)
def test_rows_are_read_in_every_form_whatever_the_file_is_called(
    form: str, name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(FORMS[form])
    assert [row for _, row in read_rows(path)] == ROWS
    assert all(where.startswith(str(path)) for where, _ in read_rows(path))


def test_parquet_is_read_without_its_nulls(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    parquet(path)
    rows = [row for _, row in read_rows(path)]
    assert rows == [ROWS[0] | {"key": "mine"}, ROWS[1]]
    path.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(InputError, match="Parquet that cannot be read"):
        list(read_rows(path))


def test_one_object_over_several_lines_is_one_row(tmp_path: Path) -> None:
    path = tmp_path / "row.json"
    path.write_text(json.dumps(ROWS[0], indent=2), encoding="utf-8")
    assert [row for _, row in read_rows(path)] == ROWS[:1]


MBPP = {
    "task_id": 601,
    "prompt": "Double it.",
    "code": "def f(x):\n    return 2 * x",
    "test_list": ["assert f(1) == 2"],
    "test_imports": [],
}
HUMAN_EVAL = {
    "task_id": "HumanEval/0",
    "prompt": "def f(x):\n    'Double it.'\n",
    "entry_point": "f",
    "canonical_solution": "    return 2 * x\n",
    "test": "def check(candidate):\n    assert candidate(1) == 2\n",
}
OWN = {"instruction": "Double it.", "entry_point": "f", "tests": ["assert f(1) == 2"]}
ANSWERED = OWN | {"solution": MBPP["code"]}


def scored(path: Path) -> list[Any]:
    return list(scored_code(path, RunConfig.model_validate({})))


READERS: dict[str, tuple[dict[str, Any], Callable[[Path], list[Any]]]] = {
    "mbpp": (MBPP, lambda path: load_mbpp(path, "train")),
    "humaneval": (HUMAN_EVAL, load_humaneval),
    "own": (OWN, load_jsonl),
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_takes_every_form(reader: str, tmp_path: Path) -> None:
    row, read = READERS[reader]
    plain = json.dumps(row).encode() + b"\n"
    path = tmp_path / "rows.jsonl"
    path.write_bytes(plain)
    expected = read(path)
    assert len(expected) == 1
    for content in (
        gzip.compress(plain),
        codecs.BOM_UTF8 + plain.rstrip().replace(b"\n", b"\r\n"),
        json.dumps([row], indent=1).encode(),
        codecs.BOM_UTF16_BE + plain.decode().encode("utf-16-be"),
    ):
        path.write_bytes(content)
        assert read(path) == expected


def test_score_takes_samples_in_every_form(tmp_path: Path) -> None:
    path = tmp_path / "samples.json"
    twice = json.dumps([ANSWERED, ANSWERED]).encode()
    for content in (twice, gzip.compress(twice)):
        path.write_bytes(content)
        assert {row["verdict"] for row in scored(path)} == {"pass"}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b'{"a": 1}\n{"a": ', ":2: not JSON"),
        (b"[1]", r"\[1\]: no JSON object"),
        (b'[{"a": 1}', ":1: not JSON"),
        (b"\n\n3\n", ":3: no JSON object"),
        (b"\x28\xb5\x2f\xfd\x00", "Zstandard"),
        (b"PK\x03\x04....", "zip"),
        (b'{"a": "\xff"}\n', "not UTF-8"),
        (gzip.compress(PLAIN)[:30], "damaged"),
        (b"[" * 100_000, ":1: not JSON"),
    ],
)
def test_what_cannot_be_read_is_named(content: bytes, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=fault) as raised:
        list(read_rows(path))
    assert "\n" not in str(raised.value)
