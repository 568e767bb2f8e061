"""Which tokens end a completion, as tables over the vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from envs import Stop
from envs.stops import body_end, calls_end
from selfplay.sampler.prompts import answer_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TEXT_STOPS: dict[Stop, Callable[[str], int | None]] = {"code": body_end, "calls": calls_end}
"""Stops that are found in the text so far."""


class StopTables:
    """Boolean tables (V,) per stop rule, made once per tokenizer.

    `word`: after the first token, a token that begins with white space ends the completion (the
    first token may begin with the space that divides it from the prompt); a line break ends it
    anywhere. `line`: a token with a line break ends it. The end-of-sequence tokens always do.
    `code` and `calls` depend on more than one token: see `text_ended`.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, eos_ids: set[int], vocab_size: int
    ) -> None:
        count = min(len(tokenizer), vocab_size)
        pieces = [answer_text(tokenizer, [i], skip_special=False) for i in range(count)]
        pieces += [""] * (vocab_size - len(pieces))
        self._tokenizer = tokenizer
        self._breaks = [piece.endswith(("\n", "\r")) for piece in pieces]
        self._inner = [_has_inner_break(piece) for piece in pieces]
        eos = torch.zeros(vocab_size, dtype=torch.bool)
        eos[sorted(eos_ids)] = True
        line = eos | torch.tensor(["\n" in piece or "\r" in piece for piece in pieces])
        word = line | torch.tensor([piece[:1].isspace() for piece in pieces])
        self._first: dict[Stop, torch.Tensor] = {
            "eos": eos,
            "line": line,
            "word": line,
            "code": eos,
            "calls": eos,
        }
        self._later: dict[Stop, torch.Tensor] = {
            "eos": eos,
            "line": line,
            "word": word,
            "code": eos,
            "calls": eos,
        }

    def ends(self, stop: Stop, tokens: torch.Tensor, *, first: bool) -> torch.Tensor:
        """Return which of `tokens` (any shape of ids, on the CPU) end a completion."""
        return (self._first if first else self._later)[stop][tokens]

    def text_ended(self, stop: Stop, ids: list[int]) -> bool:
        """Return whether a completion under a stop of TEXT_STOPS has passed its end.

        Only a token that begins a line can end a body, so most tokens cost a look at two tables.
        Calls may also end within a line or with it.
        """
        begins_line = self._inner[ids[-1]] or (len(ids) > 1 and self._breaks[ids[-2]])
        if not begins_line and stop != "calls":
            return False
        return TEXT_STOPS[stop](answer_text(self._tokenizer, ids, skip_special=False)) is not None


def _has_inner_break(piece: str) -> bool:
    """Whether something follows a line break of the piece."""
    return any(end in piece[:-1] for end in "\n\r")
