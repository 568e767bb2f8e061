"""What of a completion is the answer: neither the reasoning before it nor what follows its end.

Reasoning models write their thoughts between tags and the answer after them; chat models may end a
turn with a token that was decoded to text. LiveCodeBench, NeMo-Skills and evalscope cut both before
they look for an answer, and of several fenced blocks take the last. Every pass here is linear.
"""

from __future__ import annotations

import re

_WORDS = (
    "think|thinking|thought|thoughts|reasoning|reason|analysis|reflection|scratchpad|seed:think"
)
_TAG = re.compile(
    rf"<(?P<close>/)?(?:{_WORDS})>"
    r"|\[(?P<close_2>/)?THINK\]"
    r"|\u25c1(?P<close_3>/)?think\u25b7"
    r"|<\|(?:begin|(?P<close_4>end))_of_thought\|>",
    re.IGNORECASE,
)
"""Of DeepSeek-R1, Qwen and many others; of Seed-OSS; of Magistral; of Kimi; of Sky-T1."""
_CHANNEL, _MESSAGE = "<|channel|>", "<|message|>"
"""OpenAI's harmony format: a header between the two names the channel, `final` is the answer."""
_END = re.compile(
    r"<\|(?:im_end|im_start|endoftext|end_of_text|eot_id|eom_id|end|return|call|eos|endofturn"
    r"|start_header_id|END_OF_TURN_TOKEN)\|>"
    r"|<(?:end_of_turn|start_of_turn|file_separator)>|<\uff5c(?:end\u2581of\u2581sentence|User)\uff5c>"
    r"|(?:</s>|<eos>|\[EOS\]|<EOS>)(?=\s*\Z|[ \t]*\n|<)"
)
"""Tokens that end a turn, or begin the next one."""
_WRAPPER = re.compile(r"</?(?:answer|solution|response|final)>|<\|(?:begin|end)_of_solution\|>")
_QUOTES = "\"'`"
_NEAR = 200
"""Characters on either side in which a quoted tag has its quotes."""


def answer_of(completion: str) -> str | None:
    """Return the part of a completion that answers; None while its reasoning has not ended.

    What stands between a pair of reasoning tags, or before a closing one whose opening stood in the
    prompt, is no answer; nor is a channel of harmony's but the final one. The answer is what
    follows the last reasoning, or what came before it where nothing follows. It ends at a token
    that ends a turn. Tags and tokens in quotation marks are text. Nothing else is changed.
    """
    text = completion.removeprefix("\ufeff")
    if _CHANNEL in text:
        final = _final_channel(text)
        if final is None:
            return None
        text = final
    text = _until_end(text)
    kept, open_at, since = "", False, 0
    for match in _TAG.finditer(text):
        if _quoted(text, match):
            continue
        closes = any(match[name] for name in ("close", "close_2", "close_3", "close_4"))
        if closes:
            kept = kept if open_at else ""  # all before it was reasoning that the prompt began
        elif not open_at:
            kept = text[since : match.start()] if text[since : match.start()].strip() else kept
        open_at, since = not closes, match.end()
    if open_at:
        return None
    rest = text[since:]
    return _unwrapped(rest if rest.strip() or not kept else kept)


def _final_channel(text: str) -> str | None:
    """Return the last message of harmony's final channel; None where there is none yet."""
    found = None
    start = 0
    while (at := text.find(_CHANNEL, start)) >= 0:
        begins = text.find(_MESSAGE, at)
        start = at + len(_CHANNEL)
        if 0 <= begins < at + 200 and text[start:begins].lstrip().startswith("final"):
            found = begins + len(_MESSAGE)
        elif begins < 0:
            break
    return None if found is None else text[found:]


def _until_end(text: str) -> str:
    """Return `text` up to the first token that ends a turn; one at its beginning is passed over."""
    begins = 0
    for match in _END.finditer(text):
        if not text[begins : match.start()].strip():
            begins = match.end()
        elif not _quoted(text, match):
            return text[begins : match.start()]
    return text[begins:]


def _unwrapped(text: str) -> str:
    """Return what stands in `<answer>` tags, where the answer begins or ends with one."""
    for _ in range(2):
        inner = text.strip()
        first, last = _WRAPPER.match(inner), inner.rfind("<")
        if first is not None:
            text = inner[first.end() :]
        elif last >= 0 and _WRAPPER.fullmatch(inner, last):
            text = text[: text.rfind("<")]
    return text


def _quoted(text: str, match: re.Match[str]) -> bool:
    """Return whether a tag stands in quotation marks that open and close on its line."""
    before = text[max(0, match.start() - _NEAR) : match.start()].rpartition("\n")[2]
    after = text[match.end() : match.end() + _NEAR].partition("\n")[0]
    return any(before.count(quote) % 2 and quote in after for quote in _QUOTES)
