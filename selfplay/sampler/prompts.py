"""From a rendered prompt to token ids, and from a completion's ids to its text.

A completion follows its prompt, which tokenizers do not know: those of SentencePiece's kind
put a space before a text and take one away before the first token, so that a completion's own
leading space would come twice or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from envs import Prompt
from envs.errors import InputError

_BEFORE = ":"
"""What stands before a completion where the tokenizer would take its beginning for a text's."""


class PromptTooLong(InputError):
    """A prompt and its answer do not fit the model's context."""


def prompt_ids(tokenizer: Any, prompt: Prompt, context: int) -> tuple[int, ...]:
    """Tokenise a rendered prompt; chat messages go through the tokenizer's chat template.

    A prompt begins with the token of beginning, if the tokenizer puts one before every text:
    Llama and Gemma were trained with it. The template of a chat has its own.

    Raises:
        PromptTooLong: the prompt and its answer do not fit the model's context.
        InputError: the tokenizer has no chat template and the prompt needs one.
    """
    if prompt.messages is not None:
        if not tokenizer.chat_template:
            raise InputError(
                "the prompt is a chat and this model has no chat template: use another style"
            )
        ids = tokenizer.apply_chat_template(
            list(prompt.messages), add_generation_prompt=True, tokenize=True, return_dict=False
        )
    else:
        ids = [*_beginning(tokenizer), *_ids(tokenizer, prompt.text or "")]
    if len(ids) + prompt.max_tokens > context:
        raise PromptTooLong(
            f"max_tokens: a prompt of {len(ids)} tokens and {prompt.max_tokens} more exceed the "
            f"model's context of {context}"
        )
    return tuple(ids)


def answer_ids(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of a text that continues a prompt."""
    if not _adds_spaces(tokenizer):
        return _ids(tokenizer, text)
    before = _ids(tokenizer, _BEFORE)
    whole = _ids(tokenizer, _BEFORE + text)
    ways = [whole[len(before) :]] if whole[: len(before)] == before else []
    # The space that the tokenizer adds is the one that the text begins with.
    ways += [_ids(tokenizer, text.removeprefix(" ")), _ids(tokenizer, text)]
    return next((ids for ids in ways if answer_text(tokenizer, ids) == text), ways[-1])


def answer_text(tokenizer: Any, ids: Sequence[int], *, skip_special: bool = True) -> str:
    """Return the text of ids that were drawn after a prompt, its leading spaces included."""
    if not _adds_spaces(tokenizer):
        return _text(tokenizer, ids, skip_special)
    before = _ids(tokenizer, _BEFORE)
    return _text(tokenizer, [*before, *ids], skip_special).removeprefix(
        _text(tokenizer, before, skip_special)
    )


def _beginning(tokenizer: Any) -> list[int]:
    """Return what the tokenizer puts before every text, if it is the token of beginning."""
    bos = tokenizer.bos_token_id
    return [bos] if bos is not None and list(tokenizer("a").input_ids[:1]) == [bos] else []


def _adds_spaces(tokenizer: Any) -> bool:
    """Whether a text's leading space is lost or doubled on the way to ids and back."""
    known = getattr(tokenizer, "_selfplay_adds_spaces", None)
    if known is None:
        ids = _ids(tokenizer, " a")
        whole, first = (_text(tokenizer, part, False) for part in (ids, ids[:1]))
        known = whole != " a" or first[:1] != " "
        tokenizer._selfplay_adds_spaces = known
    return bool(known)


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False).input_ids)


def _text(tokenizer: Any, ids: Sequence[int], skip_special: bool) -> str:
    # Some tokenizers still ask for spaces before full stops and quotes to be taken out.
    decoded: str = tokenizer.decode(
        list(ids), skip_special_tokens=skip_special, clean_up_tokenization_spaces=False
    )
    return decoded
