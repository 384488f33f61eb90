"""A model behind an OpenAI-compatible server: llama.cpp, vLLM, Ollama, or many behind one address.

https://platform.openai.com/docs/api-reference/chat, https://docs.vllm.ai/en/latest/serving,
https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from engines import trust
from engines.extraction.backend import FALLBACK_CONTEXT, Answer, Ask
from engines.extraction.decoding import Cancelled
from engines.extraction.grammar import before_loop, parse_answer
from engines.extraction.remote_client import Client, Refused, Unusable
from engines.extraction.remote_grammar import Dialect, candidates, proves
from engines.models.chat import DefaultPlain, PlainTemplate, Rendered, render_plain
from engines.settings import ServerSettings, Settings, StrategySettings
from glossary.errors import UserError
from glossary.i18n import _

if TYPE_CHECKING:
    from engines.models.chat import Message

# How long a server may be away when a strategy is opened.
OPENING_PATIENCE = 2.0
PROBE_TOKENS = 24
# Control tokens of the common chat formats: whose tokenizer it is, is not known here.
MARKS = (
    *("<bos>", "<eos>", "<pad>", "<s>", "</s>", "<unk>", "<|endoftext|>", "<|begin_of_text|>"),
    *("<start_of_turn>", "<end_of_turn>", "<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|end|>"),
    *("<|start_header_id|>", "<|end_header_id|>", "<turn|>", "<|turn>", "[INST]", "[/INST]"),
    *("<<SYS>>", "<</SYS>>", "<|user|>", "<|assistant|>", "<|system|>", "<think>", "</think>"),
)
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL)


class RemoteModel:
    """What `strategy.server` answers with; a Backend that takes many conversations at a time.

    Opening it asks the server for its models and tries how it can be told the form of an answer.
    Raises UserError when the server has no such model, FailedError when it does not answer.
    """

    def __init__(
        self,
        strategy: StrategySettings,
        place: ServerSettings,
        plain: PlainTemplate | None = None,
    ) -> None:
        self.name = strategy.model
        self.marks = MARKS
        self.address = place.address
        self.context = FALLBACK_CONTEXT
        self.dialect: Dialect | None = None
        self._chat = strategy.server_api == "chat"
        self._plain = plain or DefaultPlain()
        self._client = Client(place)
        self._lock = threading.Lock()
        try:
            owner = self._meet()
            if strategy.constrained:
                self.dialect = self._find_dialect(owner)
        except BaseException:
            self._client.close()
            raise

    @property
    def concurrent(self) -> int:
        """Conversations that may run at the same time."""
        return self._client.concurrency

    def rendered(self, messages: Sequence[Message]) -> Rendered:
        """The prompt as far as it is known here: a chat is put into its template by the server."""
        if self._chat:
            return Rendered("\n".join(m["content"] for m in messages), "chat, by the server", ())
        return render_plain(messages, self._plain)

    def size(self, messages: Sequence[Message]) -> int:
        """About how many tokens the whole prompt has."""
        return 8 + sum(8 + self.count(message["content"]) for message in messages)

    def count(self, text: str) -> int:
        """About how many tokens `text` has, rather too many than too few.

        Half a token a byte: 1.5 a Korean syllable, where Gemma and Qwen take 0.5 to 1.
        """
        return (len(text.encode()) + 1) // 2

    def answer(
        self,
        asks: Sequence[Ask],
        *,
        max_new_tokens: int,
        batch_size: int,
        on_progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[Answer]:
        """The answers in the order of `asks`; one that never came holds an error instead."""
        done = 0

        def one(ask: Ask) -> Answer:
            nonlocal done
            answer = self._one(ask, max_new_tokens, cancelled)
            with self._lock:
                done += 1
                if on_progress is not None:
                    on_progress(done, len(asks))
            return answer

        if len(asks) < 2:
            return [one(ask) for ask in asks]
        with ThreadPoolExecutor(min(len(asks), self.concurrent)) as pool:
            return list(pool.map(one, asks))

    def close(self) -> None:
        """End whatever is being asked."""
        self._client.close()

    def _one(self, ask: Ask, limit: int, cancelled: Callable[[], bool] | None) -> Answer:
        if cancelled is not None and cancelled():
            raise Cancelled
        fields: Mapping[str, Any] = {}
        if ask.constrained and self.dialect is not None:
            fields = self.dialect.fields(ask.text, ask.allowed)
        rendered = self.rendered(ask.messages)
        try:
            values = self._client.post(
                *self._request(ask.messages, limit, fields),
                check=_told if fields else _answer_in,
                cancelled=cancelled,
            )
        except Refused as refusal:
            return Answer("", rendered.template, 0, 0, error=self._sentence(ask, refusal))
        raw, truncated = _answer_in(values)
        raw = _THOUGHT.sub("", raw)
        if fields and (cut := before_loop(raw)) is not None:
            raw, truncated = cut, False
        used = values.get("usage") or {}
        return Answer(
            raw,
            rendered.template,
            int(used.get("prompt_tokens") or self.size(ask.messages)),
            int(used.get("completion_tokens") or self.count(raw)),
            truncated,
        )

    def _request(
        self, messages: Sequence[Message], limit: int, fields: Mapping[str, Any]
    ) -> tuple[str, dict[str, Any]]:
        body: dict[str, Any] = {"model": self.name, "temperature": 0, "seed": 0}
        body |= {"max_tokens": limit, "stream": False, **fields}
        if self._chat:
            return f"{self._client.address}/chat/completions", body | {"messages": list(messages)}
        rendered = self.rendered(messages)
        stop = [self._plain.separator] if self._plain.separator else []
        return f"{self._client.address}/completions", body | {"prompt": rendered.text, "stop": stop}

    def _sentence(self, ask: Ask, refusal: Refused) -> str:
        """Why `ask` has no answer; UserError where no other would have one either."""
        if refusal.status == 404:
            message = _("{address} knows no such model or address ({reason}).")
            raise UserError(
                message.format(address=self.address, reason=refusal.reason)
            ) from refusal
        message = _("The server did not answer about the text '{text}' ({reason}).")
        shown = ask.text if len(ask.text) <= 40 else f"{ask.text[:40]}…"
        return message.format(text=shown, reason=refusal.reason)

    def _meet(self) -> str:
        """Check that the server is there and has the model; who it says its models belong to."""
        client = self._client
        try:
            listed = client.get(f"{client.address}/models", patience=OPENING_PATIENCE)
        except Refused as refusal:
            if refusal.status == 404 and not client.address.endswith("/v1"):
                message = _("{address} is no OpenAI-compatible address; it mostly ends in /v1.")
                raise UserError(message.format(address=client.address)) from refusal
            return ""
        models = _listed(listed)
        owner = next((str(m.get("owned_by") or "") for m in models.values()), "")
        found = models.get(self.name) or models.get(f"{self.name}:latest")
        if found is None and owner == "llamacpp" and len(models) == 1:
            # It answers with the one model it has, whatever it is called.
            found = next(iter(models.values()))
        if models and found is None:
            message = _("The server {address} has no model '{name}'. It has: {names}.")
            names = ", ".join(sorted(models)[:20])
            raise UserError(message.format(address=client.address, name=self.name, names=names))
        self.context = self._context(found or {}, owner)
        return owner

    def _context(self, model: Mapping[str, Any], owner: str) -> int:
        length = model.get("max_model_len")
        if owner == "llamacpp":
            try:
                props = self._client.get(f"{self._client.root}/props", patience=OPENING_PATIENCE)
                length = (props.get("default_generation_settings") or {}).get("n_ctx")
            except (Refused, AttributeError):
                length = (model.get("meta") or {}).get("n_ctx_train")
        return length if isinstance(length, int) and length > 0 else FALLBACK_CONTEXT

    def _find_dialect(self, owner: str) -> Dialect | None:
        """The best way to constrain answers that this server keeps to; None: there is none."""
        messages: list[Message] = [{"role": "user", "content": "[]"}]
        for dialect in candidates(owner):
            request = self._request(messages, PROBE_TOKENS, dialect.probe)
            try:
                raw, _truncated = _answer_in(self._client.post(*request, check=_answer_in))
            except Refused as refusal:
                if refusal.status == 404:
                    message = _("{address} knows no such model or address ({reason}).")
                    said = message.format(address=self.address, reason=refusal.reason)
                    raise UserError(said) from refusal
                continue
            if proves(raw):
                return dialect
        return None


def server_of(name: str, strategy: StrategySettings, settings: Settings) -> ServerSettings:
    """The server that the strategy `name` asks; UserError when it may not, or there is none."""
    if strategy.server == trust.WAITING:
        message = _(
            "The strategy '{name}' asks a server, and this workspace is not trusted yet: "
            "`kwtui trust` shows where its texts would go and asks you."
        )
        raise UserError(message.format(name=name))
    if "://" in strategy.server:
        return ServerSettings(address=strategy.server)
    found = settings.servers.get(strategy.server)
    if found is None:
        message = _(
            "The strategy '{name}' asks the server '{server}', which is no URL and no name of "
            "[servers] in config.toml. There are: {names}."
        )
        names = ", ".join(sorted(settings.servers)) or "-"
        raise UserError(message.format(name=name, server=strategy.server, names=names))
    return found


def _listed(listed: Any) -> dict[str, Mapping[str, Any]]:
    values = listed.get("data") if isinstance(listed, dict) else None
    rows = [row for row in values or [] if isinstance(row, dict)]
    return {str(row.get("id")): row for row in rows}


def _answer_in(values: Any) -> tuple[str, bool]:
    """The text of an answer and whether it was cut off; Unusable when there is none."""
    try:
        choice = values["choices"][0]
        content = choice["message"]["content"] if "message" in choice else choice["text"]
        cut = choice.get("finish_reason") == "length"
    except (TypeError, KeyError, IndexError, AttributeError):
        raise Unusable(_("an answer of unknown shape")) from None
    if not content and not cut:
        raise Unusable(_("an empty answer"))
    return str(content or ""), cut


def _told(values: Any) -> None:
    """Unusable for an answer that has not the form which the server was told."""
    raw, cut = _answer_in(values)
    if not cut and not parse_answer(_THOUGHT.sub("", raw))[1]:
        raise Unusable(_("an answer that is no list of strings"))
