"""The tokenizer of a model folder: what kind it is, its files, and how it splits text.

`tokenizer.json` is what transformers reads; `tokenizer.model` (SentencePiece) is what llama.cpp and
other programs read. Both must say the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from glossary.errors import UserError
from glossary.i18n import _

Kind = Literal["sentencepiece-bpe", "sentencepiece-unigram", "bpe", "unigram"]
BATCH = 2000
JSON_FILE, MODEL_FILE, CONFIG_FILE = "tokenizer.json", "tokenizer.model", "tokenizer_config.json"
# What SentencePiece writes for a space, and its piece types (sentencepiece_model.proto).
SPACE = "▁"
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
_UNIGRAM, _BPE = 1, 2


@dataclass(slots=True)
class Tokenizer:
    """An opened tokenizer. `wrapped` is transformers' object, `state` the tokenizer.json as data,
    `proto` the SentencePiece model or None."""

    path: Path
    kind: Kind
    wrapped: Any
    state: dict[str, Any]
    proto: Any = None
    _parts: _Parts = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._parts = _Parts(self)

    @classmethod
    def open(cls, path: Path) -> Tokenizer:
        """The tokenizer in a model folder; UserError for a kind that cannot be edited here."""
        from engines.models.loading import load_tokenizer

        if not path.is_dir():
            raise UserError(_("There is no model folder {path}.").format(path=path))
        proto = _read_proto(path / MODEL_FILE)
        wrapped = load_tokenizer(path)
        if getattr(wrapped, "backend_tokenizer", None) is None:
            raise UserError(_unknown(path, type(wrapped).__name__))
        state = json.loads(wrapped.backend_tokenizer.to_str())
        return cls(path, _kind(path, state, proto), wrapped, state, proto)

    @classmethod
    def trial(cls, like: Tokenizer, state: dict[str, Any], proto: Any) -> Tokenizer:
        """A tokenizer of the same kind that was not written yet."""
        import tokenizers

        fast = tokenizers.Tokenizer.from_str(json.dumps(state))
        return cls(like.path, like.kind, _Trial(fast), state, proto)

    @property
    def fast(self) -> Any:
        """The tokenizers.Tokenizer that transformers uses."""
        return self.wrapped.backend_tokenizer

    @property
    def size(self) -> int:
        """One more than the highest token id."""
        return self._parts.size

    @property
    def vocabulary(self) -> dict[str, int]:
        """Every token with its id."""
        return self._parts.vocabulary

    @property
    def added(self) -> dict[str, int]:
        """Tokens that are taken out of a text before it is split."""
        return {t["content"]: t["id"] for t in self.state["added_tokens"]}

    @property
    def byte_level(self) -> bool:
        """Whether the pieces are made of bytes, as in GPT-2, Llama 3 and Qwen."""
        return "ByteLevel" in json.dumps([self.state["pre_tokenizer"], self.state["decoder"]])

    def encode(self, text: str) -> list[int]:
        """The ids of a text without the tokens that frame it."""
        found: list[int] = self.fast.encode(text, add_special_tokens=False).ids
        return found

    def encodings(self, texts: Sequence[str]) -> list[Any]:
        """Encodings with ids, tokens and offsets, computed together."""
        found: list[Any] = self.fast.encode_batch(list(texts), add_special_tokens=False)
        return found

    def ids(self, texts: Iterable[str]) -> Iterator[list[int]]:
        """The ids of each text, computed in batches on all cores."""
        for batch in batches(texts):
            for one in self.fast.encode_batch_fast(batch, add_special_tokens=False):
                yield one.ids

    def lengths(self, texts: Iterable[str]) -> Iterator[int]:
        """Tokens of each text."""
        for batch in batches(texts):
            for one in self.fast.encode_batch_fast(batch, add_special_tokens=False):
                yield len(one)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, nothing tidied."""
        found: str = self.fast.decode(list(ids), skip_special_tokens=False)
        return found

    def decode_many(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """The texts of rows of ids."""
        found: list[str] = self.fast.decode_batch([*map(list, rows)], skip_special_tokens=False)
        return found

    def shown(self, text: str) -> tuple[str, ...]:
        """The pieces of a text as a person reads them; bytes that are no letter as <0xNN>."""
        return tuple(self.piece(number) for number in self.encode(text))

    def piece(self, number: int) -> str:
        """One token as a person reads it."""
        token = self.fast.id_to_token(number) or ""
        if token.startswith("<0x") or number in self._parts.added_ids:
            return token
        if self.byte_level:
            return from_bytes(token)
        return token.replace(SPACE, " ")

    def slow(self) -> Any:
        """SentencePiece itself with this model, or None where there is none."""
        return self._parts.slow

    def byte_ids(self) -> frozenset[int]:
        """Tokens that are a part of a letter only."""
        return self._parts.byte_ids


@dataclass(frozen=True, slots=True)
class _Trial:
    """Stands for transformers' object around a tokenizer in memory."""

    backend_tokenizer: Any
    unk_token_id: int | None = None


class _Parts:
    """What is worked out once from a tokenizer."""

    def __init__(self, of: Tokenizer) -> None:
        self._of = of

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        found: dict[str, int] = self._of.fast.get_vocab(with_added_tokens=True)
        return found

    @cached_property
    def size(self) -> int:
        return max(self.vocabulary.values(), default=-1) + 1

    @cached_property
    def added_ids(self) -> frozenset[int]:
        return frozenset(self._of.added.values())

    @cached_property
    def slow(self) -> Any:
        if self._of.proto is None:
            return None
        import sentencepiece

        return sentencepiece.SentencePieceProcessor(model_proto=self._of.proto.SerializeToString())

    @cached_property
    def byte_ids(self) -> frozenset[int]:
        of = self._of
        if not of.byte_level:
            return frozenset(n for t, n in self.vocabulary.items() if _is_byte(t))
        found = (n for t, n in self.vocabulary.items() if "\ufffd" in from_bytes(t))
        return frozenset(set(found) - self.added_ids)


def batches(texts: Iterable[str], size: int = BATCH) -> Iterator[list[str]]:
    """Lists of up to `size` texts."""
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _read_proto(path: Path) -> Any:
    if not path.is_file():
        return None
    proto = new_proto()
    try:
        proto.ParseFromString(path.read_bytes())
    except Exception as error:  # protobuf's errors have no common base that is typed
        message = _("{path} is no SentencePiece model: {error}")
        raise UserError(message.format(path=path, error=error)) from None
    return proto


def new_proto() -> Any:
    """An empty SentencePiece model, of sentencepiece's own protobuf."""
    return import_module("sentencepiece.sentencepiece_model_pb2").ModelProto()


def _kind(path: Path, state: dict[str, Any], proto: Any) -> Kind:
    model = state["model"]["type"]
    if proto is not None:
        made = proto.trainer_spec.model_type
        if made == _BPE and model == "BPE":
            return "sentencepiece-bpe"
        if made == _UNIGRAM and model == "Unigram":
            return "sentencepiece-unigram"
        raise UserError(_unknown(path, f"SentencePiece {made}, {model}"))
    if model in ("BPE", "Unigram"):
        return "bpe" if model == "BPE" else "unigram"
    raise UserError(_unknown(path, model))


def _unknown(path: Path, kind: str) -> str:
    message = _(
        "{path} has a tokenizer of the kind {kind}, which kwtui does not rebuild: it knows "
        "SentencePiece (BPE, unigram) and BPE of the tokenizers library."
    )
    return message.format(path=path, kind=kind)


def _is_byte(token: str) -> bool:
    return len(token) == 6 and token.startswith("<0x") and token.endswith(">")


def _byte_table() -> dict[str, int]:
    """The letters that stand for bytes in byte-level vocabularies (GPT-2's bytes_to_unicode)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {chr(byte): byte for byte in plain}
    others = [byte for byte in range(256) if byte not in set(plain)]
    return table | {chr(256 + n): byte for n, byte in enumerate(others)}


_BYTES = _byte_table()


def from_bytes(token: str) -> str:
    """The text of a byte-level token; U+FFFD where it holds a part of a letter only."""
    try:
        return bytes(_BYTES[letter] for letter in token).decode("utf-8", "replace")
    except KeyError:
        return token
