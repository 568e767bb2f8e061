"""Do sampler, learner and a plain forward agree? Asked of a model's family before a run starts.

Sampler and learner lay many sequences out in one row. That takes a model which heeds the positions
and the mask that it is given; one that counts columns itself (ALiBi), keeps a state instead of
keys and values, or hides its window, answers from another distribution without an error. So the
family's own code is asked: a small random model is built from the config, sampled from and
forwarded packed, and compared with transformers' eager attention on plain rows.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import torch

from envs import Stop
from envs.errors import InputError
from selfplay.learner.packing import pack_groups, packed_logits, token_logprobs
from selfplay.models.attention import GROUPED, implementation
from selfplay.models.load import load_config
from selfplay.models.noise import silence
from selfplay.models.windows import Windows
from selfplay.sampler.engines.base import Sample, SampleRequest
from selfplay.sampler.engines.hf import HFEngine
from selfplay.sampler.engines.stopping import StopTables

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

LIMIT = 1e-3
"""Nats by which a token's log-probs may differ in float32; a wrong layout differs by 1e-2 to 10."""
VOCABULARY, WINDOW = 128, 8
_SIZE, _LONGEST = 4, 8
_WIDTHS = (
    *("intermediate_size", "moe_intermediate_size", "shared_expert_intermediate_size"),
    *("shared_intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size"),
)
_DEPTHS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_SPECIAL = ("pad_token_id", "bos_token_id", "eos_token_id")
_WIDE = 1024
_MOST = 500_000_000
"""Parameters in float32: 2 GB."""
_WINDOWS = ("sliding_window", "attention_chunk_size", "window_size")


class _TooLarge(Exception):
    """Even what remains of a model would fill the memory."""


class _NeverEnds(StopTables):
    """Stop tables of an engine without a tokenizer: every completion goes to its limit."""

    def __init__(self) -> None:
        pass

    def ends(self, stop: Stop, tokens: torch.Tensor, *, first: bool) -> torch.Tensor:
        """Return False for every token."""
        return torch.zeros_like(tokens, dtype=torch.bool)


def refuse_unfit(spec: str, *, learns: bool = True) -> None:
    """Raise InputError for a model that cannot be packed: by the sampler, and where it `learns`."""
    check_family(spec, load_config(spec), learns=learns)


def check_family(spec: str, config: PreTrainedConfig, *, learns: bool = True) -> None:
    """Refuse a model whose family cannot be packed, within seconds and without its weights.

    Args:
        spec: what `model:` says, for the message.
        config: the model's.
        learns: whether it is trained, or only sampled from.

    Raises:
        InputError: sampler, learner and a plain forward do not agree, or one of them fails.
    """
    name = (getattr(config, "architectures", None) or [config.model_type])[0]
    try:
        gaps = family_gaps(config)
        if not learns:
            gaps.pop("learner", None)
    except InputError as error:
        why = str(error).removeprefix("model: ")
    except Exception as error:  # whatever a family's code raises, it cannot be packed
        first = (str(error).strip().splitlines() or [""])[0][:160]
        why = f"its forward fails on packed rows ({type(error).__name__}: {first})"
    else:
        if max(gaps.values(), default=0.0) <= LIMIT:
            return
        apart = " and ".join(f"the {who} by {gap:.2g}" for who, gap in gaps.items())
        why = f"log-probs of packed rows differ from a plain forward's, {apart} nats per token"
    done = "trained" if learns else "sampled from"
    raise InputError(
        f"model: {spec}: {name} cannot be {done} here: {why}; its layers must take positions and "
        "masks as they are given (Llama, Qwen, Gemma, Mistral, GPT-2 and most others do)"
    )


def family_gaps(config: PreTrainedConfig) -> dict[str, float]:
    """Return what `gaps_of` says of a small random model of the config's family.

    Nothing, where the family cannot be made small enough to be asked.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            try:
                return gaps_of(small_model(config, narrow=True))
            except InputError:
                raise
            except Exception:
                # Some families name their heads in other words: once more with all of them.
                return gaps_of(small_model(config, narrow=False))
    except _TooLarge:
        return {}
    finally:
        torch.set_num_threads(threads)


@torch.no_grad()
def gaps_of(model: PreTrainedModel) -> dict[str, float]:
    """Sample from a float32 model, forward what came as the learner does, and plainly.

    Returns the largest difference (nats) of a token's log-prob from that of the plain, eager
    forward: the sampler's and the learner's.
    """
    text = model.config.get_text_config()
    room = min(48, int(getattr(text, "max_position_embeddings", 0) or 64) - _LONGEST)
    rng = random.Random(0)
    engine = HFEngine(model, None, stops=_NeverEnds(), prefill_tokens=room + 8)
    prompts = [
        tuple(rng.randrange(3, text.vocab_size) for _ in range(length))
        for length in (room, max(1, room // 2), 3)
    ]
    # Where one token has all the probability, nothing that is wrong before it would be seen.
    logits = model(input_ids=torch.tensor([prompts[0]]), use_cache=False).logits.float()
    temperature = max(1.0, float((logits.amax(-1) - logits.mean(-1)).max()) / 4)
    requests = [SampleRequest(p, _SIZE, _LONGEST, "eos", temperature, len(p)) for p in prompts]
    drawn = engine.sample(requests)
    sampled = torch.tensor([s.logprobs for samples in drawn for s in samples])
    silence(model)
    model.train()
    packed = torch.cat([_packed(model, r, s) for r, s in zip(requests, drawn, strict=True)])
    model.eval()
    model.set_attn_implementation("eager")
    plain = torch.cat([_plain(model, r, s) for r, s in zip(requests, drawn, strict=True)])
    computed = {"sampler": sampled, "learner": packed}
    return {who: float((x - plain).abs().max().nan_to_num(1e3)) for who, x in computed.items()}


def _rows(request: SampleRequest, samples: list[Sample]) -> torch.Tensor:
    return torch.tensor([[*request.prompt_ids, *s.ids] for s in samples])


def _packed(model: Any, request: SampleRequest, samples: list[Sample]) -> torch.Tensor:
    """Return the log-probs (G, T) as the learner computes them, the prompt padded."""
    rows = torch.nn.functional.pad(_rows(request, samples), (2, 0))
    real = torch.ones_like(rows)
    real[:, :2] = 0
    packed = pack_groups(rows, real, _LONGEST, _SIZE)
    return token_logprobs(
        packed_logits(model, packed, Windows.of(model)), packed, request.temperature
    )[0]


def _plain(model: Any, request: SampleRequest, samples: list[Sample]) -> torch.Tensor:
    """Return the log-probs (G, T) of rows that are forwarded whole, as transformers does it."""
    rows = _rows(request, samples)
    logits: torch.Tensor = model(input_ids=rows, use_cache=False).logits.float()
    logps = (logits / request.temperature).log_softmax(-1)
    start = len(request.prompt_ids)
    chosen = logps[:, start - 1 : -1].gather(2, rows[:, start:, None])
    return chosen[..., 0]


def small_model(config: PreTrainedConfig, *, narrow: bool) -> PreTrainedModel:
    """Return a random float32 model of the config's family: few layers, a short window.

    Weights are so large that attention is far from uniform and logits are apart.
    """
    from transformers import AutoModelForCausalLM

    small = small_config(config, narrow=narrow)
    attention = implementation(small, GROUPED)
    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(small, trust_remote_code=False)
    if sum(p.numel() for p in empty.parameters()) > _MOST:
        raise _TooLarge
    model: PreTrainedModel = AutoModelForCausalLM.from_config(
        small, dtype=torch.float32, attn_implementation=attention, trust_remote_code=False
    )
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 1.5 * parameter.shape[-1] ** -0.5)
    return model.eval()


def small_config(config: PreTrainedConfig, *, narrow: bool) -> PreTrainedConfig:
    """Return the config of the text model with less of everything that does not change its kind.

    Fewer layers (the first, until every kind that the config lists is among them), fewer heads of
    the same size, narrow feed-forward parts, few tokens and a short window.
    """
    config = config.get_text_config()
    values = config.to_dict()
    values.pop("quantization_config", None)
    layers = int(config.num_hidden_layers)
    listed = {k: v for k, v in values.items() if isinstance(v, list) and len(v) == layers}
    kept = next(
        (n for n in range(2, layers) if all(_kinds(v[:n]) == _kinds(v) for v in listed.values())),
        layers,
    )
    values |= {key: value[:kept] for key, value in listed.items()}
    values |= {key: kept for key in _DEPTHS if key in values}
    values |= {key: 64 for key in _WIDTHS if (values.get(key) or 0) > 64}
    values |= {key: WINDOW for key in _WINDOWS if values.get(key)}
    values |= {key: 0 for key in _SPECIAL if values.get(key) is not None}
    values["vocab_size"] = min(VOCABULARY, int(values["vocab_size"]))
    return type(config).from_dict(values | (_fewer_heads(values) if narrow else {}))


def _fewer_heads(values: dict[str, Any]) -> dict[str, int]:
    """Return narrower settings of a wide model in the usual terms: two groups of the same heads."""
    heads, width = values.get("num_attention_heads"), values.get("hidden_size")
    if not heads or not width or width <= _WIDE or width % heads:
        return {}
    named = next((k for k in ("num_key_value_heads", "num_kv_heads") if values.get(k)), None)
    groups = values[named] if named else None
    fewer = min(heads, 2 * max(1, heads // (groups or heads)))
    size = values.get("head_dim") or width // heads
    narrower = {"num_attention_heads": fewer, "hidden_size": fewer * (width // heads)}
    if named:
        narrower[named] = min(values[named], 2)
    return narrower | ({"head_dim": size} if "head_dim" in values else {})


def _kinds(values: list[Any]) -> set[str]:
    return {str(value) for value in values}
