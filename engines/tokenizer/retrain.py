"""A vocabulary learnt anew from the domain and general text, the model's rows carried over."""

from __future__ import annotations

import copy
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engines.tokenizer.files import (
    CONFIG_FILE,
    JSON_FILE,
    MODEL_FILE,
    NORMAL,
    UNUSED,
    USER_DEFINED,
    Tokenizer,
    new_proto,
)
from engines.tokenizer.merging import every_merge
from glossary.errors import FailedError, UserError
from glossary.i18n import _

Learnt = Literal["same", "bpe", "unigram"]
KINDS: tuple[Learnt, ...] = ("same", "bpe", "unigram")
SIZE = 32_000
_LIMIT = re.compile(r"<=\s*(\d+)")
_MOST_LETTERS = 4192  # longest sentence in bytes that SentencePiece reads
_TAKEN = 2_000_000  # sentences that it learns from at most


@dataclass(frozen=True, slots=True)
class Course:
    """What a vocabulary is learnt from and how large it becomes; `symbols` are one token each."""

    texts: Iterable[str]
    size: int = SIZE
    symbols: Sequence[str] = ()
    kind: Learnt = "same"
    seed: int = 7


def learn(old: Tokenizer, folder: Path, course: Course) -> Tokenizer:
    """Learn a vocabulary of `course.size` and write its files into `folder`; special tokens and
    symbols of the old one keep their ids.

    Raises UserError when the texts do not carry so many pieces (with the largest number they do)
    or when the size leaves no room for the old special tokens.
    """
    _refuse_size(old, course.size)
    if old.proto is None:
        if course.kind not in ("same", old.kind):
            message = _("A tokenizer of the kind {kind} stays so: leave the kind as it is.")
            raise UserError(message.format(kind=old.kind))
        state = _learn_json(old, course)
        text = json.dumps(state, ensure_ascii=False, indent=1) + "\n"
        (folder / JSON_FILE).write_text(text, encoding="utf-8")
        for name in ("vocab.json", "merges.txt", "added_tokens.json"):
            (folder / name).unlink(missing_ok=True)
        return Tokenizer.open(folder)
    unigram = course.kind == "unigram" or (
        course.kind == "same" and old.kind == "sentencepiece-unigram"
    )
    proto = _in_old_places(old, _learn_proto(old, course, unigram), course.symbols)
    (folder / MODEL_FILE).write_bytes(proto.SerializeToString())
    state = _state_of(old, proto, unigram, course.symbols)
    text = json.dumps(state, ensure_ascii=False, indent=1) + "\n"
    (folder / JSON_FILE).write_text(text, encoding="utf-8")
    if unigram != (old.kind == "sentencepiece-unigram"):
        _name_class(folder)
    return Tokenizer.open(folder)


def _refuse_size(old: Tokenizer, size: int) -> None:
    needed = max((t["id"] for t in old.state["added_tokens"]), default=-1) + 1
    floor = max(needed, 300)
    if size < floor:
        message = _(
            "A vocabulary of {size} has no room for the special tokens, which must keep their ids: "
            "give at least {floor}."
        )
        raise UserError(message.format(size=size, floor=floor))


def _symbols(old: Tokenizer, symbols: Sequence[str]) -> list[str]:
    """User-defined symbols of the old model, then the new ones."""
    kept = [p.piece for p in old.proto.pieces if p.type == USER_DEFINED]
    return list(dict.fromkeys([*kept, *symbols]))


def _learn_proto(old: Tokenizer, course: Course, unigram: bool) -> Any:
    import sentencepiece

    spec, normal = old.proto.trainer_spec, old.proto.normalizer_spec
    written = io.BytesIO()
    options: dict[str, Any] = {
        "model_type": "unigram" if unigram else "bpe",
        "vocab_size": course.size,
        "user_defined_symbols": _symbols(old, course.symbols),
        "byte_fallback": True,
        "character_coverage": 0.9999,
        "normalization_rule_name": normal.name or "identity",
        "add_dummy_prefix": normal.add_dummy_prefix,
        "remove_extra_whitespaces": normal.remove_extra_whitespaces,
        "control_symbols": [p.piece for p in _controls(old)],
        "input_sentence_size": _TAKEN,
        "shuffle_input_sentence": False,
        "num_threads": 1,
        "minloglevel": 2,
    }
    for name in ("unk", "bos", "eos", "pad"):
        number = getattr(spec, f"{name}_id")
        options[f"{name}_id"] = number
        if number >= 0:
            options[f"{name}_piece"] = old.proto.pieces[number].piece
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_short(course.texts), model_writer=written, **options
        )
    except (RuntimeError, OSError) as error:
        raise _too_small(str(error), course.size) from None
    proto = new_proto()
    proto.ParseFromString(written.getvalue())
    if unigram:
        _make_sums_exact(proto)
    return proto


def _make_sums_exact(proto: Any) -> None:
    """Round scores to 1/256, so that sums of them are exact in float32 and float64 alike.

    SentencePiece adds the one, the tokenizers library the other; of two ways of equal score
    ("..." + ".." or ".." + "...") they would else choose by their rounding.
    """
    for piece in proto.pieces:
        piece.score = round(piece.score * 256) / 256


def _controls(old: Tokenizer) -> list[Any]:
    from engines.tokenizer.files import CONTROL

    spec = old.proto.trainer_spec
    framing = {spec.unk_id, spec.bos_id, spec.eos_id, spec.pad_id}
    pieces = enumerate(old.proto.pieces)
    return [p for number, p in pieces if p.type == CONTROL and number not in framing]


def _too_small(said: str, size: int) -> UserError:
    """SentencePiece's own error names the largest size; told as a sentence."""
    found = _LIMIT.search(said)
    if found:
        message = _(
            "These texts do not carry a vocabulary of {size}; the largest they can is {largest}: "
            "give --size {largest}, or more text."
        )
        return UserError(message.format(size=size, largest=found[1]))
    return FailedError(_("SentencePiece ended with: {error}").format(error=said[-200:]))


def _short(texts: Iterable[str]) -> Iterator[str]:
    """Lines of texts, the too long ones cut at spaces."""
    for text in texts:
        for line in text.splitlines():
            while len(line.encode()) > _MOST_LETTERS:
                at = line.rfind(" ", 0, _MOST_LETTERS // 4)
                at = at if at > 0 else _MOST_LETTERS // 4
                yield line[:at]
                line = line[at:]
            if line.strip():
                yield line


def _in_old_places(old: Tokenizer, proto: Any, symbols: Sequence[str]) -> Any:
    """The same model, its special pieces and old symbols at the ids they had."""
    wanted = {
        p.piece: number
        for number, p in enumerate(old.proto.pieces)
        if p.type != NORMAL and p.type != UNUSED and number < len(proto.pieces)
    }
    pieces = {p.piece: copy.deepcopy(p) for p in proto.pieces}
    placed: dict[int, Any] = {
        number: pieces[piece] for piece, number in wanted.items() if piece in pieces
    }
    held = {p.piece for p in placed.values()}
    rest = iter([p for p in proto.pieces if p.piece not in held])
    ordered = [placed[n] if n in placed else copy.deepcopy(next(rest)) for n in range(len(pieces))]
    made = copy.deepcopy(proto)
    del made.pieces[:]
    made.pieces.extend(ordered)
    return made


def _state_of(old: Tokenizer, proto: Any, unigram: bool, symbols: Sequence[str]) -> dict[str, Any]:
    """The tokenizer.json of a SentencePiece model, framed as the old one."""
    state = copy.deepcopy(old.state)
    number_of = {p.piece: n for n, p in enumerate(proto.pieces)}
    if unigram:
        state["model"] = {
            "type": "Unigram",
            "unk_id": proto.trainer_spec.unk_id,
            "vocab": [[p.piece, p.score] for p in proto.pieces],
            "byte_fallback": True,
        }
    else:
        state["model"] = {
            **(old.state["model"] if old.state["model"]["type"] == "BPE" else _plain_bpe(proto)),
            "vocab": number_of,
            "merges": every_merge(proto),
        }
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    known = {t["content"] for t in state["added_tokens"]}
    for symbol in symbols:
        if symbol not in known:
            state["added_tokens"].append({"id": number_of[symbol], "content": symbol, **plain})
    state["added_tokens"].sort(key=lambda token: token["id"])
    return state


def _plain_bpe(proto: Any) -> dict[str, Any]:
    unknown = proto.pieces[proto.trainer_spec.unk_id].piece
    empty = dict.fromkeys(("dropout", "continuing_subword_prefix", "end_of_word_suffix"))
    return {
        "type": "BPE",
        **empty,
        "unk_token": unknown,
        "fuse_unk": True,
        "byte_fallback": True,
        "ignore_merges": False,
    }


def _learn_json(old: Tokenizer, course: Course) -> dict[str, Any]:
    """A BPE vocabulary of the tokenizers library, with the old one's splitting and framing."""
    import tokenizers
    from tokenizers import models, pre_tokenizers, trainers

    if old.kind != "bpe":
        raise UserError(_("A unigram vocabulary without a tokenizer.model cannot be learnt anew."))
    alphabet = pre_tokenizers.ByteLevel.alphabet() if old.byte_level else []
    added = old.state["added_tokens"]
    fresh = tokenizers.Tokenizer(
        models.BPE(
            **{
                name: old.state["model"][name]
                for name in ("unk_token", "fuse_unk", "byte_fallback")
                if old.state["model"].get(name) is not None
            }
        )
    )
    fresh.pre_tokenizer = old.fast.pre_tokenizer
    if old.fast.normalizer is not None:
        fresh.normalizer = old.fast.normalizer
    room = course.size - len(added) - len(course.symbols)
    trainer = trainers.BpeTrainer(
        vocab_size=room, initial_alphabet=alphabet, show_progress=False, min_frequency=2
    )
    fresh.train_from_iterator(_short(course.texts), trainer)
    learnt = json.loads(fresh.to_str())["model"]
    got = len(learnt["vocab"])
    if got < room:
        raise _too_small(f"<= {course.size - room + got}", course.size)
    return _json_state(old, learnt, course.symbols)


def _json_state(old: Tokenizer, learnt: dict[str, Any], symbols: Sequence[str]) -> dict[str, Any]:
    """Learnt pieces around the added tokens of the old vocabulary, which keep their ids."""
    state = copy.deepcopy(old.state)
    taken = {t["id"]: t["content"] for t in state["added_tokens"]}
    free = (n for n in range(len(learnt["vocab"]) + len(taken) + len(symbols)) if n not in taken)
    order = sorted(learnt["vocab"], key=lambda piece: learnt["vocab"][piece])
    vocabulary = {piece: next(free) for piece in order}
    # An added token that the model does not know would be given the next free id anew.
    inside = {token: n for n, token in taken.items()}
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    for symbol in symbols:
        entry = {"id": next(free), "content": symbol, **plain}
        state["added_tokens"].append(entry)
        inside[symbol] = entry["id"]
    state["added_tokens"].sort(key=lambda token: token["id"])
    state["model"] = {
        **state["model"],
        "vocab": vocabulary | inside,
        "merges": learnt["merges"],
    }
    return state


def _name_class(folder: Path) -> None:
    """A class that takes tokenizer.json as it stands, since the old one builds another model."""
    path = folder / CONFIG_FILE
    values = json.loads(path.read_text(encoding="utf-8"))
    values["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(values, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
