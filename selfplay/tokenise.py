"""From a rendered prompt to token ids. No torch, no Ray."""

from __future__ import annotations

from typing import Any

from envs import Prompt
from envs.errors import InputError


class PromptTooLong(InputError):
    """A prompt and its answer do not fit the model's context."""


def prompt_ids(tokenizer: Any, prompt: Prompt, context: int) -> tuple[int, ...]:
    """Tokenise a rendered prompt; chat messages go through the tokenizer's chat template.

    Raises:
        PromptTooLong: the prompt and its answer do not fit the model's context.
        InputError: the tokenizer has no chat template and the prompt needs one.
    """
    if prompt.messages is not None:
        if not tokenizer.chat_template:
            raise InputError("chess.style=chat: this model has no chat template; use fen_legal")
        ids = tokenizer.apply_chat_template(
            list(prompt.messages), add_generation_prompt=True, tokenize=True, return_dict=False
        )
    else:
        ids = tokenizer(prompt.text, add_special_tokens=False).input_ids
    if len(ids) + prompt.max_tokens > context:
        raise PromptTooLong(
            f"chess.max_tokens: a prompt of {len(ids)} tokens and {prompt.max_tokens} more exceed "
            f"the model's context of {context}"
        )
    return tuple(ids)
