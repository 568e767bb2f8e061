"""Weights come out of the published arrays bit by bit as they went in."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from selfplay.models.load import load_model
from selfplay.models.transfer import pack_weights, unpack_weights


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_round_trip_is_exact(tiny_model: Path, dtype: torch.dtype) -> None:
    model = load_model(str(tiny_model), dtype=dtype)
    packed = pack_weights(model.named_parameters(), dtype)
    kind = np.int16 if dtype == torch.bfloat16 else np.float32
    assert {array.dtype for array in packed.values()} == {np.dtype(kind)}
    tensors = unpack_weights(packed)
    named = dict(model.named_parameters())
    assert tensors.keys() == named.keys() and len(named) > 10
    for name, tensor in tensors.items():
        assert tensor.dtype == dtype and torch.equal(tensor, named[name])


def test_float32_is_rounded_to_bfloat16_as_torch_rounds() -> None:
    values = torch.tensor([[1.0, 1.00390625, -3.1415927], [1e-40, float("inf"), 65504.0]])
    tensors = unpack_weights(pack_weights([("w", values)], torch.bfloat16))
    assert torch.equal(tensors["w"], values.bfloat16())


def test_packed_weights_are_a_copy() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    packed = pack_weights([("w", weight)], torch.float32)
    with torch.no_grad():
        weight.mul_(5)
    assert packed["w"].tolist() == [1.0, 1.0, 1.0]


def test_transposed_and_scalar_weights_keep_their_shape() -> None:
    given = {"t": torch.arange(6.0).view(2, 3).T, "s": torch.tensor(2.5)}
    tensors = unpack_weights(pack_weights(given.items(), torch.float32))
    assert tensors["t"].tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    assert tensors["s"].shape == () and float(tensors["s"]) == 2.5


def test_read_only_arrays_are_taken_without_a_copy_and_without_a_warning() -> None:
    packed = pack_weights([("w", torch.ones(4, 2))], torch.bfloat16)
    packed["w"].flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tensors = unpack_weights(packed)
    assert tensors["w"].data_ptr() == packed["w"].ctypes.data
