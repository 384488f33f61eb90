"""Where terms stand in sentences: at the start, in the middle, before a josa, in a compound.

A vocabulary that holds a term helps only where the term comes out as one token, and that depends
on what stands around it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from engines.tokenizer.files import SPACE, Tokenizer

Position = Literal["start", "middle", "josa", "compound"]
POSITIONS: tuple[Position, ...] = ("start", "middle", "josa", "compound")
# Real places looked at for each term and position, beside the made sentences.
REAL = 4
_JOSA = (
    "으로부터", "에게서", "이라고", "라고", "에서는", "에게는", "으로는", "에서", "에게", "으로",
    "까지", "부터", "처럼", "보다", "이나", "마다", "조차", "밖에", "은", "는", "이", "가", "을",
    "를", "과", "와", "의", "에", "로", "도", "만", "나", "랑", "께", "들",
)  # fmt: skip
# Sentences for every position; {은} and the like follow the term's last letter.
_SENTENCES: tuple[tuple[Position, str], ...] = (
    ("start", "{t} 처방을 받았습니다."),
    ("start", "{t}"),
    ("middle", "어제 {t} 처방을 받았습니다."),
    ("middle", "오늘은 ({t}), 내일은 쉽니다."),
    ("josa", "어제 {t}{은} 없었습니다."),
    ("josa", "그는 {t}{을} 골랐습니다."),
    ("josa", "{t}{과} 함께, 또 {t}에게 맞춥니다."),
    ("compound", "어제 {t}형 물건을 샀습니다."),
    ("compound", "그 {t}용 포장과 새{t} 포장"),
)
_PAIRS = {"은": "은는", "을": "을를", "과": "과와"}


class Finder:
    """Finds terms in texts, the longest at each place, without overlaps."""

    def __init__(self, terms: Iterable[str]) -> None:
        import ahocorasick

        self._automaton = ahocorasick.Automaton()
        self.terms = tuple(terms)
        for term in self.terms:
            self._automaton.add_word(term, term)
        if self.terms:
            self._automaton.make_automaton()

    def find(self, text: str) -> list[tuple[int, int, str]]:
        """(start, end, term) of each place, in order."""
        if not self.terms:
            return []
        found = self._automaton.iter_long(text)
        return [(end - len(term) + 1, end + 1, term) for end, term in found]


@dataclass(slots=True)
class Places:
    """Real places of terms, a few for each term and position; made sentences come with `sentences`.

    `counts`: how often each term was seen in all.
    """

    finder: Finder
    counts: Counter[str] = field(default_factory=Counter)
    real: dict[tuple[str, Position], list[tuple[str, int, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def look(self, text: str) -> None:
        """Count the terms of a text, and keep their places while there are few."""
        for start, end, term in self.finder.find(text):
            self.counts[term] += 1
            if self.counts[term] > 64:
                continue
            kept = self.real[term, position(text, start, end)]
            if len(kept) < REAL:
                kept.append((text, start, end))

    def sentences(self, terms: Iterable[str]) -> list[Place]:
        """The places by which each of the terms is judged: real ones and made ones."""
        found: list[Place] = []
        for term in terms:
            for where, text in made(term):
                spots = [(s, e) for s, e, t in self.finder.find(text) if t == term]
                found += [Place(term, where, text, s, e) for s, e in spots]
            for where in POSITIONS:
                kept = self.real.get((term, where), ())
                found += [Place(term, where, *one) for one in kept]
        return found


@dataclass(frozen=True, slots=True)
class Place:
    """A term in a text at [start, end), in code points."""

    term: str
    position: Position
    text: str
    start: int
    end: int


def made(term: str) -> list[tuple[Position, str]]:
    """The made sentences with `term` in every position."""
    final = has_final(term)
    return [(where, sentence.format(t=term, **_josa(final))) for where, sentence in _SENTENCES]


def _josa(final: bool) -> dict[str, str]:
    return {name: pair[0 if final else 1] for name, pair in _PAIRS.items()}


def has_final(term: str) -> bool:
    """Whether a josa follows as after a consonant; for other scripts it is taken so."""
    last = ord(term[-1])
    return not 0xAC00 <= last <= 0xD7A3 or (last - 0xAC00) % 28 > 0


def position(text: str, start: int, end: int) -> Position:
    """Where in its sentence the term at [start, end) stands."""
    before = text[start - 1] if start else " "
    if before.isalnum():
        return "compound"
    after = text[end : end + 1]
    if after.isalnum():
        rest = text[end : end + 5]
        for josa in _JOSA:
            if rest.startswith(josa) and not rest[len(josa) : len(josa) + 1].isalnum():
                return "josa"
        return "compound"
    return "start" if not start else "middle"


def pieces_at(encoding: Any, text: str, start: int, end: int) -> list[int] | None:
    """The numbers of the tokens that make exactly [start, end), a space before included or not.

    None when a token reaches over an edge.
    """
    first = encoding.char_to_token(start)
    if first is None:
        return None
    offsets = encoding.offsets
    begins = offsets[first][0]
    if begins != start and not (begins == start - 1 and text[begins] == " "):
        return None
    last = encoding.char_to_token(end - 1)
    if last is None:
        return None
    # The bytes of one letter all have its offsets.
    while last + 1 < len(offsets) and offsets[last + 1][0] < end and offsets[last + 1][1] > start:
        last += 1
    if offsets[last][1] != end:
        return None
    return list(range(first, last + 1))


@dataclass(slots=True)
class Shares:
    """How many places were looked at and how many terms came out as one token, by position."""

    looked: Counter[str] = field(default_factory=Counter)
    whole: Counter[str] = field(default_factory=Counter)
    broken: dict[str, Place] = field(default_factory=dict)

    def share(self, where: Position | None = None) -> float:
        """The share of one position, or of all; 1 where nothing was looked at."""
        looked = self.looked[where] if where else self.looked.total()
        whole = self.whole[where] if where else self.whole.total()
        return whole / looked if looked else 1.0


def one_token(tokenizer: Tokenizer, places: Sequence[Place]) -> Shares:
    """Whether terms are one token at their places; `broken` has the first bad place of a term."""
    shares = Shares()
    for at in range(0, len(places), 2000):
        some = places[at : at + 2000]
        for place, encoding in zip(some, tokenizer.encodings([p.text for p in some]), strict=True):
            found = pieces_at(encoding, place.text, place.start, place.end)
            shares.looked[place.position] += 1
            if found is not None and len(found) == 1:
                shares.whole[place.position] += 1
            else:
                shares.broken.setdefault(place.term, place)
    return shares


def same_pieces(tokenizer: Tokenizer, places: Sequence[Place]) -> float:
    """The share of places whose terms have the same tokens there as in an answer, ["term"].

    Extraction copies: what is spelt otherwise in the answer is harder to copy.
    """
    answers = {place.term: f'["{place.term}"]' for place in places}
    encoded = dict(zip(answers, tokenizer.encodings([*answers.values()]), strict=True))
    wanted = {term: _ids_at(encoded[term], answers[term], 2, 2 + len(term)) for term in answers}
    same = 0
    for at in range(0, len(places), 2000):
        some = places[at : at + 2000]
        for place, encoding in zip(some, tokenizer.encodings([p.text for p in some]), strict=True):
            found = _ids_at(encoding, place.text, place.start, place.end)
            same += found is not None and found == wanted[place.term]
    return same / len(places) if places else 1.0


def _ids_at(encoding: Any, text: str, start: int, end: int) -> list[int] | None:
    numbers = pieces_at(encoding, text, start, end)
    return None if numbers is None else [encoding.ids[number] for number in numbers]


def bare(tokens: Sequence[str]) -> list[str]:
    """Tokens of a term that stands alone, without a space that the tokenizer put before it."""
    return list(tokens[1:] if len(tokens) > 1 and tokens[0] == SPACE else tokens)
