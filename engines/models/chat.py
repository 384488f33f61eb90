"""From messages to the exact string and token ids that a model is asked with.

Extraction, training and export all render through here, so that a model is trained on the very
tokens it is later asked with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypedDict


class Message(TypedDict):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class PlainTemplate(Protocol):
    """How a base model without a chat template is asked (`[plain_template]` in config.toml)."""

    @property
    def user(self) -> str:
        """Text of a user turn, with `{content}`."""

    @property
    def assistant(self) -> str:
        """Text of an answered turn, with `{content}`."""

    @property
    def separator(self) -> str:
        """What stands between two turns."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt ready for generation.

    `template` names how it was made; `stop` are the tokens (as text) that end the answer.
    """

    text: str
    template: Literal["chat", "chat, system folded", "chat, by the server", "plain"]
    stop: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DefaultPlain:
    """The plain template where no setting gives another."""

    user: str = "{content}"
    assistant: str = " {content}"
    separator: str = "\n\n"


# What ends a turn in the chat formats of Gemma, ChatML (Qwen), Llama 3 and Phi.
_TURN_ENDS = ("<end_of_turn>", "<|im_end|>", "<|eot_id|>", "<|end|>", "<turn|>")


_MARK = re.compile(r"[<\[|].*[A-Za-z].*[>\]|]")


def fold_system(messages: Sequence[Message]) -> list[Message]:
    """Put the system message at the head of the first user turn (Gemma 1 and 2 refuse the role)."""
    system = "\n".join(m["content"] for m in messages if m["role"] == "system")
    rest = [m for m in messages if m["role"] != "system"]
    if not system or not rest:
        return list(rest)
    first: Message = {"role": rest[0]["role"], "content": f"{system}\n\n{rest[0]['content']}"}
    return [first, *rest[1:]]


def render(
    tokenizer: Any, messages: Sequence[Message], plain: PlainTemplate | None = None
) -> Rendered:
    """Render `messages` (the last one from the user) up to where the answer begins."""
    if not getattr(tokenizer, "chat_template", None):
        return render_plain(messages, plain or DefaultPlain(), _eos(tokenizer))
    from jinja2.exceptions import TemplateError

    try:
        text, name = _apply(tokenizer, messages), "chat"
    except TemplateError:
        if not any(m["role"] == "system" for m in messages):
            raise
        text, name = _apply(tokenizer, fold_system(messages)), "chat, system folded"
    stop = tuple(end for end in _TURN_ENDS if _is_token(tokenizer, end))
    return Rendered(text, name, (*stop, *_eos(tokenizer)))  # type: ignore[arg-type]


def _apply(tokenizer: Any, messages: Sequence[Message]) -> str:
    text: str = tokenizer.apply_chat_template(
        list(messages), tokenize=False, add_generation_prompt=True
    )
    return text


def render_plain(
    messages: Sequence[Message], plain: PlainTemplate, stop: tuple[str, ...] = ()
) -> Rendered:
    """`messages` through the plain template, up to where the answer begins."""
    turns = [
        (plain.assistant if m["role"] == "assistant" else plain.user).replace(
            "{content}", m["content"]
        )
        for m in fold_system(messages)
    ]
    # An answer belongs to the prompt before it; only questions start a new paragraph.
    text = turns[0] if turns else ""
    for message, turn in zip(fold_system(messages)[1:], turns[1:], strict=True):
        text += turn if message["role"] == "assistant" else plain.separator + turn
    return Rendered(text, "plain", stop)


def _eos(tokenizer: Any) -> tuple[str, ...]:
    return (tokenizer.eos_token,) if tokenizer.eos_token else ()


def _is_token(tokenizer: Any, text: str) -> bool:
    token_id = tokenizer.convert_tokens_to_ids(text)
    return token_id is not None and token_id != tokenizer.unk_token_id


def encode(tokenizer: Any, rendered: Rendered) -> list[int]:
    """Token ids of a rendered prompt, with the begin-of-sequence token exactly once."""
    ids: list[int] = list(tokenizer(rendered.text, add_special_tokens=False)["input_ids"])
    bos = tokenizer.bos_token_id
    adds_bos = bos is not None and bos in tokenizer("", add_special_tokens=True)["input_ids"]
    if adds_bos and ids[:1] != [bos]:
        ids = [bos, *ids]
    return ids


def control_tokens(tokenizer: Any) -> tuple[str, ...]:
    """What steers a model when it stands in a prompt: the special tokens and the ends of turns."""
    found = dict.fromkeys(str(token) for token in getattr(tokenizer, "all_special_tokens", ()))
    added = getattr(tokenizer, "added_tokens_decoder", {})
    found |= dict.fromkeys(str(token) for token in added.values() if token.special)
    found |= dict.fromkeys(end for end in _TURN_ENDS if _is_token(tokenizer, end))
    starts = ("<start_of_turn>", "<|im_start|>", "<|start_header_id|>", "<|end_header_id|>")
    found |= dict.fromkeys(start for start in starts if _is_token(tokenizer, start))
    # Pieces such as "[]" that a tokenizer calls special steer nothing.
    return tuple(mark for mark in found if _MARK.fullmatch(mark))


def encode_answer(tokenizer: Any, rendered: Rendered, answer: str) -> list[int]:
    """Token ids of an answer with the token that ends it: what a model learns to write."""
    ids: list[int] = list(tokenizer(answer, add_special_tokens=False)["input_ids"])
    ends = stop_ids(tokenizer, rendered)
    return [*ids, ends[0]] if ends else ids


def stop_ids(tokenizer: Any, rendered: Rendered) -> list[int]:
    """Ids of the tokens that end an answer, the usual one first."""
    ids = [tokenizer.convert_tokens_to_ids(token) for token in rendered.stop]
    return list(dict.fromkeys(i for i in ids if i is not None))
