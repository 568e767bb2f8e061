"""Counting parameters without loading them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from selfplay.models.headers import parameters_of, shapes_of


def test_parameters_are_counted_from_the_headers(tmp_path: Path) -> None:
    assert parameters_of(tmp_path) is None
    save_file({"a": torch.zeros(3, 5, dtype=torch.bfloat16)}, tmp_path / "one.safetensors")
    save_file({"b": torch.zeros(7)}, tmp_path / "two.safetensors")
    assert parameters_of(tmp_path) == 22
    assert shapes_of(tmp_path / "one.safetensors") == {"a": ((3, 5), "BF16")}


def test_a_header_that_does_not_fit_its_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"b": torch.zeros(7)}, path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        parameters_of(tmp_path)
