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


def support_for(strategy: StrategySettings, glossary: Glossary | None, text: str) -> Support:
    """Retrieve what `strategy` wants to know about normalised `text`; empty without a glossary."""
    if glossary is None or not strategy.glossary or not text:
        return Support()
    from glossary.retrieval import retrieve

    matcher = glossary.matcher()
    hits = matcher.find(text, boundaries=strategy.boundaries)
    wanted = tuple(hit for hit in hits if _wanted(strategy, hit.term))
    forms = {h.term.canonical: h for h in reversed(wanted) if h.term.canonical not in text}
    lines: dict[str, str] = {}
    for found in retrieve(glossary, text, limit=strategy.glossary_limit):
        if found.term.keyword and _wanted(strategy, found.term):
            surface = found.match.surface if found.match is not None else found.term.canonical
            lines.setdefault(surface, _definition(strategy, found.term, surface))
    return Support(
        definitions=tuple(lines.items()),
        excluded=frozenset(hit.surface for hit in matcher.find_all(text) if not hit.term.keyword),
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
    term = hit.term if hit is not None else _term_of(glossary, keyword.surface)
    if term is None:
        return keyword
    known = replace(
        keyword,
        category=keyword.category or term.category or None,
        canonical=keyword.canonical or term.canonical or None,
        term_id=keyword.term_id or term.id or None,
    )
    return known if hit is None else replace(known, start=hit.start, end=hit.end)


def _term_of(glossary: Glossary, surface: str) -> Term | None:
    """The only keyword term of this surface; two homographs say nothing."""
    terms = [term for term in glossary.lookup(surface) if term.keyword]
    return terms[0] if len(terms) == 1 else None


def _wanted(strategy: StrategySettings, term: Term) -> bool:
    names = {name for name, _description in kinds_of(strategy)}
    return not names or not term.category or term.category in names


def _definition(strategy: StrategySettings, term: Term, surface: str) -> str:
    if strategy.allow_canonical and surface != term.canonical:
        return f"{term.canonical}. {term.definition}".removesuffix(". ")
    return term.definition
