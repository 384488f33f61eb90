"""A changed copy of a tokenizer: `tokenizer.model` and `tokenizer.json` edited in step.

Three ways to give a term a token. A user-defined symbol is cut out of the text before anything is
split. Chained merges build it from the pieces it has now, after every merge that is there, so that
other words stay as they are (a BPE piece is reachable only through its merges). A unigram piece
competes by its score.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from engines.tokenizer.files import (
    CONFIG_FILE,
    CONTROL,
    JSON_FILE,
    MODEL_FILE,
    NORMAL,
    SPACE,
    UNUSED,
    USER_DEFINED,
    Tokenizer,
)
from engines.tokenizer.merging import with_every_split


class Draft:
    """Tokens added to a tokenizer, or put in the place of others; `write` makes files of it.

    `new`: the tokens that were not there, with their ids. `made_of`: the old tokens of those that
    were chained.
    """

    def __init__(self, base: Tokenizer) -> None:
        self.base = base
        self.state = copy.deepcopy(base.state)
        self.proto = copy.deepcopy(base.proto)
        self.new: dict[str, int] = {}
        self.made_of: dict[str, list[str]] = {}
        self._model: dict[str, Any] = self.state["model"]
        self._fill_gaps()
        self._lowest = min((p.score for p in self.proto.pieces), default=0.0) if self.proto else 0.0
        self._merges = {tuple(pair) for pair in self._model.get("merges", ())}
        self._vocabulary = dict(base.vocabulary)

    @property
    def size(self) -> int:
        """One more than the highest id."""
        return self.base.size + sum(1 for n in self.new.values() if n >= self.base.size)

    def __contains__(self, token: str) -> bool:
        return token in self._vocabulary

    def add_symbol(self, term: str) -> int:
        """A user-defined symbol at the end of the vocabulary; returns its id."""
        number = self._next(term)
        if self.proto is not None:
            self._append(term, 0.0, USER_DEFINED)
        if self.unigram:
            self._model["vocab"].append([term, self._lowest])
        else:
            self._model["vocab"][term] = number
        self.state["added_tokens"].append(_added(number, term, special=False))
        return number

    def add_piece(self, term: str, score: float) -> int:
        """A unigram piece with a log probability; returns its id."""
        number = self._next(term)
        if self.proto is not None:
            self._append(term, score, NORMAL)
        self._model["vocab"].append([term, score])
        return number

    def score(self, term: str, score: float) -> None:
        """Give a new unigram piece another score."""
        number = self.new[term]
        self._model["vocab"][number][1] = score
        if self.proto is not None:
            self.proto.pieces[number].score = score

    def add_chain(self, tokens: Sequence[str]) -> None:
        """Merges that make one token of `tokens`, step by step, after all others."""
        left = tokens[0]
        for at, right in enumerate(tokens[1:], start=2):
            joined = left + right
            if joined not in self._vocabulary:
                number = self._next(joined)
                self.made_of[joined] = self._old_parts(tokens[:at])
                self._model["vocab"][joined] = number
                if self.proto is not None:
                    self._lowest -= 1.0
                    self._append(joined, self._lowest, NORMAL)
            if self.proto is None and (left, right) not in self._merges:
                self._merges.add((left, right))
                self._model["merges"].append([left, right])
            left = joined

    def replace(self, number: int, term: str, *, score: float | None = None) -> None:
        """Put a term in the place of a piece: a symbol, or a unigram piece with a score."""
        old = self.base.fast.id_to_token(number)
        del self._vocabulary[old]
        self._vocabulary[term] = self.new[term] = number
        if self.proto is not None:
            piece = self.proto.pieces[number]
            piece.piece, piece.type = term, USER_DEFINED if score is None else NORMAL
            piece.score = 0.0 if score is None else score
        if self.unigram:
            self._model["vocab"][number] = [term, self._lowest if score is None else score]
        else:
            del self._model["vocab"][old]
            self._model["vocab"][term] = number
            self._model["merges"] = [m for m in self._model["merges"] if _outlives(m, old)]
        if score is None:
            self.state["added_tokens"].append(_added(number, term, special=False))

    @property
    def unigram(self) -> bool:
        """Whether pieces compete by scores."""
        return bool(self._model["type"] == "Unigram")

    def trial(self) -> Tokenizer:
        """The tokenizer as it stands, in memory."""
        self._settle()
        return Tokenizer.trial(self.base, self.state, self.proto)

    def write(self, folder: Path) -> Tokenizer:
        """Write the tokenizer's files over those in `folder` and open them."""
        self._settle()
        if self.proto is not None:
            (folder / MODEL_FILE).write_bytes(self.proto.SerializeToString())
        text = json.dumps(self.state, ensure_ascii=False, indent=1) + "\n"
        (folder / JSON_FILE).write_text(text, encoding="utf-8")
        self._write_older(folder)
        self._write_config(folder)
        return Tokenizer.open(folder)

    def _settle(self) -> None:
        if self.proto is not None and not self.unigram:
            with_every_split(self._model, self.proto, self.new)
        self.state["added_tokens"].sort(key=lambda token: token["id"])

    def _next(self, token: str) -> int:
        number = self.size
        self._vocabulary[token] = self.new[token] = number
        return number

    def _append(self, piece: str, score: float, kind: int) -> None:
        self.proto.pieces.add(piece=piece, score=score, type=kind)

    def _old_parts(self, tokens: Sequence[str]) -> list[str]:
        return [part for token in tokens for part in self.made_of.get(token, [token])]

    def _fill_gaps(self) -> None:
        """Give every id below the next one a piece, since in SentencePiece the place is the id."""
        names = {number: token for token, number in self.base.vocabulary.items()}
        special = {t["id"] for t in self.state["added_tokens"] if t["special"]}
        if self.proto is not None:
            for number in range(len(self.proto.pieces), self.base.size):
                kind = CONTROL if number in special else USER_DEFINED
                name = names.get(number)
                self._append(name or f"<unused-{number}>", 0.0, kind if name else UNUSED)
        if self.unigram:
            rows = self._model["vocab"]
            lowest = min(score for _piece, score in rows)
            for number in range(len(rows), self.base.size):
                rows.append([names.get(number, f"<unused-{number}>"), lowest - 10.0])
        else:
            # An added token that the model does not know is given the next free id anew.
            self._model["vocab"] |= self.base.added

    def _write_older(self, folder: Path) -> None:
        """The files of older programs, where the model has them."""
        if (folder / "vocab.json").is_file() and not self.unigram:
            text = json.dumps(self._model["vocab"], ensure_ascii=False)
            (folder / "vocab.json").write_text(text, encoding="utf-8")
        if (folder / "merges.txt").is_file() and not self.unigram:
            lines = [" ".join(pair) for pair in self._model["merges"]]
            text = "\n".join(["#version: 0.2", *lines]) + "\n"
            (folder / "merges.txt").write_text(text, encoding="utf-8")
        path = folder / "added_tokens.json"
        if path.is_file():
            added = {t["content"]: t["id"] for t in self.state["added_tokens"]}
            path.write_text(json.dumps(added, ensure_ascii=False), encoding="utf-8")

    def _write_config(self, folder: Path) -> None:
        """List new symbols where tokenizer_config.json lists added tokens."""
        path = folder / CONFIG_FILE
        values = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if "added_tokens_decoder" not in values:
            return
        for token in self.state["added_tokens"]:
            entry = {name: value for name, value in token.items() if name != "id"}
            values["added_tokens_decoder"].setdefault(str(token["id"]), entry)
        text = json.dumps(values, ensure_ascii=False, indent=2) + "\n"
        path.write_text(text, encoding="utf-8")


def spaced(tokens: Iterable[str]) -> str:
    """The text of SentencePiece pieces."""
    return "".join(tokens).replace(SPACE, " ")


def _added(number: int, term: str, *, special: bool) -> dict[str, Any]:
    shape = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": term, **shape, "special": special}


def _outlives(merge: Sequence[str], gone: str) -> bool:
    return gone not in (merge[0], merge[1], merge[0] + merge[1])
