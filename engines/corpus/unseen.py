"""A test split whose terms no training text holds: what a model makes of words it never saw."""

from __future__ import annotations

from collections import defaultdict

from engines.corpus.connection import sentences
from engines.corpus.core import Core
from engines.corpus.splits import draw
from glossary.matching import Matcher
from glossary.term import Term


def unseen_groups(corpus: Core, share: float, seed: int = 0) -> tuple[frozenset[str], list[str]]:
    """Groups without a split that hold terms drawn by hash, and these terms.

    About `share` of the labeled texts without a split. A term that a text with a split, a
    synthetic or a drafted text holds anywhere is never drawn, nor one that stands in more than
    half of what is wanted.
    """
    with sentences(corpus.path):
        surfaces = [
            row[0]
            for row in corpus.db.execute(
                "SELECT DISTINCT l.surface FROM texts t JOIN labels l ON l.text_key = t.key"
                " AND l.annotator = t.chosen WHERE t.split = '' AND t.chosen IS NOT NULL"
            )
        ]
        rows = corpus.db.execute(
            "SELECT text, grp, split != '' OR synthetic OR drafted, chosen IS NOT NULL FROM texts"
        )
        matcher = Matcher(Term(surface, surface) for surface in surfaces)
        barred: set[str] = set()
        places: dict[str, set[str]] = defaultdict(set)
        labeled: dict[str, int] = defaultdict(int)
        for text, group, fixed, counts in rows:
            held = {match.term.id for match in matcher.find_all(text)}
            if fixed:
                barred |= held
                continue
            labeled[group] += counts
            for surface in held:
                places[surface].add(group)
    return _draw(places, labeled, barred, share, seed)


def _draw(
    places: dict[str, set[str]],
    labeled: dict[str, int],
    barred: set[str],
    share: float,
    seed: int,
) -> tuple[frozenset[str], list[str]]:
    wanted = share * sum(labeled.values())
    groups: set[str] = set()
    terms: list[str] = []
    for surface in sorted(places, key=lambda surface: (draw(surface, seed), surface)):
        if sum(labeled[group] for group in groups) >= wanted:
            break
        size = sum(labeled[group] for group in places[surface])
        if surface not in barred and size <= max(1.0, wanted / 2):
            groups |= places[surface]
            terms.append(surface)
    return frozenset(groups), terms
