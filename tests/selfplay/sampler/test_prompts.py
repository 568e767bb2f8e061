"""Prompts and completions of tokenizers that put spaces before texts, and of those that do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from envs import Prompt
from selfplay.models.load import load_tokenizer
from selfplay.models.tiny import chess_texts
from selfplay.sampler.engines.stopping import StopTables
from selfplay.sampler.prompts import answer_ids, answer_text, prompt_ids

CODE = "\n    return [x for x in y]\n"


def sentencepiece_like() -> PreTrainedTokenizerFast:
    """Byte-fallback BPE as Llama 2 and Mistral have it: a space before, one taken away after."""
    bpe = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    bpe.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    bpe.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=special, show_progress=False)
    bpe.train_from_iterator([*chess_texts(100), CODE * 20], trainer)
    bpe.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


@pytest.fixture(scope="module", params=["bytes", "sentencepiece"])
def tokenizer(request: pytest.FixtureRequest, tiny_model: Path) -> Any:
    return load_tokenizer(str(tiny_model)) if request.param == "bytes" else sentencepiece_like()


@pytest.mark.parametrize("text", [" Nf3", "e4", CODE, "    return 1", " a b\n", " x . y ."])
def test_an_answer_comes_back_as_it_was(tokenizer: Any, text: str) -> None:
    assert answer_text(tokenizer, answer_ids(tokenizer, text)) == text


@pytest.mark.parametrize("text", [" Nf3", " e4 e5"])
def test_an_answer_is_what_follows_its_prompt(tokenizer: Any, text: str) -> None:
    prompt = tokenizer("Best move:", add_special_tokens=False).input_ids
    together = tokenizer("Best move:" + text, add_special_tokens=False).input_ids
    assert together == [*prompt, *answer_ids(tokenizer, text)]


def test_a_text_begins_as_the_tokenizer_begins_it(tiny_model: Path) -> None:
    asked = Prompt("Best move:", None, "word", 8)
    other = sentencepiece_like()
    ids = prompt_ids(other, asked, 100)
    assert ids[0] == other.bos_token_id and list(ids) == other("Best move:").input_ids
    plain = load_tokenizer(str(tiny_model))
    assert prompt_ids(plain, asked, 100)[0] != plain.bos_token_id


def test_a_word_ends_where_the_next_one_begins(tokenizer: Any) -> None:
    tables = StopTables(tokenizer, {int(tokenizer.eos_token_id)}, len(tokenizer))
    import torch

    ids = torch.tensor(answer_ids(tokenizer, " Nf3 e4\n"))
    ended = [bool(tables.ends("word", ids[i : i + 1], first=i == 0)) for i in range(len(ids))]
    text = answer_text(tokenizer, ids[: ended.index(True)].tolist())
    assert text == " Nf3"
