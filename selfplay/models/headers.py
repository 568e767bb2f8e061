"""Shapes of a model's stored weights, from the headers of its safetensors files alone."""

from __future__ import annotations

import math
from pathlib import Path

from safetensors import SafetensorError, safe_open

Shapes = dict[str, tuple[tuple[int, ...], str]]
"""Tensor -> shape and type."""


def shapes_of(path: Path) -> Shapes:
    """Return what the header of a safetensors file says.

    Raises:
        ValueError: it cannot be read, or the header does not fit the file.
    """
    try:
        with safe_open(str(path), framework="numpy") as tensors:
            slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118
            return {n: (tuple(s.get_shape()), str(s.get_dtype())) for n, s in slices.items()}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path.name}: {error}") from error


def parameters_of(folder: Path) -> int | None:
    """Return how many values the weights of a model folder have, None where there are none.

    Raises:
        ValueError: a file cannot be read.
    """
    files = sorted(folder.glob("*.safetensors"))
    return sum(math.prod(s) for path in files for s, _ in shapes_of(path).values()) or None
