"""Tiny random models of many families: what tests and benchmarks/families_of_models.py train.

Windows are short and caps, scales, biases and noise are on wherever a family has them, so that a
layout which forgets one answers from another distribution.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfplay.models.tiny import VOCABULARY, tiny_tokenizer


@dataclass(frozen=True, slots=True)
class Family:
    """A transformers config class and its arguments, besides the usual sizes."""

    config: str
    settings: dict[str, Any] = field(default_factory=dict)
    usual: bool = True
    """Whether the sizes go by Llama's names."""
    fits: bool = True
    """Whether it can be trained; the others are refused."""


_SPECIAL = ("bos", "eos", "pad")
_USUAL = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
}
_GPT = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 2048}
_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}
_LOCAL = {"num_local_experts": 4, "num_experts_per_tok": 2, "output_router_logits": True}
_LATENT = {
    "num_key_value_heads": 4,
    **{"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8},
    **{"v_head_dim": 12, "n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1},
    **{"topk_group": 1, "moe_intermediate_size": 32, "first_k_dense_replace": 1},
}
_YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
_HALF = ["sliding_attention", "full_attention"]

FAMILIES: dict[str, Family] = {
    "Llama": Family("LlamaConfig"),
    "Llama, biases, YaRN, untied": Family(
        "LlamaConfig",
        {
            "attention_bias": True,
            "mlp_bias": True,
            "tie_word_embeddings": False,
            "attention_dropout": 0.1,
            "rope_parameters": {**_YARN, "rope_theta": 10000.0},
        },
    ),
    "Qwen2": Family("Qwen2Config"),
    "Qwen2, window": Family(
        "Qwen2Config", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}
    ),
    "Qwen3": Family("Qwen3Config", {"head_dim": 32}),
    "Gemma": Family("GemmaConfig", {"head_dim": 16}),
    "Gemma 2": Family("Gemma2Config", {"head_dim": 16, "sliding_window": 8}),
    "Gemma 3": Family(
        "Gemma3TextConfig", {"head_dim": 16, "sliding_window": 8, "layer_types": _HALF}
    ),
    "GPT-2": Family("GPT2Config", _GPT, usual=False),
    "Mistral, window": Family("MistralConfig", {"sliding_window": 8, "attention_dropout": 0.1}),
    "Mixtral": Family("MixtralConfig", {**_LOCAL, "router_jitter_noise": 0.1}),
    "Granite": Family("GraniteConfig", {"logits_scaling": 8.0, "attention_dropout": 0.1}),
    "Cohere": Family("CohereConfig", {"logit_scale": 0.25}),
    "Cohere 2": Family("Cohere2Config", {"logit_scale": 0.25, "sliding_window": 8}),
    "Phi-3": Family("Phi3Config", {"sliding_window": 8, "resid_pdrop": 0.1, "embd_pdrop": 0.1}),
    "Phi": Family("PhiConfig", {"partial_rotary_factor": 0.5, "resid_pdrop": 0.1}),
    "OPT": Family(
        "OPTConfig",
        {
            **{"hidden_size": 64, "num_hidden_layers": 2, "ffn_dim": 128, "layerdrop": 0.1},
            **{"num_attention_heads": 4, "word_embed_proj_dim": 64},
            "max_position_embeddings": 2048,
        },
        usual=False,
    ),
    "BigCode": Family("GPTBigCodeConfig", _GPT, usual=False),
    "StarCoder2": Family("Starcoder2Config", {"sliding_window": 8, "residual_dropout": 0.1}),
    "GPT-NeoX": Family(
        "GPTNeoXConfig", {"num_key_value_heads": None, "hidden_dropout": 0.1, "rotary_pct": 0.25}
    ),
    "Qwen2-MoE": Family("Qwen2MoeConfig", {**_EXPERTS, "shared_expert_intermediate_size": 64}),
    "Qwen3-MoE": Family("Qwen3MoeConfig", {**_EXPERTS, "head_dim": 16}),
    "OLMo 2": Family("Olmo2Config"),
    "OLMo 3": Family("Olmo3Config", {"sliding_window": 8, "layer_types": _HALF}),
    "SmolLM3": Family("SmolLM3Config", {"num_hidden_layers": 4}),
    "gpt-oss": Family(
        "GptOssConfig", {**_LOCAL, "head_dim": 16, "sliding_window": 8, "layer_types": _HALF}
    ),
    "DeepSeek-V3": Family("DeepseekV3Config", _LATENT),
    "Falcon": Family(
        "FalconConfig",
        {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
        usual=False,
    ),
    "MPT": Family(
        "MptConfig",
        {"d_model": 64, "n_heads": 4, "n_layers": 2, "max_seq_len": 2048},
        usual=False,
        fits=False,
    ),
    "BLOOM": Family(
        "BloomConfig", {"hidden_size": 64, "n_layer": 2, "n_head": 4}, usual=False, fits=False
    ),
    "Falcon, ALiBi": Family(
        "FalconConfig",
        {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "alibi": True},
        usual=False,
        fits=False,
    ),
    "GPT-Neo": Family(
        "GPTNeoConfig",
        {
            **{"hidden_size": 64, "num_layers": 2, "num_heads": 4, "window_size": 8},
            **{"attention_types": [[["global", "local"], 1]], "max_position_embeddings": 2048},
        },
        usual=False,
        fits=False,
    ),
    "Mamba": Family(
        "MambaConfig",
        {"hidden_size": 64, "num_hidden_layers": 2, "state_size": 8},
        usual=False,
        fits=False,
    ),
    "Jamba": Family(
        "JambaConfig",
        {
            **{"num_experts": 2, "num_experts_per_tok": 1, "attn_layer_period": 2},
            **{"attn_layer_offset": 1, "mamba_d_state": 8, "mamba_d_conv": 2},
            "use_mamba_kernels": False,
        },
        fits=False,
    ),
    "Llama 4": Family(
        "Llama4TextConfig",
        {
            **{"head_dim": 16, "num_local_experts": 2, "intermediate_size_mlp": 64},
            "attention_chunk_size": 8,
        },
        fits=False,
    ),
    "PhiMoE": Family("PhimoeConfig", {"num_local_experts": 4}, fits=False),
}


def family_config(name: str) -> Any:
    """Return the tiny config of a family of FAMILIES, for the tokenizer of tiny.py."""
    import transformers

    family = FAMILIES[name]
    tokenizer = tiny_tokenizer()
    special = {f"{kind}_token_id": getattr(tokenizer, f"{kind}_token_id") for kind in _SPECIAL}
    settings = {**(_USUAL if family.usual else {}), **family.settings}
    settings = {key: value for key, value in settings.items() if value is not None}
    return getattr(transformers, family.config)(vocab_size=VOCABULARY, **special, **settings)


def build_family(folder: Path, name: str) -> Path:
    """Build a random float32 model of a family, with tiny.py's tokenizer; returns `folder`.

    Weights are a few times the usual random ones: attention is far from uniform, tokens are not
    alike, and what a wrong layout would change can be seen. The same name gives the same weights.
    """
    import torch
    from transformers import AutoModelForCausalLM

    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            model = AutoModelForCausalLM.from_config(family_config(name), dtype=torch.float32)
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.normal_(0.0, parameter.shape[-1] ** -0.5)
        model.save_pretrained(temporary)
        tiny_tokenizer().save_pretrained(temporary)
        temporary.chmod(0o755)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder
