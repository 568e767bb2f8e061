"""The tiny model is a real one: it loads, generates, repeats and never overwrites."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from envs.errors import InputError
from selfplay.models.tiny import VOCABULARY, build_tiny_model, chess_texts


def test_it_loads_and_generates_from_a_plain_folder(tiny_model: Path) -> None:
    assert (tiny_model / "model.safetensors").is_file()
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    batch = tokenizer(["1. e4 e5 2.", "1."], return_tensors="pt", padding=True)
    out = model.generate(**batch, max_new_tokens=4, do_sample=False)
    assert out.shape[0] == 2
    assert out.shape[1] > batch["input_ids"].shape[1]
    assert model.config.vocab_size == len(tokenizer) == VOCABULARY
    assert len({tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}) == 3


@pytest.mark.parametrize("text", ["1. Nf3 d5", " e7e8=Q#", "♞ ünïcode\n\ttabs  two", "\x00\x7f"])
def test_every_text_comes_back_unchanged(tiny_model: Path, text: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_chess_text_is_shorter_in_tokens_than_in_bytes(tiny_model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    unseen = "\n".join(chess_texts(count=12, seed=99))
    assert len(tokenizer(unseen)["input_ids"]) < 0.75 * len(unseen.encode())


def test_the_chat_template_ends_where_the_answer_begins(tiny_model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Your move?"}], tokenize=False, add_generation_prompt=True
    )
    assert text == "<s>user: Your move?</s>\nassistant:"


def test_the_seed_decides_the_weights_and_nothing_global_moves(
    tiny_model: Path, tmp_path: Path
) -> None:
    torch.manual_seed(123)
    expected = torch.rand(3)
    torch.manual_seed(123)
    same = build_tiny_model(tmp_path / "same", seed=0)
    assert torch.equal(torch.rand(3), expected)
    other = build_tiny_model(tmp_path / "other", seed=1)
    for name in ("tokenizer.json", "model.safetensors"):
        assert (same / name).read_bytes() == (tiny_model / name).read_bytes()
    assert (other / "model.safetensors").read_bytes() != (same / "model.safetensors").read_bytes()


def test_an_empty_folder_is_filled_and_a_full_one_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    assert build_tiny_model(folder) == folder
    before = sorted((p.name, p.read_bytes()) for p in folder.iterdir())
    with pytest.raises(InputError, match="exists and is not an empty folder"):
        build_tiny_model(folder)
    assert sorted((p.name, p.read_bytes()) for p in folder.iterdir()) == before
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
