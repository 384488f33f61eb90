"""A tokenizer as GGUF holds it: pieces, scores, types and merges, and how they are put to use.

The truth is the tokenizer as transformers has loaded it, added tokens included, never a file
beside it that may be older.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from engines.export.pretokenizers import pre_tokenizer
from glossary.errors import UserError
from glossary.i18n import _

# Ends of turns; llama.cpp stops there too when the model knows one.
_TURN_ENDS = ("<end_of_turn>", "<|im_end|>", "<|eot_id|>", "<|end|>", "<turn|>")
_BYTE = "<0x{:02X}>"


class Type(IntEnum):
    """Kinds of pieces (`llama_token_type`)."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(slots=True)
class Vocabulary:
    """Everything that llama.cpp needs to make the same tokens.

    `model`: "llama" (SentencePiece BPE), "t5" (SentencePiece unigram) or "gpt2" (byte-level BPE,
    with `pre`, the name of its pre-tokenizer). `special` are ids by role: bos, eos, eot, unk, pad.
    """

    model: str
    pre: str
    tokens: list[str]
    scores: list[float]
    types: list[Type]
    merges: list[str] = field(default_factory=list)
    special: dict[str, int] = field(default_factory=dict)
    add_bos: bool = False
    add_eos: bool = False
    space_prefix: bool = False
    remove_spaces: bool = False
    charsmap: bytes = b""
    chat_template: str = ""


def read_vocabulary(tokenizer: Any, rows: int, path: Path) -> Vocabulary:
    """The vocabulary of a loaded `tokenizer` for a model with `rows` embeddings.

    Unused rows get a name of their own. UserError for a tokenizer that llama.cpp has nothing for.
    """
    plan = _plan(tokenizer, path)
    kind = str(plan["model"].get("type"))
    pieces = _pieces(plan)
    types = _types(plan, pieces)
    made = _KINDS.get(kind, _refused)(plan, pieces, path)
    for number in [n for n in pieces if n >= rows]:
        # Special tokens beyond the matrix (images in Gemma 3) never come up in text.
        if types[number] is not Type.CONTROL:
            message = _("{path}: the token {token} has no row in the model's {rows} embeddings.")
            raise UserError(message.format(path=path, token=pieces[number], rows=rows))
    made.tokens = [pieces.get(n, f"[PAD{n}]") for n in range(rows)]
    made.types = [types.get(n, Type.UNUSED) for n in range(rows)]
    scores = made.scores
    made.scores = [scores[n] if n < len(scores) else -1e6 for n in range(rows)]
    _complete(made, tokenizer, rows)
    return made


def _plan(tokenizer: Any, path: Path) -> dict[str, Any]:
    """What tokenizer.json says; a tokenizer without the fast library has none."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        message = _("{path}: the tokenizer has no tokenizer.json; load and save it once.")
        raise UserError(message.format(path=path))
    plan: dict[str, Any] = json.loads(backend.to_str())
    return plan


def _pieces(plan: dict[str, Any]) -> dict[int, str]:
    vocabulary = plan["model"].get("vocab") or {}
    if isinstance(vocabulary, list):
        pieces = {number: str(entry[0]) for number, entry in enumerate(vocabulary)}
    else:
        pieces = {int(number): piece for piece, number in vocabulary.items()}
    return pieces | {int(token["id"]): token["content"] for token in plan["added_tokens"]}


def _types(plan: dict[str, Any], pieces: dict[int, str]) -> dict[int, Type]:
    types = dict.fromkeys(pieces, Type.NORMAL)
    if plan["model"].get("byte_fallback"):
        known = {_BYTE.format(n) for n in range(256)}
        types |= {number: Type.BYTE for number, piece in pieces.items() if piece in known}
    for token in plan["added_tokens"]:
        types[int(token["id"])] = Type.CONTROL if token["special"] else Type.USER_DEFINED
    unknown = plan["model"].get("unk_token")
    number = plan["model"].get("unk_id")
    found = [n for n, piece in pieces.items() if piece == unknown] if unknown else [number]
    types |= {n: Type.UNKNOWN for n in found if n is not None}
    return types


def _bpe(plan: dict[str, Any], pieces: dict[int, str], path: Path) -> Vocabulary:
    merges = [m if isinstance(m, str) else " ".join(m) for m in plan["model"].get("merges") or []]
    if _is_byte_level(plan):
        return Vocabulary("gpt2", pre_tokenizer(plan, path), [], [], [], merges)
    if not plan["model"].get("byte_fallback"):
        message = _(
            "{path}: llama.cpp has no BPE without bytes: this tokenizer is neither byte-level nor "
            "does it fall back to bytes."
        )
        raise UserError(message.format(path=path))
    vocabulary = Vocabulary("llama", "default", [], _ranks(merges, pieces), [])
    vocabulary.space_prefix = _space_prefix(plan)
    return vocabulary


def _unigram(plan: dict[str, Any], pieces: dict[int, str], path: Path) -> Vocabulary:
    entries = plan["model"]["vocab"]
    _check_unigram(plan, path)
    scores = [0.0] * (max(pieces) + 1)
    for number, (_piece, score) in enumerate(entries):
        scores[number] = float(score)
    vocabulary = Vocabulary("t5", "default", [], scores, [])
    vocabulary.space_prefix = _space_prefix(plan)
    normalizers = _parts(plan.get("normalizer"), "normalizers")
    vocabulary.charsmap = next(
        (base64.b64decode(n["precompiled_charsmap"]) for n in normalizers if _is_charsmap(n)), b""
    )
    vocabulary.remove_spaces = any(
        n.get("type") in ("Strip", "Replace")
        and n.get("content") in (" ", "▁", None)
        and n.get("pattern", {}).get("Regex") == " {2,}"
        for n in normalizers
    )
    return vocabulary


def _check_unigram(plan: dict[str, Any], path: Path) -> None:
    """What llama.cpp's unigram tokenizer would read wrongly.

    It takes the first byte of a user-defined piece for the whole piece
    (`naive_trie::get_longest_prefix`), so that with one Korean term many syllables are unknown.
    """
    if plan["model"].get("byte_fallback"):
        message = _("{path}: llama.cpp has no unigram tokenizer that falls back to bytes.")
        raise UserError(message.format(path=path))
    plain = next((t["content"] for t in plan["added_tokens"] if not t["special"]), None)
    if plain is not None:
        message = _(
            "{path}: the token {token} was added beside the unigram vocabulary, and llama.cpp "
            "misreads texts then; add terms with `kwtui tokenizer extend`, which makes them pieces."
        )
        raise UserError(message.format(path=path, token=plain))


def _is_charsmap(normalizer: dict[str, Any]) -> bool:
    return normalizer.get("type") == "Precompiled" and bool(normalizer.get("precompiled_charsmap"))


def _refused(plan: dict[str, Any], _pieces: dict[int, str], path: Path) -> Vocabulary:
    message = _("{path}: llama.cpp has nothing for a tokenizer of the type {kind}.")
    raise UserError(message.format(path=path, kind=plan["model"].get("type")))


_KINDS = {"BPE": _bpe, "Unigram": _unigram}


def _ranks(merges: list[str], pieces: dict[int, str]) -> list[float]:
    """Scores that make llama.cpp merge in the order of `merges`: the earlier the higher."""
    rank: dict[str, int] = {}
    for number, merge in enumerate(merges):
        rank.setdefault(merge.replace(" ", "", 1), number)
    last = len(merges)
    return [-float(rank.get(pieces.get(n, ""), last)) for n in range(max(pieces) + 1)]


def _parts(step: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    if not step:
        return []
    return list(step[name]) if step.get("type") == "Sequence" else [step]


def _is_byte_level(plan: dict[str, Any]) -> bool:
    steps = _parts(plan.get("pre_tokenizer"), "pretokenizers")
    return any(step["type"] == "ByteLevel" for step in steps)


def _space_prefix(plan: dict[str, Any]) -> bool:
    """Whether a ▁ is put before a text (SentencePiece's dummy prefix)."""
    normalizers = _parts(plan.get("normalizer"), "normalizers")
    if any(n["type"] == "Prepend" for n in normalizers):
        return True
    steps = _parts(plan.get("pre_tokenizer"), "pretokenizers")
    return any(s["type"] == "Metaspace" and s.get("prepend_scheme") != "never" for s in steps)


def _complete(made: Vocabulary, tokenizer: Any, rows: int) -> None:
    """The ids of special tokens, and which of them a text is put between."""
    roles = {
        "bos": tokenizer.bos_token_id,
        "eos": tokenizer.eos_token_id,
        "unk": tokenizer.unk_token_id,
        "pad": tokenizer.pad_token_id,
        "eot": _turn_end(tokenizer),
    }
    made.special = {n: int(i) for n, i in roles.items() if i is not None and i < rows}
    around = tokenizer("", add_special_tokens=True)["input_ids"]
    made.add_bos = tokenizer.bos_token_id is not None and around[:1] == [tokenizer.bos_token_id]
    made.add_eos = tokenizer.eos_token_id is not None and around[-1:] == [tokenizer.eos_token_id]
    if isinstance(tokenizer.chat_template, str):
        made.chat_template = tokenizer.chat_template


def _turn_end(tokenizer: Any) -> int | None:
    known = tokenizer.get_vocab()
    found = (known[end] for end in _TURN_ENDS if end in known)
    return next((number for number in found if number != tokenizer.eos_token_id), None)
