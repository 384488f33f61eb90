"""Other words in place of a text's keywords: what a name is tells its place, not its letters.

A keyword is replaced by an invented word, or by a keyword of the same kind from another text
(mention replacement: Dai and Adel, An Analysis of Simple Data Augmentation for Named Entity
Recognition, COLING 2020).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

_HANGUL = (0xAC00, 0xD7A3)
_FINALS = 28
Span = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Labeled:
    """A text, its keywords in order, and its spans (start, end, label; nested ones too)."""

    text: str
    keywords: tuple[str, ...]
    spans: tuple[Span, ...]
    note: str = ""
    note_share: float = 1.0


class Namesakes:
    """Keywords by kind and by whether they end in a consonant, so that josa still fit."""

    def __init__(self, records: Sequence[Labeled]) -> None:
        self._words: dict[tuple[str, bool], list[str]] = defaultdict(list)
        for record in records:
            for start, end, label in record.spans:
                word = record.text[start:end]
                self._words[label, ends_in_consonant(word)].append(word)

    def other(self, rng: random.Random, word: str, label: str) -> str:
        """A word of the kind, as often as it stands in the data; `word` when there is none."""
        words = self._words.get((label, ends_in_consonant(word)))
        return rng.choice(words) if words else word


def ends_in_consonant(word: str) -> bool:
    """Whether the last syllable has a final consonant; False for what is no Hangul syllable."""
    first, last = _HANGUL
    return word != "" and first <= ord(word[-1]) <= last and (ord(word[-1]) - first) % _FINALS > 0


def invented_word(rng: random.Random) -> str:
    """Two to five random syllables: nothing but copying helps."""
    first, last = _HANGUL
    length, out = rng.randint(2, 5), ""
    while len(out) < length:
        syllable = chr(rng.randint(first, last))
        # Four of five are KS X 1001 syllables (two bytes in EUC-KR); the rest needs byte fallback.
        if len(syllable.encode("euc-kr", "replace")) == 2 or rng.random() < 0.02:
            out += syllable
    return out


def invent(rng: random.Random, record: Labeled) -> Labeled:
    """The record with one keyword replaced by an invented word, where it stands alone."""
    spots = _alone(record)
    return _replaced(record, rng.choice(spots), invented_word(rng)) if spots else record


def swap(rng: random.Random, record: Labeled, namesakes: Namesakes) -> Labeled:
    """The record with each keyword that stands alone, by a coin, replaced by one of its kind."""
    for spot in sorted(_alone(record), reverse=True):
        if rng.random() < 0.5:
            word = record.text[spot[0] : spot[1]]
            record = _replaced(record, spot, namesakes.other(rng, word, spot[2]))
    return record


def _alone(record: Labeled) -> list[Span]:
    """Spans of keywords that stand once in the text and touch no other span."""
    return [
        (s, e, label)
        for s, e, label in record.spans
        if record.text[s:e] in record.keywords
        and record.text.count(record.text[s:e]) == 1
        and not any(o != (s, e, label) and o[0] < e and s < o[1] for o in record.spans)
    ]


def _replaced(record: Labeled, spot: Span, new: str) -> Labeled:
    """The record with `new` in place of the span; unchanged where a keyword would be lost.

    A word that the text holds already would be a keyword in two places: nothing is replaced.
    """
    start, end, label = spot
    old = record.text[start:end]
    shift = len(new) - len(old)
    spans = tuple(
        (s, e + shift, x)
        if (s, e, x) == (start, end, label)
        else ((s + shift, e + shift, x) if s >= end else (s, e, x))
        for s, e, x in record.spans
    )
    text = record.text[:start] + new + record.text[end:]
    keywords = tuple(new if word == old else word for word in record.keywords)
    if any(word not in text for word in keywords) or text.count(new) > 1:
        return record
    return replace(record, text=text, keywords=keywords, spans=spans)
