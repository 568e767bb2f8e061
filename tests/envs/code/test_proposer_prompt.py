"""How a proposal is asked for, and where the answer ends."""

from __future__ import annotations

import re

from envs.code.families import FAMILIES, HELDOUT, TRAIN
from envs.code.proposer import Proposal, parse, render, request
from envs.stops import calls_end

GOOD = '''def weave(xs, k):
    """Return every second number, times k."""
    return [x * k for x in xs[::2]]

weave([1, 2, 3], 2)
weave([], 5)
weave([4, 5], -1)
weave([7], 3)
'''


def test_the_prompt_shows_the_form_it_asks_for() -> None:
    text = render(request(3), "completion", 200).text
    assert text is not None and text.endswith("\n\ndef")
    examples = text.split("\n\n\n")
    assert len(examples) == 3
    for example in examples[:2]:
        shown = re.sub(r"^# Small.*\n\n", "", example)
        proposal = parse(shown)
        assert isinstance(proposal, Proposal), (shown, proposal)
    assert text != render(request(4), "completion", 200).text
    assert text == render(request(3), "completion", 200).text


def test_a_proposal_ends_where_the_next_one_begins() -> None:
    """Whatever is drawn after the stop makes no difference to what is read."""
    prompt = render(request(3), "completion", 200)
    assert prompt.stop == "calls"
    text = GOOD.removeprefix("def")
    for rest in ("\n\n\ndef other(x):\n    return 1\n", "\nSo it is.\nIndeed.\nAnd so on"):
        end = calls_end(text + rest)
        assert end is not None and len(text) - 1 <= end <= len(text) + 3
        assert parse((text + rest)[:end]) == parse(GOOD)


def test_the_chat_prompt_asks_for_one_block() -> None:
    prompt = render(request(3), "chat", 200)
    assert prompt.text is None and prompt.messages is not None and prompt.stop == "eos"
    content = prompt.messages[0]["content"]
    assert content.count("```") == 2 and "without imports" in content
    names = {name for family in HELDOUT for name in FAMILIES[family].names}
    names -= {name for family in TRAIN for name in FAMILIES[family].names}
    assert not names & set(re.findall(r"def (\w+)", content))
