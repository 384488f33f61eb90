"""Over-long texts: split at sentence ends with overlap, and merged again by offset."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from engines.records import Keyword

_SENTENCE_END = re.compile(r"[.!?…。！？]+[\"'”’)\]」』]*[ \n]+|\n+")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a text and the offset (in code points) at which it starts there."""

    start: int
    text: str


def split(text: str, limit: int, overlap: int) -> list[Passage]:
    """Pieces of at most `limit` code points that end at sentence ends where they can.

    Neighbours share whole sentences of up to `overlap` code points together. A sentence
    longer than `limit` is cut at a space and shares up to `overlap` code points with the
    next piece, so that a keyword shorter than the overlap is whole in one of the two.
    """
    if limit < 2 or not 0 <= overlap < limit:
        raise ValueError("a passage needs limit >= 2 and 0 <= overlap < limit")
    if len(text) <= limit:
        return [Passage(0, text)]
    pieces = [
        cut for start, end in _sentences(text) for cut in _cut(text, start, end, limit, overlap)
    ]
    return [Passage(start, text[start:end]) for start, end in _pack(pieces, limit, overlap)]


def merge(parts: Iterable[tuple[Passage, Iterable[Keyword]]]) -> tuple[Keyword, ...]:
    """Keywords of all passages at their place in the whole text, each surface once, in order."""
    found: dict[str, Keyword] = {}
    for passage, keywords in parts:
        for keyword in keywords:
            moved = replace(
                keyword, start=keyword.start + passage.start, end=keyword.end + passage.start
            )
            known = found.get(moved.surface)
            if known is None or moved.start < known.start:
                found[moved.surface] = moved
    return tuple(sorted(found.values(), key=lambda keyword: (keyword.start, keyword.end)))


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _SENTENCE_END.finditer(text):
        yield start, match.end()
        start = match.end()
    if start < len(text):
        yield start, len(text)


def _cut(text: str, start: int, end: int, limit: int, overlap: int) -> Iterator[tuple[int, int]]:
    while end - start > limit:
        space = text.rfind(" ", start + limit // 2, start + limit)
        stop = space + 1 if space > start + overlap else start + limit
        yield start, stop
        start = _word_start(text, stop - overlap, stop)
    yield start, end


def _word_start(text: str, low: int, high: int) -> int:
    space = text.find(" ", low, high - 1)
    return low if space < 0 else space + 1


def _pack(pieces: list[tuple[int, int]], limit: int, overlap: int) -> Iterator[tuple[int, int]]:
    first = 0
    while first < len(pieces):
        last = first
        while last + 1 < len(pieces) and pieces[last + 1][1] - pieces[first][0] <= limit:
            last += 1
        yield pieces[first][0], pieces[last][1]
        if last + 1 == len(pieces):
            return
        following = last + 1
        while following - 1 > first and _shares(pieces, following, last, limit, overlap):
            following -= 1
        first = following


def _shares(
    pieces: list[tuple[int, int]], following: int, last: int, limit: int, overlap: int
) -> bool:
    """Whether the piece before `following` may open the next passage too, and still leaves room."""
    start = pieces[following - 1][0]
    return pieces[last][1] - start <= overlap and pieces[last + 1][1] - start <= limit
