"""The merges of tokenizers that say what a SentencePiece BPE model does.

SentencePiece joins any two neighbours whose joined form is a piece, the best score first; the
tokenizers library needs every such pair in a list, in that order (as transformers' converter
writes it).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engines.tokenizer.files import NORMAL, USER_DEFINED


def with_every_split(model: dict[str, Any], proto: Any, new: Mapping[str, int]) -> None:
    """Add to `model["merges"]` the pairs that `new` pieces make possible, at their ranks."""
    scores = {p.piece: p.score for p in proto.pieces if p.type in (NORMAL, USER_DEFINED)}
    fresh = {token for token in new if _is_normal(proto, new[token])}
    if not fresh:
        return
    added: dict[str, list[tuple[str, str]]] = {}
    for piece in scores:
        pairs = [p for p in splits(piece, scores) if piece in fresh or fresh.intersection(p)]
        if pairs:
            added[piece] = pairs
    model["merges"] = _woven(model["merges"], added, scores)


def splits(piece: str, known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The two known pieces of which `piece` can be made, every way."""
    for at in range(1, len(piece)):
        if piece[:at] in known and piece[at:] in known:
            yield piece[:at], piece[at:]


def every_merge(proto: Any) -> list[list[str]]:
    """The merges of a whole model, best score first."""
    scores = {p.piece: p.score for p in proto.pieces if p.type == NORMAL}
    order = sorted(scores, key=lambda piece: -scores[piece])
    return [list(pair) for piece in order for pair in splits(piece, scores)]


def _is_normal(proto: Any, number: int) -> bool:
    return bool(proto.pieces[number].type == NORMAL)


def _woven(
    merges: list[list[str]],
    added: Mapping[str, list[tuple[str, str]]],
    scores: Mapping[str, float],
) -> list[list[str]]:
    """Old merges in their order, the new ones of a piece where its score belongs."""
    waiting = sorted(added, key=lambda piece: -scores[piece])
    found: list[list[str]] = []
    at = 0
    for merge in merges:
        score = scores.get(merge[0] + merge[1], float("inf"))
        while at < len(waiting) and scores[waiting[at]] > score:
            found += [list(pair) for pair in added[waiting[at]]]
            at += 1
        found.append(list(merge))
    for piece in waiting[at:]:
        found += [list(pair) for pair in added[piece]]
    return _once(found)


def _once(merges: list[list[str]]) -> list[list[str]]:
    return [list(pair) for pair in dict.fromkeys((m[0], m[1]) for m in merges)]
