"""Which terms a text needs: those that stand in it, then those whose letters nearly do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from glossary.matching import Match
from glossary.term import Term, fold
from glossary.text import normalise

if TYPE_CHECKING:
    from glossary.store import Glossary

MIN_SHARE = 0.5
# N-grams that arise only when spaces are dropped (근육 통) count a little less.
_JOINED = 0.9
_CANDIDATES = 64


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A term for a text: `score` is 1 for an exact match, else the share of its n-grams found."""

    term: Term
    score: float
    how: Literal["exact", "ngram"]
    match: Match | None


def retrieve(glossary: Glossary, text: str, *, limit: int) -> list[Retrieved]:
    """At most `limit` keyword terms for `text`: exact matches in order of appearance, then n-grams.

    A term is near when at least half of the 2- and 3-grams of one of its spellings stand in the
    text. The not-a-keyword list is left out: `excluded_in` gives it.
    """
    clean = normalise(text)
    found: dict[str, Retrieved] = {}
    for match in glossary.matcher().find(clean):
        found.setdefault(match.term.id, Retrieved(match.term, 1.0, "exact", match))
    exact = list(found.values())[: max(limit, 0)]
    if len(exact) >= limit:
        return exact
    # A term whose letters stand there but are no word, or part of a longer term, is not near.
    literal = {match.term.id for match in glossary.matcher().find_all(clean)}
    near = [
        Retrieved(term, score, "ngram", None)
        for term, score in _near(glossary, clean, max(_CANDIDATES, 8 * limit))
        if term.id not in literal
    ]
    return exact + near[: limit - len(exact)]


def excluded_in(glossary: Glossary, text: str) -> list[Match]:
    """The entries of the not-a-keyword list that stand in `text` (normalised)."""
    matches = glossary.matcher().find(normalise(text), keywords=False)
    return [match for match in matches if not match.term.keyword]


def search_terms(glossary: Glossary, text: str, limit: int) -> list[Term]:
    """At most `limit` terms for what a person typed: by a part of a name, then by n-grams."""
    wanted = normalise(text).strip().lower()
    named = [t for t in glossary.terms() if any(wanted in s.lower() for s in t.surfaces)]
    named.sort(key=lambda t: (not t.canonical.lower().startswith(wanted), len(t.canonical)))
    near = [term for term, _score in glossary.ngram_search(text, limit)]
    return list(dict.fromkeys([*named, *near]))[:limit]


def _near(glossary: Glossary, text: str, candidates: int) -> list[tuple[Term, float]]:
    plain = _ngrams([fold(text)])
    joined = _ngrams([fold("".join(text.split()))]) - plain
    scored = [
        (term, max(_share(surface, plain, joined) for surface in term.surfaces), bm25)
        for term, bm25 in glossary.ngram_search(text, candidates)
        if term.keyword
    ]
    scored.sort(key=lambda item: (-item[1], -item[2], item[0].canonical))
    return [(term, share) for term, share, bm25 in scored if share >= MIN_SHARE]


def _share(surface: str, plain: frozenset[str], joined: frozenset[str]) -> float:
    wanted = _ngrams([fold("".join(surface.split()))])
    if not wanted:
        return 0.0
    return (len(wanted & plain) + _JOINED * len(wanted & joined)) / len(wanted)


def _ngrams(texts: Iterable[str]) -> frozenset[str]:
    grams: set[str] = set()
    for text in texts:
        for size in (2, 3):
            grams.update(text[i : i + size] for i in range(len(text) - size + 1))
    return frozenset(gram for gram in grams if not any(c.isspace() for c in gram))
