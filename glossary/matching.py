"""Terms and aliases in a text: Aho-Corasick finds their letters, boundaries.py judges words.

The cost of a search depends on the length of the text, not on the number of terms
(Aho and Corasick 1975; pyahocorasick). The automaton holds the letters of a name without spaces,
hyphens and dots, so that variants are found in the same pass (variants.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from glossary.boundaries import Hit, Judge
from glossary.term import CASE_FREE_LETTERS, Term, fold
from glossary.text import normalise
from glossary.variants import SEPARATORS, Gap, Splits, gaps, letters, skeleton

_CASED = re.compile(r"[A-Za-z]")
# Changes kept beside the automaton before `worn` asks for a new one.
_OVERLAY = 5000


@dataclass(frozen=True, slots=True)
class Match:
    """A term in a text: code points `start` to `end` (exclusive) of the normalised text.

    `surface` is the text's own spelling. `ambiguous`: only meaning can tell whether it is the
    term, by the list in the term.
    """

    start: int
    end: int
    surface: str
    term: Term
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class _Raw:
    """A term's letters in a text, and where the text cuts the name apart."""

    match: Match
    cuts: tuple[Gap, ...]

    @property
    def hit(self) -> Hit:
        return Hit(self.match.start, self.match.end)


class _Letters:
    """An automaton from the letters of names to the numbers of their terms.

    A value is twice the number of a term, or twice a place in `shared`, plus one, where several
    terms have the same letters. Measured: 126 bytes a term at a million names of five syllables.
    """

    def __init__(self, spellings: Iterable[tuple[int, Iterable[str]]]) -> None:
        import ahocorasick

        self._automaton: Any = ahocorasick.Automaton(ahocorasick.STORE_INTS)
        self._shared: list[tuple[int, ...]] = []
        for number, surfaces in spellings:
            for word in {skeleton(normalise(surface)) for surface in surfaces}:
                if word:
                    self._add(word, number)
        self.empty = not len(self._automaton)
        self._automaton.make_automaton()

    def _add(self, word: str, number: int) -> None:
        value = self._automaton.get(word, None)
        if value is None:
            self._automaton.add_word(word, 2 * number)
        elif value % 2:
            known = self._shared[value // 2]
            self._shared[value // 2] = known if number in known else (*known, number)
        elif value != 2 * number:
            self._shared.append((value // 2, number))
            self._automaton.add_word(word, 2 * len(self._shared) - 1)

    def hits(self, folded: str) -> Iterator[tuple[int, int]]:
        """For each name in `folded` letters: the place of its last letter, its term's number."""
        if self.empty:
            return
        for last, value in self._automaton.iter(folded):
            if value % 2:
                yield from ((last, number) for number in self._shared[value // 2])
            else:
                yield last, value // 2


class Matcher:
    """Finds the canonical forms and aliases of terms in normalised text.

    Latin names of three letters and more match in any case, shorter ones as written. A matcher
    does not change; `changed` gives one with other terms and shares what it can.
    """

    def __init__(self, terms: Iterable[Term]) -> None:
        self._set_up({})
        held = list(terms)
        self._base = _Letters((number, term.surfaces) for number, term in enumerate(held))
        self._term_of: Callable[[int], Term | None] = held.__getitem__

    @classmethod
    def over(
        cls,
        spellings: Iterable[tuple[int, Iterable[str]]],
        term_of: Callable[[int], Term | None],
    ) -> Matcher:
        """A matcher over terms that stay elsewhere: pairs (number, surfaces), read once.

        `term_of(number)` gives the term when a text holds one of its surfaces, None when it is
        gone. Keeps a million terms out of memory.
        """
        made = cls.__new__(cls)
        made._set_up({})
        made._base = _Letters(spellings)
        made._term_of = term_of
        return made

    def changed(self, put: Iterable[Term] = (), gone: Iterable[str] = ()) -> Matcher:
        """A matcher with the terms `put` (new, or in place of those with their ids) without `gone`.

        Costs what the changes since the automaton was built cost, not what all terms do.
        """
        overlay: dict[str, Term | None] = {**self._overlay, **dict.fromkeys(gone)}
        overlay |= {term.id: term for term in put}
        made = Matcher.__new__(Matcher)
        made._set_up(overlay)
        made._base, made._term_of = self._base, self._term_of
        return made

    @property
    def worn(self) -> bool:
        """Whether so much was changed that a new matcher over all terms is due."""
        return len(self._overlay) > _OVERLAY

    def _set_up(self, overlay: dict[str, Term | None]) -> None:
        self._overlay = overlay
        self._extra = [term for term in overlay.values() if term is not None]
        pairs = ((number, term.surfaces) for number, term in enumerate(self._extra))
        self._over = _Letters(pairs)
        self._latest: tuple[str, list[_Raw], Judge] | None = None

    def find(
        self,
        text: str,
        *,
        boundaries: bool = True,
        keywords: bool = True,
        overlaps: bool = False,
    ) -> list[Match]:
        """The terms in `text` (normalised), from left to right, longest first.

        With `boundaries`, letters inside another word do not count: 파스 is found in 파스형 and
        파스를, not in 파스타. With `keywords`, entries of the not-a-keyword list are left out;
        without it they take part like any other. With `overlaps`, terms inside longer ones too.
        """
        raw, judge = self._judged(text)
        wanted = [one for one in raw if one.match.term.keyword or not keywords]
        if boundaries:
            splits = Splits(text, judge)
            wanted = [one for one in wanted if _stands(one, judge, splits)]
        matches = sorted((one.match for one in wanted), key=lambda m: (m.start, -m.end))
        return matches if overlaps else _longest(matches)

    def find_all(self, text: str) -> list[Match]:
        """Every occurrence of every spelling, overlapping ones too, without a look at words."""
        found = (one.match for one in self._judged(text)[0])
        return sorted(found, key=lambda match: (match.start, match.end))

    def _judged(self, text: str) -> tuple[list[_Raw], Judge]:
        """The raw hits of `text` and their judge, kept for the next question about it."""
        latest = self._latest
        if latest is None or latest[0] != text:
            raw = list(self._raw(text))
            latest = text, raw, Judge(text, [one.hit for one in raw if not one.cuts])
            self._latest = latest
        return latest[1], latest[2]

    def _raw(self, text: str) -> Iterator[_Raw]:
        folded, places = letters(text)
        for last, number in self._base.hits(folded):
            term = self._term_of(number)
            if term is not None and term.id not in self._overlay:
                yield from _spelled(text, folded, places, last, term)
        for last, number in self._over.hits(folded):
            yield from _spelled(text, folded, places, last, self._extra[number])


def _spelled(text: str, folded: str, places: list[int], last: int, term: Term) -> Iterator[_Raw]:
    """The hits of those surfaces of `term` whose letters end at `last`, best spelling first."""
    best: dict[int, _Raw] = {}
    for surface, bare, cased in _names(term.surfaces):
        first = last + 1 - len(bare)
        if first < 0 or not bare or not folded.endswith(bare, first, last + 1):
            continue
        taken = places[first : last + 1]
        if cased and "".join([text[i] for i in taken]) != cased:
            continue
        cuts = gaps(surface, text, taken)
        known = best.get(first)
        if cuts is None or (known is not None and len(known.cuts) <= len(cuts)):
            continue
        start, end = taken[0], taken[-1] + 1
        marked = _marked(term, text, start, end)
        best[first] = _Raw(Match(start, end, text[start:end], term, marked), cuts)
    yield from best.values()


@lru_cache(maxsize=65536)
def _names(surfaces: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
    """Each surface, its letters, and its letters as written where case counts (Mg, not mg)."""
    found = []
    for surface in map(normalise, surfaces):
        cased = 0 < len(_CASED.findall(surface)) < CASE_FREE_LETTERS
        written = "".join(c for c in surface if c not in SEPARATORS) if cased else ""
        found.append((surface, skeleton(surface), written))
    return tuple(found)


def _stands(raw: _Raw, judge: Judge, splits: Splits) -> bool:
    return splits.accepts(raw.hit, raw.cuts) if raw.cuts else judge.accepts(raw.hit)


def _marked(term: Term, text: str, start: int, end: int) -> bool:
    """Whether the term's list says that only meaning can decide this match."""
    for phrase in term.ambiguous:
        wanted = fold(normalise(phrase))
        first = max(0, end - len(wanted))
        if wanted in fold(text[first : start + len(wanted)]):
            return True
    return False


def _longest(matches: list[Match]) -> list[Match]:
    """Leftmost first and of those the longest, none overlapping the one before."""
    chosen: list[Match] = []
    reached = 0
    for match in matches:
        if match.start >= reached:
            chosen.append(match)
            reached = match.end
    return chosen
