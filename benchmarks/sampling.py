"""Tokens per second of the packed sampler and of `generate` as TRL calls it, as JSON.

    python benchmarks/sampling.py [--positions 16] [--samples 8] [--tokens 8] [--repeats 3]

TRL repeats each prompt once per completion, pads on the left and calls `generate` (here with the
better of bfloat16 weights and float32 weights under bfloat16 autocast). The packed sampler gets
the same prompts, in the dtype that the sampler actor chooses. Stop rules are off on both
sides except that the packed sampler may end at an end-of-sequence token: the tokens that were
made are counted.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from common import DTYPES, arguments, interleaved, machine, median_ratio, prompts
from transformers import GenerationConfig

from envs.errors import InputError
from selfplay.models.attention import attention_for
from selfplay.models.load import auto_dtype, load_model, load_tokenizer
from selfplay.sampler.engines import SampleRequest
from selfplay.sampler.engines.hf import HFEngine

OURS = "packed"


def packed(
    model: str, ids: list[tuple[int, ...]], samples: int, tokens: int
) -> Callable[[], float]:
    """Return a function that samples once and returns tokens per second."""
    loaded = load_model(model, dtype=auto_dtype("auto", "cpu"), attention=attention_for("cpu"))
    engine = HFEngine(loaded, load_tokenizer(model))
    requests = [
        SampleRequest(prompt, samples, tokens, "eos", 1.0, seed) for seed, prompt in enumerate(ids)
    ]

    def run() -> float:
        start = time.perf_counter()
        answers = engine.sample(requests)
        seconds = time.perf_counter() - start
        return sum(len(sample.ids) for row in answers for sample in row) / seconds

    return run


def generate(
    model: str, ids: list[tuple[int, ...]], samples: int, tokens: int, setting: str
) -> Callable[[], float]:
    """Return a function that generates once as TRL does and returns tokens per second."""
    loaded = load_model(model, dtype=DTYPES[setting])
    tokenizer = load_tokenizer(model)
    rows = [list(prompt) for prompt in ids for _ in range(samples)]
    inputs = tokenizer.pad({"input_ids": rows}, padding_side="left", return_tensors="pt")
    config = GenerationConfig(
        max_new_tokens=tokens,
        min_new_tokens=tokens,
        do_sample=True,
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        disable_compile=True,
    )

    def autocast() -> Any:
        if setting == "fp32_autocast_bf16":
            return torch.autocast("cpu", dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def run() -> float:
        start = time.perf_counter()
        with torch.no_grad(), autocast():
            out = loaded.generate(**inputs, generation_config=config)
        seconds = time.perf_counter() - start
        made = out.shape[1] - inputs["input_ids"].shape[1]
        return made * len(rows) / seconds

    return run


def main() -> int:
    """Print the measurements; exit code 2 for bad input."""
    given = arguments(str(__doc__).splitlines()[0])
    try:
        ids = prompts(given.model, given.positions, given.tokens)
        sizes = (ids, given.samples, given.tokens)
        ways = {OURS: packed(given.model, *sizes)}
        for setting in DTYPES:
            ways[setting] = generate(given.model, *sizes, setting)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    rates = interleaved(ways, given.repeats)
    best = max(DTYPES, key=lambda setting: median(rates[setting]))
    report = {
        "benchmark": "sampling",
        "unit": "tokens per second",
        "model": given.model,
        "positions": len(ids),
        "samples": given.samples,
        "tokens": given.tokens,
        "mean_prompt_tokens": round(sum(map(len, ids)) / len(ids), 1),
        "dtype": str(auto_dtype("auto", "cpu")).removeprefix("torch."),
        "rates": {name: [round(rate, 2) for rate in found] for name, found in rates.items()},
        "medians": {name: round(median(found), 2) for name, found in rates.items()},
        "better_generate": best,
        "ratio": round(median_ratio(rates[OURS], rates[best]), 2),
        **machine(given.threads),
    }
    print(json.dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
