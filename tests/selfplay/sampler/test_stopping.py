"""Stops that are found in the text, on a real tokenizer: the first token to show the end ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from envs import Stop
from selfplay.models.load import load_tokenizer
from selfplay.sampler.engines.stopping import TEXT_STOPS, StopTables

TEXTS: dict[Stop, str] = {
    "code": "\n    return 1\n\n\nprint(1)\nprint(2)\n",
    "calls": " f(x):\n    return x\n\nf(1)\nf(2)\n\n\ndef g(x):\n    return 2\n",
}


@pytest.mark.parametrize("stop", TEXTS)
def test_the_first_token_that_shows_the_end_ends(tiny_model: Path, stop: Stop) -> None:
    tokenizer = load_tokenizer(str(tiny_model))
    tables = StopTables(tokenizer, {int(tokenizer.eos_token_id)}, len(tokenizer))
    ids = tokenizer(TEXTS[stop], add_special_tokens=False).input_ids
    ended = [tables.text_ended(stop, ids[: n + 1]) for n in range(len(ids))]
    assert any(ended) and not ended[0]
    last = tokenizer.decode(ids[: ended.index(True) + 1])
    before = tokenizer.decode(ids[: ended.index(True)])
    assert TEXT_STOPS[stop](last) is not None and TEXT_STOPS[stop](before) is None
    assert set(TEXT_STOPS) == set(TEXTS)
