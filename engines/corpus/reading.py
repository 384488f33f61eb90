"""What a corpus tells: examples, labelings, history, counts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engines.corpus.adding import ORIGIN
from engines.corpus.changes import Event, Labeling
from engines.corpus.connection import sentences
from engines.corpus.core import Core
from engines.corpus.splits import digest
from engines.records import Example, Keyword

_PAGE = 500


@dataclass(frozen=True, slots=True)
class View:
    """A text as one annotator may see it.

    `others`: what other people said, empty while `blind`: the text is labeled by two people, and
    this annotator has not labeled it yet. `drafts`: suggestions of strategies.
    """

    id: str
    text: str
    split: str
    status: str
    source: str
    meta: Mapping[str, Any]
    own: Labeling | None = None
    drafts: Mapping[str, Labeling] = field(default_factory=dict)
    others: Mapping[str, Labeling] = field(default_factory=dict)
    blind: bool = False


class Reading(Core):
    """The part of a corpus that is read."""

    def labelings(self, text_id: str) -> dict[str, Labeling]:
        """What each annotator said about a text. Raises UserError for an unknown text."""
        with sentences(self.path):
            key, _text = self.text_of(text_id)
            names = self._db.execute(
                "SELECT annotator FROM labelings WHERE text_key = ? ORDER BY annotator", (key,)
            ).fetchall()
            found = {name: self._labeling(key, name) for (name,) in names}
        return {name: labeling for name, labeling in found.items() if labeling}

    def view(self, text_id: str, annotator: str) -> View:
        """A text for one annotator, blind to other people's labels until there are own ones."""
        found = self.labelings(text_id)
        with sentences(self.path):
            text, split, status, source, meta, drawn = self._db.execute(
                "SELECT text, split, status, source, meta, digest < ? FROM texts WHERE id = ?",
                (self._edge(), text_id),
            ).fetchone()
        own = found.pop(annotator, None)
        # What another person has begun is no suggestion: it is nobody's business yet.
        drafts = {
            name: one
            for name, one in found.items()
            if one.status == "draft" and one.origin != "person"
        }
        others = {name: one for name, one in found.items() if one.status != "draft"}
        done = own is not None and own.status != "draft"
        blind = bool(drawn) and not done and status != "adjudicated"
        return View(
            text_id,
            text,
            split,
            status if not blind or done else "new",
            source,
            json.loads(meta),
            own,
            drafts,
            {} if blind else others,
            blind,
        )

    def first_said(self, text_id: str, *, but: str) -> datetime | None:
        """When a person other than `but` first labeled a text, None when nobody did."""
        with sentences(self.path):
            key, _text = self.text_of(text_id)
            row = self._db.execute(
                "SELECT min(e.at) FROM labelings m JOIN events e ON e.text_key = m.text_key"
                " AND e.annotator = m.annotator WHERE m.text_key = ? AND m.annotator != ?"
                " AND m.origin = 'person' AND m.status != 'draft'",
                (key, but),
            ).fetchone()
        return datetime.fromisoformat(row[0]) if row[0] else None

    def id_of(self, text: str) -> str | None:
        """The id of the text that equals the normalised `text`, None when there is none."""
        with sentences(self.path):
            row = self._db.execute("SELECT id FROM texts WHERE digest = ?", (digest(text),))
            found = row.fetchone()
        return str(found[0]) if found else None

    def history(
        self, text_id: str | None = None, *, annotator: str | None = None, limit: int = 100
    ) -> list[Event]:
        """The latest changes, newest first: of one text, of one annotator, or of everything."""
        where, values = "1", list[object]()
        with sentences(self.path):
            if text_id is not None:
                key, _text = self.text_of(text_id)
                where = (
                    "(e.text_key = ? OR e.seq = (SELECT batch FROM texts WHERE key = ?)"
                    " OR e.seq IN (SELECT event FROM labelings WHERE text_key = ?))"
                )
                values += [key, key, key]
            if annotator is not None:
                where += " AND e.annotator = ?"
                values.append(annotator)
            rows = self._db.execute(
                "SELECT e.seq, e.at, e.annotator, e.kind, e.text_key, e.data, e.change, t.id"
                f" FROM events e LEFT JOIN texts t ON t.key = e.text_key WHERE {where}"
                " ORDER BY e.seq DESC LIMIT ?",
                (*values, limit),
            ).fetchall()
        return [
            Event(seq, at, by, kind, key, json.loads(data), change, name)
            for seq, at, by, kind, key, data, change, name in rows
        ]

    def count(self, split: str | None = None, *, status: str | None = None) -> int:
        """Number of texts, of one split or of one status where given."""
        with sentences(self.path):
            row = self._db.execute(
                "SELECT coalesce(sum(texts), 0) FROM tallies"
                " WHERE (?1 IS NULL OR split = ?1) AND (?2 IS NULL OR status = ?2)",
                (split, status),
            ).fetchone()
        return int(row[0])

    def splits(self) -> dict[str, int]:
        """Texts of each split; texts without one count under ""."""
        return self._counts(
            "SELECT split, sum(texts) FROM tallies GROUP BY split HAVING sum(texts) ORDER BY 1"
        )

    def statuses(self) -> dict[str, int]:
        """Texts of each status."""
        return self._counts(
            "SELECT status, sum(texts) FROM tallies GROUP BY status HAVING sum(texts) ORDER BY 1"
        )

    def annotators(self) -> dict[str, int]:
        """Texts that each annotator has labeled, drafts left out."""
        return self._counts(
            "SELECT annotator, count(*) FROM labelings"
            " WHERE status IN ('labeled', 'adjudicated') GROUP BY 1 ORDER BY 1"
        )

    @property
    def position(self) -> int:
        """Number of the latest change, 0 for a new corpus; it grows with every change."""
        with sentences(self.path):
            row = self._db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
        return int(row[0])

    def guideline(self) -> tuple[int, str]:
        """Number and text of the guideline in force; 0 and "" when there is none."""
        with sentences(self.path):
            row = self._db.execute(
                "SELECT version, text FROM guidelines ORDER BY version DESC LIMIT 1"
            ).fetchone()
        return (int(row[0]), str(row[1])) if row else (0, "")

    def _counts(self, query: str) -> dict[str, int]:
        with sentences(self.path):
            return dict(self._db.execute(query))

    def examples(
        self,
        split: str | None = None,
        *,
        annotator: str | None = None,
        labeled: bool = True,
        settled: bool = False,
    ) -> Iterator[Example]:
        """Stream the examples in the order of their import, a page of texts at a time.

        The labels are the adjudicated ones, otherwise the latest that are no drafts, or those of
        `annotator` alone. `labeled` False gives texts without labels too, marked so. Synthetic
        texts and texts with drafts say so in `meta["origin"]`. `settled` leaves out what still
        waits for a second annotator, who is to be blind to the first, where several people label or
        are about to.
        """
        settled = settled and self._several()
        last = 0
        while True:
            with sentences(self.path):
                rows = self._page(split, annotator, labeled, settled, last)
                chosen = {row[0]: row[5] for row in rows}
                keywords = self._keywords_of(chosen)
            for key, name, text, meta, stored, by, outside, synthetic, drafted in rows:
                known = json.loads(meta)
                if synthetic or drafted:
                    known[ORIGIN] = "synthetic" if synthetic else "draft"
                if outside and outside != "[]":
                    known["ungrounded"] = tuple(json.loads(outside))
                found = tuple(keywords.get(key, ()))
                yield Example(name, text, found, stored, known, by is not None)
            if len(rows) < _PAGE:
                return
            last = rows[-1][0]

    def _several(self) -> bool:
        with sentences(self.path):
            row = self._db.execute(
                "SELECT count(*) FROM (SELECT annotator FROM labelings"
                " WHERE origin = 'person' AND status != 'draft' UNION SELECT annotator FROM claims)"
            ).fetchone()
        return int(row[0]) > 1

    def _page(
        self, split: str | None, annotator: str | None, labeled: bool, settled: bool, last: int
    ) -> list[tuple[Any, ...]]:
        whose = "t.chosen" if annotator is None else ":annotator"
        conditions = ["t.key > :last"]
        if split is not None:
            conditions.append("t.split = :split")
        if settled:
            conditions.append("NOT (t.wants > 0 AND t.labelers > 0)")
        if labeled:
            conditions.append("l.annotator IS NOT NULL")
            if annotator is None:
                conditions.append("t.chosen IS NOT NULL")
        return self._db.execute(
            "SELECT t.key, t.id, t.text, t.meta, t.split, l.annotator, l.ungrounded,"
            " t.synthetic, t.drafted FROM texts t"
            f" LEFT JOIN labelings l ON l.text_key = t.key AND l.annotator = {whose}"
            " AND l.status IN ('labeled', 'adjudicated')"
            f" WHERE {' AND '.join(conditions)} ORDER BY t.key LIMIT {_PAGE}",
            {"last": last, "split": split, "annotator": annotator},
        ).fetchall()

    def _keywords_of(self, chosen: Mapping[int, str | None]) -> dict[int, list[Keyword]]:
        found: dict[int, list[Keyword]] = {}
        if not chosen:
            return found
        rows = self._db.execute(
            "SELECT text_key, annotator, start, end, surface, category, canonical, term_id"
            " FROM labels WHERE text_key BETWEEN ? AND ? ORDER BY text_key, start, end",
            (min(chosen), max(chosen)),
        )
        for key, annotator, *values in rows:
            if chosen.get(key) == annotator:
                found.setdefault(key, []).append(Keyword(*values))
        return found
