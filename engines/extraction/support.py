"""What a glossary adds to a prompt and to an answer about one text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engines.extraction.dictionary import keyword_of
from engines.extraction.strategy import kinds_of
from engines.records import Keyword, occurrences
from engines.settings import StrategySettings
from glossary.term import Term

if TYPE_CHECKING:
    from glossary.matching import Match
    from glossary.store import Glossary


@dataclass(frozen=True, slots=True)
class Support:
    """The glossary's word on one text: lines for the prompt, and where its terms stand.

    `forms` maps a canonical form that the text does not hold to the place of its alias.
    """

    definitions: tuple[tuple[str, str], ...] = ()
    excluded: frozenset[str] = frozenset()
    hits: tuple[Match, ...] = ()
    forms: tuple[tuple[str, Match], ...] = ()


def support_for(
    strategy: StrategySettings,
    glossary: Glossary | None,
    text: str,
    categories: frozenset[str] = frozenset(),
) -> Support:
    """Retrieve what `strategy` wants to know about normalised `text`; empty without a glossary.

    `categories`: those of `wanted_categories`.
    """
    if glossary is None or not strategy.glossary or not text:
        return Support()
    from glossary.retrieval import excluded_in, retrieve

    hits = glossary.matcher().find(text, boundaries=strategy.boundaries)
    wanted = tuple(hit for hit in hits if _wanted(hit.term, categories))
    forms = {h.term.canonical: h for h in reversed(wanted) if h.term.canonical not in text}
    lines: dict[str, str] = {}
    for found in retrieve(glossary, text, limit=strategy.glossary_limit):
        if found.term.keyword and _wanted(found.term, categories):
            surface = found.match.surface if found.match is not None else found.term.canonical
            lines.setdefault(surface, _definition(strategy, found.term, surface))
    return Support(
        definitions=tuple(lines.items()),
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
    return names if names <= {term.category for term in glossary.terms()} else frozenset()


def _wanted(term: Term, categories: frozenset[str]) -> bool:
    return not categories or not term.category or term.category in categories


def _definition(strategy: StrategySettings, term: Term, surface: str) -> str:
    if strategy.allow_canonical and surface != term.canonical:
        return f"{term.canonical}. {term.definition}".removesuffix(". ")
    return term.definition
