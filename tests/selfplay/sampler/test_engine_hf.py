"""The packed sampler against transformers' own generate and plain forwards, in float32."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from envs import Stop
from envs.errors import InputError
from envs.stops import body_end
from selfplay.models.attention import GROUPED
from selfplay.models.load import load_model, load_tokenizer
from selfplay.models.tiny import chess_texts
from selfplay.sampler.engines.base import Sample, SampleRequest
from selfplay.sampler.engines.decode import Decode
from selfplay.sampler.engines.hf import HFEngine

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", params=["sdpa", GROUPED])
def engine(request: pytest.FixtureRequest, tiny_model: Path) -> HFEngine:
    return make(tiny_model, attention=request.param)


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    return load_tokenizer(str(tiny_model))


def make(folder: Path, *, attention: str = GROUPED, **settings: Any) -> HFEngine:
    model = load_model(str(folder), dtype=torch.float32, attention=attention)
    with torch.no_grad():
        # The random weights are so small that every token would be as likely as any other.
        model.lm_head.weight.mul_(3)
    return HFEngine(model, load_tokenizer(str(folder)), **settings)


@pytest.fixture(scope="module")
def prompts(tokenizer: Any) -> list[tuple[int, ...]]:
    """Eight prompts from 5 to 400 tokens, in no order of length."""
    texts = chess_texts(8, seed=3)
    random.Random(0).shuffle(texts)
    cuts = [5, 400, 17, 90, 33, 250, 6, 120]
    return [
        tuple(tokenizer(t * 9, add_special_tokens=False).input_ids[:n])
        for t, n in zip(texts, cuts, strict=True)
    ]


def request(
    prompt: tuple[int, ...],
    *,
    n: int = 1,
    max_tokens: int = 8,
    stop: Stop = "eos",
    temperature: float = 1.0,
    seed: int = 0,
) -> SampleRequest:
    return SampleRequest(prompt, n, max_tokens, stop, temperature, seed)


def plain_logprobs(
    engine: HFEngine, prompt: tuple[int, ...], ids: tuple[int, ...], temperature: float
) -> list[float]:
    """Return the log-probs of `ids` after `prompt` from one forward of the whole row."""
    with torch.inference_mode():
        logits = engine.model(torch.tensor([prompt + ids])).logits[0].float() / temperature
    logps = torch.log_softmax(logits, -1)
    return [float(logps[len(prompt) - 1 + t, token]) for t, token in enumerate(ids)]


def test_greedy_equals_generate(engine: HFEngine, prompts: list[tuple[int, ...]]) -> None:
    answers = engine.sample([request(p, n=2, max_tokens=12, temperature=0.0) for p in prompts])
    seen = set()
    for prompt, pair in zip(prompts, answers, strict=True):
        out = engine.model.generate(
            torch.tensor([prompt]), do_sample=False, max_new_tokens=12, pad_token_id=2
        )
        expected = tuple(out[0, len(prompt) :].tolist())
        assert [sample.ids for sample in pair] == [expected, expected]
        seen.add(expected)
    assert len(seen) > 4, "all prompts had one answer: the prompts were not seen"


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_logprobs_equal_a_plain_forward(
    engine: HFEngine, prompts: list[tuple[int, ...]], temperature: float
) -> None:
    asked = [request(p, n=3, seed=i, temperature=temperature) for i, p in enumerate(prompts)]
    for made, samples in zip(asked, engine.sample(asked), strict=True):
        assert len(samples) == 3
        assert [len(s.ids) for s in samples] == [len(s.logprobs) for s in samples]
        for sample in samples:
            expected = plain_logprobs(engine, made.prompt_ids, sample.ids, temperature)
            assert sample.logprobs == pytest.approx(expected, abs=1e-5)


def test_greedy_logprobs_are_those_at_temperature_one(
    engine: HFEngine, prompts: list[tuple[int, ...]]
) -> None:
    [[sample]] = engine.sample([request(prompts[3], temperature=0.0)])
    assert sample.logprobs == pytest.approx(
        plain_logprobs(engine, prompts[3], sample.ids, 1.0), abs=1e-5
    )


def test_draws_depend_on_the_seed_alone(
    engine: HFEngine, tiny_model: Path, prompts: list[tuple[int, ...]]
) -> None:
    asked = request(prompts[2], n=4, seed=11)
    alone = engine.sample([asked])[0]
    others = [request(p, n=6, max_tokens=11, seed=50 + i) for i, p in enumerate(prompts)]
    together = engine.sample([*others, asked])[-1]
    small = make(tiny_model, prefill_tokens=64, cache_tokens=600).sample([asked, *others])[0]
    assert [s.ids for s in alone] == [s.ids for s in together] == [s.ids for s in small]
    assert len({s.ids for s in alone}) == 4, "one answer four times: nothing was drawn"
    again = engine.sample([request(prompts[2], n=4, seed=12)])[0]
    assert [s.ids for s in again] != [s.ids for s in alone]


def test_small_batches_give_the_same_in_order(
    engine: HFEngine, tiny_model: Path, prompts: list[tuple[int, ...]]
) -> None:
    asked = [request(p, n=2, seed=i) for i, p in enumerate(prompts)]
    small = make(tiny_model, prefill_tokens=50, cache_tokens=500)
    assert [[s.ids for s in row] for row in small.sample(asked)] == [
        [s.ids for s in row] for row in engine.sample(asked)
    ]


def test_first_tokens_follow_the_softmax(engine: HFEngine, prompts: list[tuple[int, ...]]) -> None:
    """Chi-square of 20000 draws over 512 tokens, the rare ones pooled."""
    draws, temperature = 20_000, 0.8
    asked = [
        request(prompts[0], n=500, max_tokens=1, temperature=temperature, seed=seed)
        for seed in range(draws // 500)
    ]
    samples = [sample for row in engine.sample(asked) for sample in row]
    with torch.inference_mode():
        logits = engine.model(torch.tensor([prompts[0]])).logits[0, -1].double()
    expected = torch.softmax(logits / temperature, -1) * draws
    counts = torch.bincount(torch.tensor([s.ids[0] for s in samples]), minlength=len(expected))
    common = expected >= 10
    seen = torch.cat([counts[common], counts[~common].sum()[None]]).double()
    wanted = torch.cat([expected[common], expected[~common].sum()[None]])
    cells = len(wanted)
    assert cells > 100
    chi2 = float(((seen - wanted) ** 2 / wanted).sum())
    # Wilson and Hilferty's normal approximation of the chi-square's 0.999 and 0.001 quantiles.
    k = cells - 1
    low, high = (k * (1 - 2 / (9 * k) + z * math.sqrt(2 / (9 * k))) ** 3 for z in (-3.09, 3.09))
    assert low < chi2 < high


def drawn_until(tokenizer: Any, sample: Sample, stop: Stop) -> str:
    """Say in words why a sample had to end where it did, or '' when it should not have."""
    pieces = [tokenizer.decode([i]) for i in sample.ids]

    def ends(i: int) -> bool:
        if sample.ids[i] == tokenizer.eos_token_id:
            return True
        if stop == "eos":
            return False
        if "\n" in pieces[i] or "\r" in pieces[i]:
            return True
        return stop == "word" and i > 0 and pieces[i][:1].isspace()

    at = [i for i in range(len(pieces)) if ends(i)]
    if sample.finish == "stop":
        return "stop" if at == [len(pieces) - 1] else ""
    return "length" if not at else ""


@pytest.mark.parametrize("stop", ["word", "line", "eos"])
def test_stop_rules_and_finish_reasons(
    engine: HFEngine, tokenizer: Any, prompts: list[tuple[int, ...]], stop: Stop
) -> None:
    asked = [
        request(p, n=64, max_tokens=12, stop=stop, seed=i, temperature=2.0)
        for i, p in enumerate(prompts)
    ]
    samples = [s for row in engine.sample(asked) for s in row]
    reasons = [drawn_until(tokenizer, s, stop) for s in samples]
    assert set(reasons) == {"stop", "length"}
    assert [s.finish for s in samples] == reasons
    assert all(len(s.ids) == 12 for s in samples if s.finish == "length")
    assert all(1 <= len(s.ids) <= 12 for s in samples)


def test_limits_differ_within_a_batch(engine: HFEngine, prompts: list[tuple[int, ...]]) -> None:
    asked = [request(p, max_tokens=i + 1, seed=i) for i, p in enumerate(prompts)]
    for made, [sample] in zip(asked, engine.sample(asked), strict=True):
        assert len(sample.ids) <= made.max_tokens
        assert sample.finish == "stop" or len(sample.ids) == made.max_tokens


def test_update_weights_changes_the_answers_and_refuses_gaps(
    tiny_model: Path, prompts: list[tuple[int, ...]]
) -> None:
    engine = make(tiny_model)
    asked = [request(p, temperature=0.0) for p in prompts]
    before = engine.sample(asked)
    weights = {n: p.detach().clone() for n, p in engine.model.named_parameters()}
    generator = torch.Generator().manual_seed(1)
    other = {n: w + 0.1 * torch.randn(w.shape, generator=generator) for n, w in weights.items()}
    engine.update_weights(7, other)
    assert engine.version == 7
    assert [s[0].ids for s in engine.sample(asked)] != [s[0].ids for s in before]
    engine.update_weights(8, weights)
    assert engine.sample(asked) == before
    other.popitem()
    with pytest.raises(ValueError, match="version 9: no weights for"):
        engine.update_weights(9, other)
    assert engine.version == 8 and engine.sample(asked) == before


def test_misshapen_weights_leave_the_engine_as_it_was(
    tiny_model: Path, prompts: list[tuple[int, ...]]
) -> None:
    engine = make(tiny_model)
    asked = [request(p, temperature=0.0) for p in prompts]
    before = engine.sample(asked)
    weights = {n: torch.zeros_like(p) for n, p in engine.model.named_parameters()}
    last = list(weights)[-1]
    weights[last] = torch.zeros(3, 5)
    with pytest.raises(ValueError, match="version 1"):
        engine.update_weights(1, weights)
    assert engine.version == 0 and engine.sample(asked) == before


def test_layers_without_keys_and_values_are_refused(tiny_model: Path) -> None:
    model = load_model(str(tiny_model), dtype=torch.float32)
    model.config.layer_types = ["full_attention", "linear_attention"]
    with pytest.raises(InputError, match="linear_attention"):
        HFEngine(model, load_tokenizer(str(tiny_model)))


def test_no_requests_no_answers(engine: HFEngine) -> None:
    assert engine.sample([]) == []


def test_empty_prompts_are_refused(engine: HFEngine) -> None:
    with pytest.raises(ValueError, match="empty"):
        engine.sample([request(())])


def test_code_ends_after_the_body(engine: HFEngine, tokenizer: Any) -> None:
    """The token that begins the next statement at column 0 is the last one, and no token later."""
    prompt = tuple(tokenizer("def f(x):\n", add_special_tokens=False).input_ids)
    [samples] = engine.sample([request(prompt, n=64, max_tokens=40, stop="code", seed=5)])
    ended = [s for s in samples if s.finish == "stop" and s.ids[-1] != tokenizer.eos_token_id]
    for sample in samples:
        whole = body_end(tokenizer.decode(sample.ids)) is not None
        assert whole == (sample in ended)
        assert body_end(tokenizer.decode(sample.ids[:-1])) is None
    assert len(ended) >= 5, "too few bodies ended: the test says nothing"


def test_ended_rows_are_left_out_and_nothing_else_changes(
    tiny_model: Path, prompts: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of very different lengths: the answers are those of carrying all of them to the end."""
    asked = [
        request(p, n=2 + 3 * (i % 2), max_tokens=4 + 9 * (i % 3), stop="line", seed=i)
        for i, p in enumerate(prompts)
    ]
    sizes: list[int] = []
    moved = Decode._move_together

    def watched(self: Decode, *args: Any) -> torch.Tensor:
        tokens = moved(self, *args)
        sizes.append(tokens.numel())
        return tokens

    monkeypatch.setattr(Decode, "_move_together", watched)
    together = make(tiny_model).sample(asked)
    assert min(sizes) < max(sizes) / 3, "too little was left out: the test says nothing"
    monkeypatch.setattr("selfplay.sampler.engines.decode.WORTH", -1.0)
    carried = make(tiny_model).sample(asked)
    for one, other in zip(together, carried, strict=True):
        assert [s.ids for s in one] == [s.ids for s in other]
        assert [s.finish for s in one] == [s.finish for s in other]
        for a, b in zip(one, other, strict=True):
            assert a.logprobs == pytest.approx(b.logprobs, abs=1e-5)
