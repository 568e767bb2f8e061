"""A tiny model that has seen random games: some of its answers are legal, some are not."""

from __future__ import annotations

import random
from pathlib import Path

import chess
import torch

from selfplay.models.load import load_model, load_tokenizer
from selfplay.models.tiny import build_tiny_model

STEPS = 150


def teach_tiny_model(folder: Path, seed: int = 0) -> Path:
    """Build the tiny model in `folder` and teach it to continue PGN for a few seconds."""
    build_tiny_model(folder, seed)
    model = load_model(str(folder), dtype=torch.float32)
    tokenizer = load_tokenizer(str(folder))
    rng = random.Random(seed)
    games = [tokenizer(random_pgn(rng), add_special_tokens=False).input_ids for _ in range(200)]
    torch.manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    model.train()
    for _ in range(STEPS):
        rows = rng.sample(games, 8)
        ids = torch.tensor([row[:96] for row in rows if len(row) >= 96])
        loss = model(input_ids=ids, labels=ids).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval()
    model.save_pretrained(folder, safe_serialization=True)
    return folder


def random_pgn(rng: random.Random, plies: int = 60) -> str:
    """Return the moves of a random game."""
    board = chess.Board()
    while len(board.move_stack) < plies and any(board.legal_moves):
        board.push(rng.choice(list(board.legal_moves)))
    return chess.Board().variation_san(board.move_stack)
