"""Candidates for a person who labels: glossary, strategies, the quick model and Kiwi's nouns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from engines.extraction.candidates import (
    CRF,
    DRAFT,
    GLOSSARY,
    KIWI,
    STRATEGY,
    Candidate,
    Offer,
    Prepared,
    Trust,
    merge,
    noun_runs,
    pieces,
    words,
)
from engines.records import Keyword
from glossary.boundaries import Morpheme, morphemes

if TYPE_CHECKING:
    from engines.extraction.crf import CharacterCRF
    from glossary.matching import Matcher

SOURCES = (DRAFT, GLOSSARY, STRATEGY, CRF, KIWI)
# Spans that the quick model holds for less likely are not offered.
_LEAST = 0.12


class Offering:
    """Finds candidates and learns from what becomes of them; `sources`: those that are used."""

    def __init__(self, sources: Iterable[str] = SOURCES) -> None:
        self.sources = frozenset(sources)
        self.trust = Trust()
        self.matcher: Matcher | None = None
        self.crf: CharacterCRF | None = None

    def prepare(
        self, text_id: str, text: str, suggested: Mapping[str, Sequence[Keyword]] | None = None
    ) -> Prepared:
        """The stops and candidates of a normalised text.

        `suggested`: keywords of strategies, by name; the name `draft` is that of drafts.
        """
        read = read_morphemes(text)
        offers = self.offers(text, suggested or {}, read)
        found = tuple(candidate for candidate, _confidence in offers)
        return Prepared(text_id, pieces(text, read) if read else tuple(words(text)), found)

    def observe(
        self,
        text: str,
        labeled: Iterable[str],
        suggested: Mapping[str, Sequence[Keyword]] | None = None,
    ) -> None:
        """Learn from a text whose keywords are known."""
        offers = self.offers(text, suggested or {}, read_morphemes(text))
        self.trust.observe(offers, labeled)

    def offers(
        self,
        text: str,
        suggested: Mapping[str, Sequence[Keyword]],
        read: Sequence[Morpheme],
    ) -> list[Offer]:
        """One candidate a surface with the quick model's own confidence, in the text's order."""
        return merge(self._raw(text, suggested, read), self.trust.score)

    def _raw(
        self,
        text: str,
        suggested: Mapping[str, Sequence[Keyword]],
        read: Sequence[Morpheme],
    ) -> Iterator[Offer]:
        for name, keywords in suggested.items():
            source = DRAFT if name == DRAFT else STRATEGY
            if source in self.sources:
                for k in keywords:
                    yield _candidate(k, source), None
        if GLOSSARY in self.sources and self.matcher is not None:
            yield from self._terms(text)
        if CRF in self.sources and self.crf is not None:
            for keyword, confidence in self.crf.candidates(text, least=_LEAST):
                yield _candidate(without_josa(keyword, text, read), CRF), confidence
        if KIWI in self.sources:
            for start, end, shape in noun_runs(read):
                yield Candidate(start, end, text[start:end], (KIWI,), shape=shape), None

    def _terms(self, text: str) -> Iterator[Offer]:
        assert self.matcher is not None
        for match in self.matcher.find(text, keywords=False):
            term = match.term
            other = term.canonical if term.canonical != match.surface else None
            yield (
                Candidate(
                    match.start,
                    match.end,
                    match.surface,
                    (GLOSSARY,),
                    category=term.category or None,
                    canonical=other,
                    term_id=term.id or None,
                    note=term.notes,
                    barred=not term.keyword,
                ),
                None,
            )


def read_morphemes(text: str) -> list[Morpheme]:
    """Kiwi's morphemes, a line at a time."""
    found: list[Morpheme] = []
    at = 0
    for line in text.split("\n"):
        if line.strip():
            found += [t._replace(start=t.start + at, end=t.end + at) for t in morphemes(line)]
        at += len(line) + 1
    return found


def without_josa(keyword: Keyword, text: str, read: Sequence[Morpheme]) -> Keyword:
    """The keyword without particles that Kiwi read at its end, whole or cut off there.

    The quick model knows no words, and takes the first letter of a particle along at times.
    """
    start, end = keyword.start, keyword.end
    for token in reversed(read):
        if token.start >= end or token.end <= token.start:
            continue
        if not token.tag.startswith("J") or not start < token.start or token.end < end:
            break
        end = token.start
    surface = text[start:end].rstrip()
    return replace(keyword, end=start + len(surface), surface=surface)


def _candidate(keyword: Keyword, source: str) -> Candidate:
    return Candidate(
        keyword.start,
        keyword.end,
        keyword.surface,
        (source,),
        category=keyword.category,
        canonical=keyword.canonical,
        term_id=keyword.term_id,
    )
