"""Exact terms and aliases in a text: Aho-Corasick finds letters, boundaries.py judges words.

The cost of a search depends on the length of the text, not on the number of terms
(Aho and Corasick 1975; pyahocorasick).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from glossary.boundaries import Hit, Judge
from glossary.term import CASE_FREE_LETTERS, Term, fold
from glossary.text import normalise

_CASED = re.compile(r"[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Match:
    """A term in a text: code points `start` to `end` (exclusive) of the normalised text."""

    start: int
    end: int
    surface: str
    term: Term


@dataclass(frozen=True, slots=True)
class _Entry:
    """One spelling in the automaton; `cased` when it counts only as written (Mg, not mg)."""

    surface: str
    cased: bool
    term: Term


class Matcher:
    """Finds the canonical forms and aliases of terms in normalised text.

    Latin names of three letters and more match in any case, shorter ones as written.
    """

    def __init__(self, terms: Iterable[Term]) -> None:
        import ahocorasick

        entries: dict[str, list[_Entry]] = {}
        for term in terms:
            for surface in map(normalise, term.surfaces):
                letters = len(_CASED.findall(surface))
                entry = _Entry(surface, 0 < letters < CASE_FREE_LETTERS, term)
                if surface:
                    entries.setdefault(fold(surface), []).append(entry)
        self._automaton: Any = ahocorasick.Automaton()
        for word, found in entries.items():
            self._automaton.add_word(word, found)
        self._automaton.make_automaton()
        self._empty = not entries
        self._latest: tuple[str, list[Match], Judge] | None = None

    def find(self, text: str, *, boundaries: bool = True, keywords: bool = True) -> list[Match]:
        """The longest non-overlapping terms in `text` (normalised), from left to right.

        With `boundaries`, letters inside another word do not count: 파스 is found in 파스형 and
        파스를, not in 파스타. With `keywords`, entries of the not-a-keyword list are left out;
        without it they take part like any other.
        """
        hits, judge = self._judged(text)
        wanted = [m for m in hits if m.term.keyword or not keywords]
        if boundaries:
            wanted = [m for m in wanted if judge.accepts(Hit(m.start, m.end))]
        return _longest(wanted)

    def find_all(self, text: str) -> list[Match]:
        """Every occurrence of every spelling, overlapping ones too, without a look at words."""
        return sorted(self._raw(text), key=lambda match: (match.start, match.end))

    def _judged(self, text: str) -> tuple[list[Match], Judge]:
        """The raw hits of `text` and their judge, kept for the next question about it."""
        latest = self._latest
        if latest is None or latest[0] != text:
            hits = list(self._raw(text))
            latest = text, hits, Judge(text, [Hit(m.start, m.end) for m in hits])
            self._latest = latest
        return latest[1], latest[2]

    def _raw(self, text: str) -> Iterator[Match]:
        if self._empty:
            return
        for last, entries in self._automaton.iter(fold(text)):
            end = last + 1
            entry: _Entry
            for entry in entries:
                start = end - len(entry.surface)
                if entry.cased and text[start:end] != entry.surface:
                    continue
                yield Match(start, end, text[start:end], entry.term)


def _longest(matches: list[Match]) -> list[Match]:
    """Leftmost first and of those the longest, none overlapping the one before."""
    chosen: list[Match] = []
    reached = 0
    for match in sorted(matches, key=lambda m: (m.start, -m.end)):
        if match.start >= reached:
            chosen.append(match)
            reached = match.end
    return chosen
