"""One decision about a surface carried out in every labeled text, as one change to undo."""

from __future__ import annotations

from collections.abc import Sequence

from engines.corpus.checks import uneven
from engines.corpus.connection import sentences
from engines.corpus.schema import ADJUDICATOR
from engines.corpus.store import Corpus, Edit
from engines.records import Example, Keyword


def label_everywhere(corpus: Corpus, surface: str, annotator: str) -> tuple[int, int]:
    """Label a surface wherever it stands as a word without a label; returns event and texts.

    The annotator's own labels are changed; where others' labels count, the text is adjudicated,
    so that nothing of theirs is lost. The event is 0 when there was nothing to do.
    """
    examples = list(corpus.examples())
    wanted = next((one for one in uneven(examples) if one.surface == surface), None)
    places: dict[str, list[Keyword]] = {}
    for place in wanted.places if wanted else ():
        places.setdefault(place.id, []).append(Keyword(place.start, place.end, place.surface))
    category = _category(examples, surface)
    edits = []
    for example in examples:
        if example.id in places:
            added = [
                Keyword(k.start, k.end, k.surface, category=category) for k in places[example.id]
            ]
            edits.append(_edit(corpus, example, [*example.keywords, *added], annotator))
    return corpus.edit_many(edits, annotator, f"label {surface}"), len(edits)


def unlabel_everywhere(corpus: Corpus, surface: str, annotator: str) -> tuple[int, int]:
    """Take the label off a surface in every text; otherwise as `label_everywhere`."""
    edits = []
    for example in list(corpus.examples()):
        kept = [keyword for keyword in example.keywords if keyword.surface != surface]
        if len(kept) < len(example.keywords):
            edits.append(_edit(corpus, example, kept, annotator))
    return corpus.edit_many(edits, annotator, f"unlabel {surface}"), len(edits)


def _edit(corpus: Corpus, example: Example, keywords: Sequence[Keyword], annotator: str) -> Edit:
    with sentences(corpus.path):
        chosen = corpus.db.execute(
            "SELECT chosen FROM texts WHERE id = ?", (example.id,)
        ).fetchone()[0]
    owner = annotator if chosen == annotator else ADJUDICATOR
    return Edit(example.id, tuple(keywords), owner)


def _category(examples: Sequence[Example], surface: str) -> str | None:
    """The category that the surface has wherever it has one; None when they differ."""
    found = {k.category for e in examples for k in e.keywords if k.surface == surface}
    return found.pop() if len(found) == 1 else None
