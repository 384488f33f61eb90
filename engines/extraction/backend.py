"""Who answers the questions: a model in this process, or a server (engines.extraction.remote)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from engines.models.chat import PlainTemplate, Rendered, control_tokens
from engines.models.loading import LoadedModel

if TYPE_CHECKING:
    from engines.extraction.decoding import Decoded, Decoder, Request
    from engines.models.chat import Message

FALLBACK_CONTEXT = 4096


@dataclass(frozen=True, slots=True)
class Ask:
    """One conversation to be answered about `text`; `allowed`: surfaces that it does not hold."""

    messages: Sequence[Message]
    text: str
    allowed: tuple[str, ...] = ()
    constrained: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the raw answer, how the prompt was made, and what both cost in tokens.

    `sureness`: the geometric mean of the probabilities of the answer's tokens, where known.
    `error`: why there is no answer, in a sentence; `raw` is empty then.
    """

    raw: str
    template: str
    prompt_tokens: int
    new_tokens: int
    truncated: bool = False
    sureness: float | None = None
    error: str = ""


class Backend(Protocol):
    """What a strategy needs of whoever answers."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def context(self) -> int:
        """Tokens that prompt and answer may have together."""

    @property
    def marks(self) -> tuple[str, ...]:
        """Control tokens that must not stand in what others wrote."""

    @property
    def concurrent(self) -> int:
        """Conversations that may run at the same time, each in a thread; 0: one batch at a time."""

    def rendered(self, messages: Sequence[Message]) -> Rendered:
        """The text of the prompt, as far as it is known here."""

    def size(self, messages: Sequence[Message]) -> int:
        """Tokens of the whole prompt."""

    def count(self, text: str) -> int:
        """Tokens of a piece of text."""

    def answer(
        self,
        asks: Sequence[Ask],
        *,
        max_new_tokens: int,
        batch_size: int,
        on_progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[Answer]:
        """The answers in the order of `asks`; raises decoding.Cancelled."""


class LocalBackend:
    """A loaded model with its tokenizer."""

    concurrent = 0

    def __init__(self, loaded: LoadedModel, plain: PlainTemplate | None = None) -> None:
        self.name = loaded.name
        self.marks = control_tokens(loaded.tokenizer)
        self.context = context_length(loaded)
        self._loaded = loaded
        self._plain = plain
        self._plain_stop = (plain.separator,) if plain is not None and plain.separator else ()

    @cached_property
    def _decoder(self) -> Decoder:
        """Made when the model is first asked: prompts alone need no weights."""
        from engines.extraction.decoding import Decoder

        return Decoder(self._loaded)

    def rendered(self, messages: Sequence[Message]) -> Rendered:
        """The exact text that goes into the model."""
        from engines.models.chat import render

        return render(self._loaded.tokenizer, messages, self._plain)

    def size(self, messages: Sequence[Message]) -> int:
        """Tokens of the whole prompt."""
        from engines.models.chat import encode

        return len(encode(self._loaded.tokenizer, self.rendered(messages)))

    def count(self, text: str) -> int:
        """Tokens of a piece of text."""
        return len(self._loaded.tokenizer.encode(text, add_special_tokens=False))

    def answer(
        self,
        asks: Sequence[Ask],
        *,
        max_new_tokens: int,
        batch_size: int,
        on_progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[Answer]:
        """Greedy answers, `batch_size` texts at a time."""
        made = [self.request(ask) for ask in asks]
        decoded = self._decoder.generate(
            [request for request, _template in made],
            max_new_tokens=max_new_tokens,
            batch_size=batch_size,
            on_progress=on_progress,
            cancelled=cancelled,
        )
        return [
            _answer(request, template, one)
            for (request, template), one in zip(made, decoded, strict=True)
        ]

    def request(self, ask: Ask) -> tuple[Request, str]:
        """What the decoder gets for `ask`, token for token, and how the prompt was made."""
        from engines.extraction.decoding import Request
        from engines.models.chat import encode, stop_ids

        tokenizer, rendered = self._loaded.tokenizer, self.rendered(ask.messages)
        ids, stop = encode(tokenizer, rendered), tuple(stop_ids(tokenizer, rendered))
        ends = self._plain_stop if rendered.template == "plain" else ()
        request = Request(ids, ask.text, ask.allowed, ask.constrained, stop, ends)
        return request, rendered.template


def backend_of(loaded: LoadedModel | Backend, plain: PlainTemplate | None = None) -> Backend:
    """`loaded` as a backend: what is one already stays as it is."""
    return LocalBackend(loaded, plain) if isinstance(loaded, LoadedModel) else loaded


def context_length(loaded: LoadedModel) -> int:
    """Tokens that prompt and answer may have together, from the model's config."""
    config = loaded.model.config.get_text_config()
    length = getattr(config, "max_position_embeddings", None)
    return int(length) if length else FALLBACK_CONTEXT


def _answer(request: Request, template: str, decoded: Decoded) -> Answer:
    size = len(request.prompt_ids)
    new, cut = decoded.new_tokens, decoded.truncated
    return Answer(decoded.raw, template, size, new, cut, decoded.sureness)
