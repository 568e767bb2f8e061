"""A tiny random Llama with its own tokenizer: real parts for tests and configs/smoke.yaml."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import chess

from envs.errors import InputError

VOCABULARY = 512
"""Tokens: 256 bytes, 3 special ones, the rest merges learnt from chess text."""

_BOS, _EOS, _PAD = "<s>", "</s>", "<pad>"
_CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}"
    "{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)


def build_tiny_model(folder: Path, seed: int = 0) -> Path:
    """Build a random Llama (about 0.1 million weights) and its tokenizer in `folder`.

    The folder is a plain Hugging Face one (config, safetensors, tokenizer with a chat template)
    for AutoModelForCausalLM and AutoTokenizer; the same seed gives the same weights. It appears
    whole or not at all.

    Returns `folder`. Raises InputError where it exists and is not empty.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: exists and is not an empty folder; name another one")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        tokenizer = tiny_tokenizer()
        tokenizer.save_pretrained(temporary)
        _model(tokenizer, seed).save_pretrained(temporary, safe_serialization=True)
        temporary.chmod(0o755)
        # Renaming onto an empty folder replaces it.
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def chess_texts(count: int = 300, seed: int = 0) -> list[str]:
    """Return `count` texts of random games as prompts show them: PGN, or FEN with moves."""
    rng = random.Random(seed)
    texts = []
    for index in range(count):
        board = chess.Board()
        for _ in range(rng.randint(2, 40)):
            moves = list(board.legal_moves)
            if not moves:
                break
            board.push(rng.choice(moves))
        if index % 2:
            texts.append(chess.Board().variation_san(board.move_stack))
        else:
            listed = [board.uci(m) if index % 4 else board.san(m) for m in board.legal_moves]
            moves_text = " ".join(sorted(listed))
            texts.append(f"Position: {board.fen()}\nLegal moves: {moves_text}\nBest move:")
    return texts


def tiny_tokenizer() -> Any:
    """Return a byte-level BPE tokenizer: every string has an encoding and comes back unchanged."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[_BOS, _EOS, _PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(chess_texts(), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=_BOS,
        eos_token=_EOS,
        pad_token=_PAD,
        padding_side="left",
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = _CHAT_TEMPLATE
    return tokenizer


def _model(tokenizer: Any, seed: int) -> Any:
    """Return a Llama with random float32 weights; the global random state stays as it was."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).to(torch.float32)
