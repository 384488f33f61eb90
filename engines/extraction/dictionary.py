"""The dictionary: glossary terms found in the text, no model. The baseline of every table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from engines.records import Keyword
from engines.settings import StrategySettings
from glossary.term import Term

if TYPE_CHECKING:
    from glossary.matching import Match, Matcher
    from glossary.store import Glossary


def dictionary_matcher(strategy: StrategySettings, glossary: Glossary | None) -> Matcher:
    """A matcher over the glossary's terms and the strategy's own definitions."""
    if glossary is not None and not strategy.definitions:
        return glossary.matcher()
    from glossary.matching import Matcher

    own = (
        Term(id="", canonical=word, definition=said) for word, said in strategy.definitions.items()
    )
    return Matcher([*own, *(glossary.iterate() if glossary is not None else ())])


def dictionary_keywords(
    matcher: Matcher, text: str, *, boundaries: bool, exclude: Iterable[str] = ()
) -> tuple[Keyword, ...]:
    """Terms that stand in normalised `text`, each surface once, in order of first appearance.

    With `boundaries`, only where Kiwi's morphemes begin and end (파스 is not in 파스타).
    Terms on the not-a-keyword list and words in `exclude` are left out.
    """
    unwanted = frozenset(exclude)
    found: dict[str, Keyword] = {}
    for match in matcher.find(text, boundaries=boundaries):
        if match.term.keyword and match.surface not in unwanted:
            found.setdefault(match.surface, keyword_of(match))
    return tuple(found.values())


def keyword_of(match: Match) -> Keyword:
    """The keyword at a glossary match, with the term's category, canonical form and id."""
    term = match.term
    return Keyword(
        match.start,
        match.end,
        match.surface,
        category=term.category or None,
        canonical=term.canonical or None,
        term_id=term.id or None,
    )
