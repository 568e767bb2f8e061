"""Which tokens end a completion, as tables over the vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from envs import Stop

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class StopTables:
    """Boolean tables (V,) per stop rule, made once per tokenizer.

    `word`: behind the first token, a token that begins with white space ends the completion (the
    first token may begin with the space that divides it from the prompt); a line break ends it
    anywhere. `line`: a token with a line break ends it. The end-of-sequence tokens always do.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, eos_ids: set[int], vocab_size: int
    ) -> None:
        pieces = [tokenizer.decode([i]) for i in range(min(len(tokenizer), vocab_size))]
        pieces += [""] * (vocab_size - len(pieces))
        eos = torch.zeros(vocab_size, dtype=torch.bool)
        eos[sorted(eos_ids)] = True
        line = eos | torch.tensor(["\n" in piece or "\r" in piece for piece in pieces])
        word = line | torch.tensor([piece[:1].isspace() for piece in pieces])
        self._first: dict[Stop, torch.Tensor] = {"eos": eos, "line": line, "word": line}
        self._later: dict[Stop, torch.Tensor] = {"eos": eos, "line": line, "word": word}

    def ends(self, stop: Stop, tokens: torch.Tensor, *, first: bool) -> torch.Tensor:
        """Return which of `tokens` (any shape of ids, on the CPU) end a completion."""
        return (self._first if first else self._later)[stop][tokens]
