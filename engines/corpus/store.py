"""The corpus of a workspace: texts, what each annotator said about them, and every change.

One SQLite file. A change is on disk when the method that makes it returns; the event that records
it is written in the same transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from engines.corpus.changes import Added, Event, Labeling
from engines.corpus.connection import connect, sentences, transaction
from engines.corpus.schema import ADJUDICATOR, ORIGINS, STATUSES
from engines.corpus.splits import HELD_OUT, digest, group_key
from engines.records import Example, Keyword
from glossary.errors import UserError
from glossary.i18n import _

_PAGE = 500
IMPORTER = "import"
# A text is as its latest change says, but adjudication stays and a draft hides nobody's labels.
_SET_STATUS = """
UPDATE texts SET status = CASE
    WHEN EXISTS (SELECT 1 FROM labelings WHERE text_key = :key AND status = 'adjudicated')
        THEN 'adjudicated'
    WHEN :status = 'draft' AND EXISTS
        (SELECT 1 FROM labelings WHERE text_key = :key AND status != 'draft')
        THEN status
    ELSE :status END
WHERE key = :key
"""


class Corpus:
    """The texts and labels of a workspace; use as a context manager or call `close`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self.path = path

    @classmethod
    def open(cls, path: Path, *, create: bool = False, readonly: bool = False) -> Corpus:
        """Open the corpus at `path`, made first if `create`; `readonly` changes no byte of it.

        Raises UserError and FailedError as `connection.connect` does.
        """
        return cls(connect(path, create=create, readonly=readonly), path)

    def close(self) -> None:
        """Close the file; everything is on disk already."""
        self._db.close()

    def __enter__(self) -> Corpus:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def add(
        self,
        examples: Iterable[Example],
        *,
        split: str = "",
        annotator: str = IMPORTER,
        source: str = "",
        synthetic: bool = False,
    ) -> Added:
        """Add texts and their labels in one transaction: all of them, or none when one raises.

        A text that is there already is not added twice, and labels are never overwritten.
        `split`: for texts whose example names none; equal texts stay in the split they have.
        `synthetic` marks the texts for ever and keeps them out of dev and test (UserError).
        """
        added = Added()
        origin = "synthetic" if synthetic else "import"
        with transaction(self._db, self.path):
            given = {"source": source, "split": split, "synthetic": synthetic}
            batch = self._event(annotator, "import", None, given)
            for example in examples:
                if not example.text.strip():
                    added.blank += 1
                    continue
                key = self._add_text(example, source, synthetic, batch, added)
                if example.labeled:
                    self._add_labels(key, example, annotator, origin, batch, added)
                wanted = example.split or split
                if wanted:
                    added.kept += self._join_split(key, wanted, synthetic, batch)
            self._event(annotator, "imported", None, added.to_json())
        return added

    def _add_text(
        self, example: Example, source: str, synthetic: bool, batch: int, added: Added
    ) -> int:
        mark = digest(example.text)
        row = self._db.execute("SELECT key FROM texts WHERE digest = ?", (mark,)).fetchone()
        if row:
            added.duplicates += 1
            return int(row[0])
        name = example.id or mark[:12]
        if self._db.execute("SELECT 1 FROM texts WHERE id = ?", (name,)).fetchone():
            added.renamed += 1
            name = f"{name}-{mark[:12]}"
        meta = {k: v for k, v in example.meta.items() if k != "ungrounded"}
        values = (name, example.text, mark, group_key(example.text), synthetic, source)
        cursor = self._db.execute(
            "INSERT INTO texts (id, text, digest, grp, synthetic, source, meta, batch)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*values, json.dumps(meta, ensure_ascii=False, default=str), batch),
        )
        added.new += 1
        return int(cursor.lastrowid or 0)

    def _add_labels(
        self, key: int, example: Example, annotator: str, origin: str, batch: int, added: Added
    ) -> None:
        outside = tuple(example.meta.get("ungrounded", ()))
        given = Labeling("labeled", origin, "", _unique(example.keywords), outside)
        stored = self._labeling(key, annotator)
        if stored is None:
            self._put(key, annotator, given, batch)
            added.labeled += 1
        elif {k.surface for k in stored.keywords} != {k.surface for k in given.keywords}:
            added.conflicts += 1

    def _join_split(self, key: int, wanted: str, synthetic: bool, event: int) -> int:
        """Put the text's group in a split; returns 1 when it stays in another one."""
        if synthetic and wanted in HELD_OUT:
            sentence = _("Synthetic texts never enter {split}: import them to train.")
            raise UserError(sentence.format(split=wanted))
        group = self._db.execute("SELECT grp FROM texts WHERE key = ?", (key,)).fetchone()[0]
        self._db.execute(
            "INSERT OR IGNORE INTO splits (grp, split, reason, event) VALUES (?, ?, ?, ?)",
            (group, wanted, IMPORTER, event),
        )
        stored = self._db.execute("SELECT split FROM splits WHERE grp = ?", (group,)).fetchone()
        return int(stored[0] != wanted)

    def set_labels(
        self,
        text_id: str,
        annotator: str,
        keywords: Sequence[Keyword],
        *,
        status: str = "labeled",
        origin: str = "person",
        note: str | None = None,
    ) -> int:
        """Replace one annotator's labels of one text; returns the event's number.

        `note`: None keeps the annotator's note. Raises UserError for an unknown text and for a
        keyword that does not stand in the text where it says.
        """
        if status not in STATUSES[1:] or origin not in ORIGINS:
            raise ValueError(f"unknown status or origin: {status}, {origin}")
        with transaction(self._db, self.path):
            key, text = self._text(text_id)
            for keyword in keywords:
                if text[keyword.start : keyword.end] != keyword.surface or not keyword.surface:
                    sentence = _("Text {id} does not hold '{surface}' at {start}.")
                    shown = {"id": text_id, "surface": keyword.surface, "start": keyword.start}
                    raise UserError(sentence.format(**shown))
            before = self._labeling(key, annotator)
            kept = before.note if before and note is None else note or ""
            after = Labeling(status, origin, kept, _unique(keywords))
            return self._change(key, annotator, "label", before, after)

    def set_status(
        self, text_id: str, annotator: str, status: str, *, note: str | None = None
    ) -> int:
        """Skip, flag or reopen a text for one annotator, whose labels stay; returns the event."""
        if status not in STATUSES[1:]:
            raise ValueError(f"unknown status: {status}")
        with transaction(self._db, self.path):
            key, _text = self._text(text_id)
            before = self._labeling(key, annotator)
            now = before or Labeling(status)
            kept = now.note if note is None else note
            after = Labeling(status, now.origin, kept, now.keywords, now.ungrounded)
            return self._change(key, annotator, "status", before, after)

    def _change(
        self, key: int, annotator: str, kind: str, before: Labeling | None, after: Labeling
    ) -> int:
        data = {"before": before.to_json() if before else None, "after": after.to_json()}
        event = self._event(annotator, kind, key, data)
        self._put(key, annotator, after, event)
        return event

    def labelings(self, text_id: str) -> dict[str, Labeling]:
        """What each annotator said about a text. Raises UserError for an unknown text."""
        with sentences(self.path):
            key, _text = self._text(text_id)
            names = self._db.execute(
                "SELECT annotator FROM labelings WHERE text_key = ? ORDER BY annotator", (key,)
            ).fetchall()
            found = {name: self._labeling(key, name) for (name,) in names}
        return {name: labeling for name, labeling in found.items() if labeling}

    def history(self, text_id: str | None = None, *, limit: int = 100) -> list[Event]:
        """The latest changes, newest first: of one text, or of the whole corpus."""
        where, values = "", tuple[int, ...]()
        with sentences(self.path):
            if text_id is not None:
                key, _text = self._text(text_id)
                where = (
                    "WHERE text_key = ? OR seq = (SELECT batch FROM texts WHERE key = ?)"
                    " OR seq IN (SELECT event FROM labelings WHERE text_key = ?)"
                )
                values = (key, key, key)
            rows = self._db.execute(
                "SELECT seq, at, annotator, kind, text_key, data FROM events"
                f" {where} ORDER BY seq DESC LIMIT ?",
                (*values, limit),
            ).fetchall()
        return [
            Event(seq, at, by, kind, key, json.loads(data)) for seq, at, by, kind, key, data in rows
        ]

    def count(self, split: str | None = None, *, status: str | None = None) -> int:
        """Number of texts, of one split or of one status where given."""
        with sentences(self.path):
            row = self._db.execute(
                "SELECT count(*) FROM texts t LEFT JOIN splits s ON s.grp = t.grp"
                " WHERE (?1 IS NULL OR s.split = ?1) AND (?2 IS NULL OR t.status = ?2)",
                (split, status),
            ).fetchone()
        return int(row[0])

    def splits(self) -> dict[str, int]:
        """Texts of each split; texts without one count under ""."""
        return self._counts(
            "SELECT coalesce(s.split, ''), count(*) FROM texts t"
            " LEFT JOIN splits s ON s.grp = t.grp GROUP BY 1 ORDER BY 1"
        )

    def statuses(self) -> dict[str, int]:
        """Texts of each status."""
        return self._counts("SELECT status, count(*) FROM texts GROUP BY 1 ORDER BY 1")

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

    def _counts(self, query: str) -> dict[str, int]:
        with sentences(self.path):
            return dict(self._db.execute(query))

    def examples(
        self, split: str | None = None, *, annotator: str | None = None, labeled: bool = True
    ) -> Iterator[Example]:
        """Stream the examples in the order of their import, a page of texts at a time.

        The labels are the adjudicated ones, otherwise the latest that are no drafts, or those of
        `annotator` alone. `labeled` False gives texts without labels too, marked so.
        """
        last = 0
        while True:
            with sentences(self.path):
                rows = self._page(split, annotator, labeled, last)
                chosen = {row[0]: row[5] for row in rows}
                keywords = self._keywords_of(chosen)
            for key, name, text, meta, stored, by, outside in rows:
                known = json.loads(meta)
                if outside and outside != "[]":
                    known["ungrounded"] = tuple(json.loads(outside))
                found = tuple(keywords.get(key, ()))
                yield Example(name, text, found, stored or "", known, by is not None)
            if len(rows) < _PAGE:
                return
            last = rows[-1][0]

    def _page(
        self, split: str | None, annotator: str | None, labeled: bool, last: int
    ) -> list[tuple[Any, ...]]:
        return self._db.execute(
            "SELECT t.key, t.id, t.text, t.meta, s.split, l.annotator, l.ungrounded"
            " FROM texts t LEFT JOIN splits s ON s.grp = t.grp"
            " LEFT JOIN labelings l ON l.text_key = t.key AND l.annotator = ("
            "  SELECT m.annotator FROM labelings m WHERE m.text_key = t.key"
            "  AND m.status IN ('labeled', 'adjudicated') AND (?2 IS NULL OR m.annotator = ?2)"
            "  ORDER BY m.annotator = ?5 DESC, m.event DESC LIMIT 1)"
            " WHERE t.key > ?4 AND (?1 IS NULL OR s.split = ?1)"
            " AND (?3 = 0 OR l.annotator IS NOT NULL)"
            f" ORDER BY t.key LIMIT {_PAGE}",
            (split, annotator, labeled, last, ADJUDICATOR),
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

    def assign_splits(self, choose: Callable[[str], str], *, annotator: str, reason: str) -> int:
        """Give every group without a split the one that `choose(group)` names; returns how many.

        Groups that have a split keep it. A group with a synthetic text always goes to train.
        """
        with transaction(self._db, self.path):
            groups = self._db.execute(
                "SELECT t.grp, max(t.synthetic) FROM texts t LEFT JOIN splits s ON s.grp = t.grp"
                " WHERE s.grp IS NULL GROUP BY t.grp"
            ).fetchall()
            event = self._event(annotator, "split", None, {"reason": reason, "n": len(groups)})
            self._db.executemany(
                "INSERT INTO splits (grp, split, reason, event) VALUES (?, ?, ?, ?)",
                ((g, "train" if made else choose(g), reason, event) for g, made in groups),
            )
        return len(groups)

    def _event(self, annotator: str, kind: str, key: int | None, data: Mapping[str, Any]) -> int:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        cursor = self._db.execute(
            "INSERT INTO events (at, annotator, kind, text_key, data) VALUES (?, ?, ?, ?, ?)",
            (at, annotator, kind, key, json.dumps(data, ensure_ascii=False, default=str)),
        )
        return int(cursor.lastrowid or 0)

    def _text(self, text_id: str) -> tuple[int, str]:
        row = self._db.execute("SELECT key, text FROM texts WHERE id = ?", (text_id,)).fetchone()
        if row is None:
            raise UserError(_("The corpus has no text with id '{id}'.").format(id=text_id))
        return int(row[0]), str(row[1])

    def _labeling(self, key: int, annotator: str) -> Labeling | None:
        row = self._db.execute(
            "SELECT status, origin, note, ungrounded FROM labelings"
            " WHERE text_key = ? AND annotator = ?",
            (key, annotator),
        ).fetchone()
        if row is None:
            return None
        keywords = tuple(
            Keyword(*values)
            for values in self._db.execute(
                "SELECT start, end, surface, category, canonical, term_id FROM labels"
                " WHERE text_key = ? AND annotator = ? ORDER BY start, end",
                (key, annotator),
            )
        )
        status, origin, note, outside = row
        return Labeling(status, origin, note, keywords, tuple(json.loads(outside)))

    def _put(self, key: int, annotator: str, labeling: Labeling, event: int) -> None:
        outside = json.dumps(list(labeling.ungrounded), ensure_ascii=False)
        self._db.execute(
            "INSERT INTO labelings (text_key, annotator, status, origin, note, ungrounded, event)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (text_key, annotator) DO UPDATE SET"
            " status = excluded.status, origin = excluded.origin, note = excluded.note,"
            " ungrounded = excluded.ungrounded, event = excluded.event",
            (key, annotator, labeling.status, labeling.origin, labeling.note, outside, event),
        )
        self._db.execute(
            "DELETE FROM labels WHERE text_key = ? AND annotator = ?", (key, annotator)
        )
        self._db.executemany(
            "INSERT INTO labels (text_key, annotator, start, end, surface, category, canonical,"
            " term_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (key, annotator, k.start, k.end, k.surface, k.category, k.canonical, k.term_id)
                for k in labeling.keywords
            ),
        )
        self._db.execute(_SET_STATUS, {"key": key, "status": labeling.status})


def _unique(keywords: Iterable[Keyword]) -> tuple[Keyword, ...]:
    """One keyword a span, in order of appearance."""
    spans = {(k.start, k.end): k for k in reversed(list(keywords))}
    return tuple(spans[span] for span in sorted(spans))
