"""Which pairs of letters are too common in a large glossary to find anything by.

A full-text search costs what the lists of its n-grams are long: at a million terms one pair that
stands in a tenth of them makes a search of 5 ms one of 500 ms, and tells terms apart least.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from glossary.term import Term, fold

SAMPLE = 2_000
# Pairs in more than this share of the sampled terms are common: 10,000 of a million.
SHARE = 0.01


class CommonPairs:
    """The common pairs of letters in names and definitions, by a sample of the terms."""

    def __init__(self, sample: Iterable[Term]) -> None:
        counts, total = Counter[str](), 0
        for term in sample:
            total += 1
            text = fold("\n".join((*term.surfaces, term.definition)))
            counts.update({text[at : at + 2] for at in range(len(text) - 1)})
        least = max(SHARE * total, 2)
        self._pairs = frozenset(pair for pair, count in counts.items() if count > least)

    def rare(self, words: Sequence[str]) -> list[str]:
        """The pieces of the words, two letters or more, in which no pair is common."""
        found: list[str] = []
        for word in words:
            letters, start = fold(word), 0
            for at in range(len(word)):
                last = at + 1 == len(word)
                if last or letters[at : at + 2] in self._pairs:
                    if at + 1 - start >= 2:
                        found.append(word[start : at + 1])
                    start = at + 1
        return found
