"""MBPP from a folder that `datasets` reads and by Hugging Face id, without a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from envs.code.datasets import check_trainable, load_mbpp, load_mbpp_evaluation
from envs.code.hub import rows_of
from envs.errors import InputError
from envs.places import absolute_source as absolute
from envs.places import is_hub_id

datasets = pytest.importorskip("datasets")


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "task_id": number,
        "text": f"Write function {number}.",
        "code": f"def f{number}(x):\n    return x + {number}",
        "test_list": [f"assert f{number}(1) == {number + 1}", f"assert f{number}(0) == {number}"],
        "test_setup_code": "",
    } | changes


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture(params=["parquet", "jsonl"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """MBPP in the splits of the hub: train and validation each in a file of their own."""
    made = tmp_path / "mbpp"
    made.mkdir()
    for split, numbers in {"train": (601, 974), "validation": (511,), "test": (11, 510)}.items():
        rows = [row(number) for number in numbers]
        if request.param == "parquet":
            datasets.Dataset.from_list(rows).to_parquet(made / f"{split}.parquet")
        else:
            text = "".join(json.dumps(one) + "\n" for one in rows)
            (made / f"{split}.jsonl").write_text(text, encoding="utf-8")
    return made


def test_a_folder_is_read_and_the_ids_decide_the_split(folder: Path) -> None:
    train = load_mbpp(folder, "train")
    assert [task.key for task in train] == ["Mbpp/601", "Mbpp/974"]
    assert train[0].entry_point == "f601" and len(train[0].hidden) == 2
    check_trainable(train)
    assert [task.key for task in load_mbpp(folder, "validation")] == ["Mbpp/511"]
    evaluation = load_mbpp_evaluation(folder)
    assert [task.key for task in evaluation] == ["Mbpp/11", "Mbpp/510", "Mbpp/511"]
    for task in evaluation:
        with pytest.raises(InputError, match="MBPP trains on 601 to 974 only"):
            check_trainable([task])


def test_a_broken_row_is_named_by_split_and_number(tmp_path: Path) -> None:
    broken = json.dumps(row(1)) + "\n" + json.dumps(row(9999))
    (tmp_path / "train.jsonl").write_text(broken, encoding="utf-8")
    with pytest.raises(InputError, match=r"train\[1\]: task_id '9999'"):
        load_mbpp(tmp_path, "train")


def test_a_folder_without_data_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="a folder without data") as raised:
        list(rows_of(tmp_path / "empty"))
    assert "\n" not in str(raised.value)


def test_an_id_that_cannot_be_had_is_one_line(repository: Path, tmp_path: Path) -> None:
    program = (
        "from envs.code.datasets import load_mbpp\nfrom envs.errors import InputError\n"
        "try:\n    load_mbpp('nobody-at-all/no-such-set', 'train')\n"
        "except InputError as error:\n    print(error)\n"
    )
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PYTHONPATH": str(repository)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **offline},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("nobody-at-all/no-such-set: not to be had from Hugging Face (")
    assert done.stdout.count("\n") == 1 and "give the path of a JSONL file" in done.stdout


@pytest.mark.parametrize(
    ("name", "an_id"),
    [
        ("google-research-datasets/mbpp", True),
        ("google-research-datasets/mbpp:sanitized", True),
        ("data/mbpp.jsonl", False),
        ("data/mbpp.jsonl.gz", False),
        ("mbpp.jsonl", False),
        ("/data/mbpp", False),
        ("../data/mbpp", False),
        ("a/b/c", False),
    ],
)
def test_names_of_files_are_no_ids(name: str, an_id: bool) -> None:
    assert is_hub_id(name) is an_id
    made = absolute(Path(name))
    assert made == (Path(name) if an_id else Path(name).absolute())


def test_a_file_that_is_there_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mbpp").write_text(json.dumps(row(601)) + "\n", encoding="utf-8")
    assert not is_hub_id("data/mbpp")
    assert [task.key for task in load_mbpp("data/mbpp", "train")] == ["Mbpp/601"]
