"""What a glossary adds to a prompt and to an answer about one text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engines.extraction.dictionary import keyword_of
from engines.extraction.strategy import kinds_of
from engines.records import Entry, Keyword, occurrences
from engines.settings import StrategySettings
from glossary.term import Term

if TYPE_CHECKING:
    from glossary.matching import Match
    from glossary.retrieval import Retrieved, Sources
    from glossary.store import Glossary


@dataclass(frozen=True, slots=True)
class Line:
    """One entry as it stands in a prompt: a term with its definition, or a record."""

    entry: Entry
    name: str
    text: str

    @property
    def record(self) -> bool:
        """Whether it is a context record."""
        return self.entry.kind == "record"


@dataclass(frozen=True, slots=True)
class Support:
    """The glossary's word on one text: lines for the prompt, and where its terms stand.

    `forms` maps a canonical form that the text does not hold to the place of its alias.
    """

    lines: tuple[Line, ...] = ()
    excluded: frozenset[str] = frozenset()
    hits: tuple[Match, ...] = ()
    forms: tuple[tuple[str, Match], ...] = ()

    @property
    def definitions(self) -> tuple[tuple[str, str], ...]:
        """Terms with their definitions."""
        return tuple((line.name, line.text) for line in self.lines if not line.record)

    @property
    def records(self) -> tuple[tuple[str, str], ...]:
        """Context records as (title, text)."""
        return tuple((line.name, line.text) for line in self.lines if line.record)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What stands in the prompt, best first."""
        return tuple(line.entry for line in self.lines)

    def within(self, budget: int, size: Callable[[str], int]) -> Support:
        """The lines that fit into `budget` by `size`, best first.

        A term whose definition does not fit goes without it, a record not at all.
        """
        kept: list[Line] = []
        for line in self.lines:
            shorter = [] if line.record else [replace(line, text="")]
            for one in (line, *shorter):
                cost = size(f"- {one.name}: {one.text}\n")
                if cost <= budget:
                    kept.append(one)
                    budget -= cost
                    break
        return replace(self, lines=tuple(kept))


def support_for(
    strategy: StrategySettings,
    glossary: Glossary | None,
    text: str,
    categories: frozenset[str] = frozenset(),
    sources: Sources | None = None,
) -> Support:
    """Retrieve what `strategy` wants to know about normalised `text`; empty without a glossary.

    `categories`: those of `wanted_categories`. `sources`: vectors and context records.
    """
    if glossary is None or not strategy.glossary or not text:
        return Support()
    from glossary.retrieval import excluded_in, retrieve

    hits = glossary.matcher().find(text, boundaries=strategy.boundaries)
    wanted = tuple(hit for hit in hits if _wanted(hit.term, categories))
    forms = {h.term.canonical: h for h in reversed(wanted) if h.term.canonical not in text}
    lines: dict[str, Line] = {}
    limit, which = strategy.glossary_limit, strategy.records
    for found in retrieve(glossary, text, limit=limit, sources=sources, which=which):
        if found.term is None or (found.term.keyword and _wanted(found.term, categories)):
            line = _line_of(strategy, found)
            lines.setdefault(line.name if found.term else f"record {line.entry.id}", line)
    return Support(
        lines=tuple(lines.values()),
        excluded=frozenset(hit.surface for hit in excluded_in(glossary, text)),
        hits=wanted,
        forms=tuple(forms.items()) if strategy.allow_canonical else (),
    )


def enrich(
    keywords: Iterable[Keyword], glossary: Glossary | None, hits: Iterable[Match]
) -> tuple[Keyword, ...]:
    """Fill category, canonical form and term id from the glossary; what is known already stays.

    A keyword takes the place of a glossary hit of the same surface, so that 파스 is marked where
    it stands alone and not inside 파스타.
    """
    if glossary is None:
        return tuple(keywords)
    places: dict[str, Match] = {}
    for hit in hits:
        places.setdefault(hit.surface, hit)
    return tuple(_filled(keyword, places.get(keyword.surface), glossary) for keyword in keywords)


def is_excluded(glossary: Glossary | None, word: str) -> bool:
    """Whether `word` is on the glossary's not-a-keyword list."""
    term = None if glossary is None else glossary.lookup(word)
    return term is not None and not term.keyword


def ground_forms(
    words: Iterable[str], text: str, forms: Iterable[tuple[str, Match]]
) -> list[Keyword]:
    """Answered canonical forms that the text does not hold, at the place of their alias."""
    places = dict(forms)
    return [
        keyword_of(places[word])
        for word in dict.fromkeys(words)
        if word in places and not occurrences(text, word)
    ]


def _filled(keyword: Keyword, hit: Match | None, glossary: Glossary) -> Keyword:
    term = hit.term if hit is not None else glossary.lookup(keyword.surface)
    if term is None or not term.keyword:
        return keyword
    known = replace(
        keyword,
        category=keyword.category or term.category or None,
        canonical=keyword.canonical or term.canonical or None,
        term_id=keyword.term_id or term.id or None,
    )
    return known if hit is None else replace(known, start=hit.start, end=hit.end)


def wanted_categories(strategy: StrategySettings, glossary: Glossary | None) -> frozenset[str]:
    """The categories that the strategy's kinds name; empty: all of them.

    Kinds choose among glossary terms only where each of them is a category of the glossary.
    """
    names = frozenset(name for name, _description in kinds_of(strategy))
    if glossary is None or not names:
        return frozenset()
    return names if names <= set(glossary.categories()) else frozenset()


def _wanted(term: Term, categories: frozenset[str]) -> bool:
    return not categories or not term.category or term.category in categories


def _line_of(strategy: StrategySettings, found: Retrieved) -> Line:
    if found.term is None:
        record = found.record
        assert record is not None
        entry = Entry("record", record.id, record.title, found.how, found.score)
        return Line(entry, record.title, record.text)
    surface = found.match.surface if found.match is not None else found.term.canonical
    entry = Entry("term", found.term.id, found.term.canonical, found.how, found.score)
    return Line(entry, surface, _definition(strategy, found.term, surface))


def _definition(strategy: StrategySettings, term: Term, surface: str) -> str:
    if strategy.allow_canonical and surface != term.canonical:
        return f"{term.canonical}. {term.definition}".removesuffix(". ")
    return term.definition
