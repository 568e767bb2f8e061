"""Weights on their way from learner to samplers: bfloat16 or float32 arrays without a copy."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import torch


def pack_weights(
    parameters: Iterable[tuple[str, torch.Tensor]], dtype: torch.dtype, *, copy: bool = True
) -> dict[str, Any]:
    """Return named numpy arrays of `dtype`, bfloat16 as its bits (int16): numpy has no bfloat16.

    Without `copy` the arrays may share the parameters' memory: put them away at once.
    """
    packed = {}
    for name, parameter in parameters:
        tensor = parameter.detach().to(device="cpu", dtype=dtype, copy=copy).contiguous()
        packed[name] = (
            tensor.view(torch.int16).numpy() if dtype == torch.bfloat16 else tensor.numpy()
        )
    return packed


def unpack_weights(packed: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return tensors over the same memory; they must only be read."""
    tensors = {}
    with warnings.catch_warnings():
        # The arrays lie read-only in the object store; torch would warn.
        warnings.filterwarnings("ignore", message="The given buffer is not writable")
        for name, array in packed.items():
            flat = torch.frombuffer(memoryview(array).cast("B"), dtype=torch.uint8)
            kind = torch.bfloat16 if array.dtype.kind == "i" else torch.float32
            tensors[name] = flat.view(kind).view(array.shape)
    return tensors
