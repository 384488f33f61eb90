"""The rows of a corpus and the rules that every change of them follows.

`Corpus` (store.py) is made of this and of what reads, adds and edits. A change is on disk when the
method that makes it returns; the event that records it is written in the same transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from engines.corpus.changes import Labeling
from engines.corpus.connection import Note, connect, transaction
from engines.corpus.schema import ADJUDICATOR
from engines.records import Keyword
from glossary.errors import UserError
from glossary.i18n import _

DEFAULT_OVERLAP = 0.1
_ROOMY_KB = 128 << 10
_INSERT_LABELING = (
    "INSERT INTO labelings (text_key, annotator, status, origin, note, ungrounded, confidence,"
    " guideline, event) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class Core:
    """An opened corpus file."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self.path = path

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        create: bool = False,
        readonly: bool = False,
        on_note: Note | None = None,
    ) -> Self:
        """Open the corpus at `path`, made first if `create`; `readonly` changes no byte of it.

        `on_note` hears what a person should know. Raises UserError and FailedError as
        `connection.connect` does.
        """
        return cls(connect(path, create=create, readonly=readonly, on_note=on_note), path)

    def close(self) -> None:
        """Close the file; everything is on disk already."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def db(self) -> sqlite3.Connection:
        """The connection, for the modules of this package."""
        return self._db

    def transaction(self) -> AbstractContextManager[None]:
        """A write transaction, all of the block or nothing; inside another one it is part of it."""
        return nullcontext() if self._db.in_transaction else transaction(self._db, self.path)

    @contextmanager
    def roomy(self) -> Iterator[None]:
        """A larger page cache for work on all texts, whose indexes are written in random order."""
        before = self._db.execute("PRAGMA cache_size").fetchone()[0]
        self._db.execute(f"PRAGMA cache_size = -{_ROOMY_KB}")
        try:
            yield
        finally:
            self._db.execute(f"PRAGMA cache_size = {before}")

    def event(
        self,
        annotator: str,
        kind: str,
        key: int | None,
        data: Mapping[str, Any],
        change: int | None = None,
    ) -> int:
        """Record one event inside a transaction; `change`: the first event of the same change."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        cursor = self._db.execute(
            "INSERT INTO events (at, annotator, kind, text_key, data, change)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (at, annotator, kind, key, json.dumps(data, ensure_ascii=False, default=str), change),
        )
        return int(cursor.lastrowid or 0)

    def text_of(self, text_id: str) -> tuple[int, str]:
        """Key and text of an id. Raises UserError for an unknown one."""
        row = self._db.execute("SELECT key, text FROM texts WHERE id = ?", (text_id,)).fetchone()
        if row is None:
            raise UserError(_("The corpus has no text with id '{id}'.").format(id=text_id))
        return int(row[0]), str(row[1])

    def value(self, name: str, default: str = "") -> str:
        """A value that the corpus keeps about itself."""
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else default

    def keep_value(self, name: str, value: str) -> None:
        """Keep a value about the corpus itself, inside a transaction."""
        self._db.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            (name, value),
        )

    def labelings_of(
        self, key: int, statuses: tuple[str, ...], *, but: str = ""
    ) -> dict[str, Labeling]:
        """The labelings of a text with one of these statuses, by annotator, `but` left out."""
        names = self._db.execute(
            "SELECT annotator FROM labelings WHERE text_key = ? ORDER BY annotator", (key,)
        ).fetchall()
        found = {name: self._labeling(key, name) for (name,) in names if name != but}
        return {name: one for name, one in found.items() if one and one.status in statuses}

    def _labeling(self, key: int, annotator: str) -> Labeling | None:
        row = self._db.execute(
            "SELECT status, origin, note, ungrounded, confidence, guideline, event"
            " FROM labelings WHERE text_key = ? AND annotator = ?",
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
        status, origin, note, outside, confidence, guideline, event = row
        return Labeling(
            status,
            origin,
            note,
            keywords,
            tuple(json.loads(outside)),
            confidence=confidence,
            guideline=guideline,
            event=event,
        )

    def _put(self, key: int, annotator: str, labeling: Labeling | None, event: int) -> None:
        """Make `labeling` what the annotator says about the text; None takes it back whole."""
        where = (key, annotator)
        if labeling is None:
            self._db.execute("DELETE FROM labelings WHERE text_key = ? AND annotator = ?", where)
        else:
            self._db.execute(
                f"{_INSERT_LABELING} ON CONFLICT (text_key, annotator) DO UPDATE SET"
                " status = excluded.status, origin = excluded.origin, note = excluded.note,"
                " ungrounded = excluded.ungrounded, confidence = excluded.confidence,"
                " guideline = excluded.guideline, event = excluded.event",
                _labeling_row(key, annotator, labeling, event),
            )
            self._db.execute("DELETE FROM labels WHERE text_key = ? AND annotator = ?", where)
            self._put_labels(key, annotator, labeling)
        self._settle(key)

    def _put_new(self, key: int, annotator: str, labeling: Labeling, event: int) -> None:
        """The first labeling of a text that was added with its standing."""
        self._db.execute(_INSERT_LABELING, _labeling_row(key, annotator, labeling, event))
        self._put_labels(key, annotator, labeling)

    def _put_labels(self, key: int, annotator: str, labeling: Labeling) -> None:
        self._db.executemany(
            "INSERT INTO labels (text_key, annotator, start, end, surface, category,"
            " canonical, term_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (key, annotator, k.start, k.end, k.surface, k.category, k.canonical, k.term_id)
                for k in labeling.keywords
            ),
        )

    def _settle(self, key: int) -> None:
        """Bring the text's row level with its labelings."""
        rows = self._db.execute(
            "SELECT m.annotator, m.status, m.origin, m.event, (SELECT count(*) FROM labels l"
            " WHERE l.text_key = m.text_key AND l.annotator = m.annotator)"
            " FROM labelings m WHERE m.text_key = ? ORDER BY m.event DESC",
            (key,),
        ).fetchall()
        drawn = self._db.execute(
            "SELECT digest < ? FROM texts WHERE key = ?", (self._edge(), key)
        ).fetchone()[0]
        self._db.execute(
            "UPDATE texts SET status = ?, chosen = ?, keywords = ?, labelers = ?, wants = ?"
            " WHERE key = ?",
            (*standing(rows, bool(drawn)), key),
        )

    @property
    def overlap(self) -> float:
        """The share of texts, drawn by their hash, that two people label."""
        return float(self.value("overlap", str(DEFAULT_OVERLAP)))

    def _edge(self) -> str:
        """The digest below which a text belongs to the overlap; digests are uniform hexadecimal."""
        share = self.overlap
        return "g" if share >= 1 else format(round(max(share, 0.0) * 2**32), "08x")

    def use_overlap(self, share: float) -> None:
        """Have a share of the texts, 0 to 1, labeled by two people; nothing is undone by it."""
        if share == self.overlap:
            return
        with self.transaction():
            self.keep_value("overlap", str(share))
            edge = self._edge()
            self._db.execute(
                "UPDATE texts SET wants = 1 + (digest < ?1) WHERE labelers = 0"
                " AND status != 'adjudicated' AND wants != 1 + (digest < ?1)",
                (edge,),
            )
            once = self._db.execute("SELECT key FROM texts WHERE labelers = 1").fetchall()
            for (key,) in once:
                self._settle(key)


def _labeling_row(key: int, annotator: str, one: Labeling, event: int) -> tuple[object, ...]:
    outside = json.dumps(list(one.ungrounded), ensure_ascii=False) if one.ungrounded else "[]"
    return (
        *(key, annotator, one.status, one.origin, one.note, outside),
        *(one.confidence, one.guideline, event),
    )


# Of a labeling: annotator, status, origin, event, number of keywords.
Said = tuple[str, str, str, int, int]
Standing = tuple[str, str | None, int | None, int, int]


def standing(rows: Sequence[Said], drawn: bool) -> Standing:
    """Status, whose labels count, how many, labelers, and how many more people are to label.

    `rows`: the labelings of a text, the latest first. `drawn`: two people are to label it.
    """
    said = [row for row in rows if row[1] != "draft"]
    counting = [row for row in said if row[1] in ("labeled", "adjudicated")]
    settled = any(row[1] == "adjudicated" for row in said)
    chosen = next((r for r in counting if r[0] == ADJUDICATOR), next(iter(counting), None))
    status = "adjudicated" if settled else next((r[1] for r in said or rows), "new")
    labelers = sum(row[0] != ADJUDICATOR for row in said)
    by_people = all(row[2] != "import" for row in said)
    wants = int(drawn and labelers == 1 and by_people and not settled) if said else 1 + drawn
    whose, count = (chosen[0], chosen[4]) if chosen else (None, None)
    return status, whose, count, labelers, wants


def unique(keywords: Iterable[Keyword]) -> tuple[Keyword, ...]:
    """One keyword a span, in order of appearance."""
    spans = {(k.start, k.end): k for k in reversed(list(keywords))}
    return tuple(spans[span] for span in sorted(spans))
