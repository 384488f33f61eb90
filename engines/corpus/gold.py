"""The labels that count, of some texts by their ids and of a whole split as plain rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from engines.corpus.connection import sentences
from engines.corpus.core import Core
from engines.corpus.splits import TRAIN
from engines.records import Example, Keyword

_PAGE = 500


class GoldRow(NamedTuple):
    """A labeled text: its labels as (start, end, surface), and gold words that it does not hold."""

    id: str
    text: str
    labels: Sequence[tuple[int, int, str]]
    outside: tuple[str, ...]


def gold_rows(corpus: Core, split: str) -> Iterator[GoldRow]:
    """The labeled texts of a split in the order of their import; quick for 100,000 of them."""
    with sentences(corpus.path):
        labels: dict[int, list[tuple[int, int, str]]] = {}
        for key, *label in corpus.db.execute(
            "SELECT l.text_key, l.start, l.end, l.surface FROM texts t CROSS JOIN labels l"
            " ON l.text_key = t.key AND l.annotator = t.chosen"
            " WHERE t.split = ? AND t.chosen IS NOT NULL",
            (split,),
        ):
            labels.setdefault(key, []).append(tuple(label))
        rows = corpus.db.execute(
            "SELECT t.key, t.id, t.text, m.ungrounded FROM texts t JOIN labelings m"
            " ON m.text_key = t.key AND m.annotator = t.chosen"
            " WHERE t.split = ? AND t.chosen IS NOT NULL ORDER BY t.key",
            (split,),
        )
        for key, name, text, outside in rows:
            words = tuple(json.loads(outside)) if outside != "[]" else ()
            yield GoldRow(name, text, labels.get(key, ()), words)


def gold_of(corpus: Core, ids: Sequence[str]) -> dict[str, Example]:
    """The texts with these ids and the labels that count; unknown ids are left out."""
    found: dict[str, Example] = {}
    with sentences(corpus.path):
        for start in range(0, len(ids), _PAGE):
            some = ids[start : start + _PAGE]
            marks = ", ".join("?" * len(some))
            rows = corpus.db.execute(
                "SELECT t.key, t.id, t.text, t.split, t.chosen, m.ungrounded FROM texts t"
                " LEFT JOIN labelings m ON m.text_key = t.key AND m.annotator = t.chosen"
                f" WHERE t.id IN ({marks})",
                tuple(some),
            ).fetchall()
            for key, name, text, split, chosen, outside in rows:
                labels = corpus.db.execute(
                    "SELECT start, end, surface, category, canonical, term_id FROM labels"
                    " WHERE text_key = ? AND annotator = ? ORDER BY start, end",
                    (key, chosen),
                )
                keywords = tuple(Keyword(*values) for values in labels)
                meta = {"ungrounded": tuple(json.loads(outside))} if outside else {}
                found[name] = Example(name, text, keywords, split, meta, chosen is not None)
    return found


def seen_surfaces(corpus: Core) -> set[str]:
    """The surfaces of the labels that count in the training split."""
    with sentences(corpus.path):
        rows = corpus.db.execute(
            "SELECT DISTINCT l.surface FROM labels l JOIN texts t"
            " ON t.key = l.text_key AND l.annotator = t.chosen WHERE t.split = ?",
            (TRAIN,),
        )
        return {surface for (surface,) in rows}
