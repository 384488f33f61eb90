"""A chat template as what stands around its turns, read off its own rendering.

Ollama has templates of another kind (Go's); what a chat template writes around a system message,
a question and an answer is all that they need.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engines.models.chat import Message, PlainTemplate, render
from glossary.errors import UserError
from glossary.i18n import _

_SYSTEM, _FIRST, _ANSWER, _SECOND = "kwtuisystemq", "kwtuifirstq", "kwtuianswerq", "kwtuisecondq"


@dataclass(frozen=True, slots=True)
class Turns:
    """What a model reads around each part of a conversation, without the begin-of-text token.

    A conversation is `before_system` SYSTEM `after_system` QUESTION `to_answer` ANSWER
    `to_question` QUESTION `to_answer`; without a system message it begins with `start`.
    """

    start: str
    before_system: str
    after_system: str
    to_answer: str
    to_question: str
    stop: tuple[str, ...]


def read_turns(tokenizer: Any, plain: PlainTemplate | None = None) -> Turns:
    """The turns of a tokenizer's chat template, or of the plain one; UserError if it has none."""
    begin = _rendered(tokenizer, plain, _talk(""))
    bare = _rendered(tokenizer, plain, _talk(_SYSTEM))
    try:
        start, rest = begin.text.split(_FIRST)
        to_answer, rest = rest.split(_ANSWER)
        to_question, last = rest.split(_SECOND)
        before_system, rest = bare.text.split(_SYSTEM)
        after_system = rest.split(_FIRST)[0]
    except ValueError:
        message = _("The chat template does not keep the messages as they are.")
        raise UserError(message) from None
    # A plain template writes nothing after the last question; the model writes it all.
    if not to_answer.startswith(last):
        message = _("The chat template writes later turns otherwise than the first one.")
        raise UserError(message)
    bos = tokenizer.bos_token or ""
    stop = tuple(begin.stop)
    return Turns(
        start.removeprefix(bos) if bos else start,
        before_system.removeprefix(bos) if bos else before_system,
        after_system,
        last,
        to_question,
        stop,
    )


def _talk(system: str) -> list[Message]:
    talk: list[Message] = [
        {"role": "user", "content": _FIRST},
        {"role": "assistant", "content": _ANSWER},
        {"role": "user", "content": _SECOND},
    ]
    return [{"role": "system", "content": system}, *talk] if system else talk


def _rendered(tokenizer: Any, plain: PlainTemplate | None, talk: Sequence[Message]) -> Any:
    return render(tokenizer, talk, plain)
