"""LoRA: weights merged out of place, whole checkpoints with the adapter beside, and back again.

peft merges in place: added and taken off again in bfloat16, the frozen base is another one each
time. Here base and adapter are only read, and their sum is made in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from envs.errors import InputError
from selfplay.models.files import WEIGHTS

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ADAPTER = "adapter"
"""Folder of the adapter in a checkpoint, whose own weights are the merged ones."""


def merged_parameters(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield a peft model's parameters under the plain model's names, float32 where adapted."""
    return _merged(model, dict(model.get_base_model().named_parameters()))


def _merged(model: Any, tensors: dict[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    from peft.tuners.lora import LoraLayer

    base = model.get_base_model()
    adapted = {n: m for n, m in base.named_modules() if isinstance(m, LoraLayer)}
    for name, tensor in tensors.items():
        if "lora_" in name:
            continue
        layer = adapted.get(name.removesuffix(".base_layer.weight"))
        plain = name.replace(".base_layer.", ".")
        if layer is None or not name.endswith(".base_layer.weight"):
            yield plain, tensor.detach()
            continue
        with torch.no_grad():
            total = tensor.detach().float()
            for adapter in layer.active_adapters:
                total = total + layer.get_delta_weight(adapter).float()
        yield plain, total


def save_merged(model: Any, folder: Path) -> None:
    """Write the merged model as a plain Hugging Face folder, and the adapter in a folder of it."""
    base = model.get_base_model()
    weights = {
        name: tensor.to(base.dtype).contiguous()
        for name, tensor in _merged(model, base.state_dict())
    }
    base.save_pretrained(folder, state_dict=weights)
    model.save_pretrained(folder / ADAPTER)


def load_adapter(model: Any, checkpoint: Path) -> None:
    """Load the adapter of a checkpoint into a peft model of the same shape.

    Raises:
        InputError: the checkpoint has none, or one of another shape.
    """
    from peft import set_peft_model_state_dict

    folder = checkpoint / ADAPTER if (checkpoint / ADAPTER).is_dir() else checkpoint
    try:
        loaded = set_peft_model_state_dict(model, load_file(folder / WEIGHTS))
    except (OSError, RuntimeError, SafetensorError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"{folder / WEIGHTS}: cannot be loaded: {first}") from error
    if loaded.unexpected_keys:
        raise InputError(
            f"{folder / WEIGHTS}: does not fit this model: {loaded.unexpected_keys[0]}"
        )


def forget(model: Any) -> None:
    """Bring a peft model back to its base: an adapter whose second factor is 0 adds nothing."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.zero_()


def merge_folder(adapter: Path, base: PreTrainedModel, folder: Path) -> None:
    """Write the model that an adapter's folder makes of its base to `folder`, without tokenizer.

    Raises:
        InputError: the adapter cannot be read or does not fit the base.
    """
    from peft import PeftModel

    try:
        model = PeftModel.from_pretrained(base, str(adapter))
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"model: {adapter}: this adapter cannot be loaded: {first}") from error
    plain = model.get_base_model()
    weights = {n: t.to(plain.dtype).contiguous() for n, t in _merged(model, plain.state_dict())}
    plain.save_pretrained(folder, state_dict=weights)
