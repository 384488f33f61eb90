"""The truth of a glossary: an append-only journal of changes in one SQLite file.

A change is on disk (synchronous FULL) when `append`'s transaction has ended. The current terms are
the latest changes; `terms` and `names` are indexes to them, written in the same transaction, so
that a question about one term costs the same at a million.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from glossary.changes import EDIT, Batch, packed, stamped, unpacked
from glossary.database import Schema, connect, sentences, transaction
from glossary.term import Term, fold, key

_FIRST = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- Changes made together; `last` is the number of the last change so far, `total` the terms then.
CREATE TABLE batches (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    author TEXT NOT NULL,
    reason TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('edit', 'undo', 'redo')),
    of INTEGER REFERENCES batches (number),
    new INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    last INTEGER NOT NULL,
    total INTEGER NOT NULL
);
CREATE INDEX batches_of_author ON batches (author, number);

-- One row a term and change, in order. `before` and `after` are JSON, NULL when not there.
CREATE TABLE changes (
    number INTEGER PRIMARY KEY,
    batch INTEGER NOT NULL REFERENCES batches (number),
    term INTEGER NOT NULL,
    before TEXT,
    after TEXT
);
CREATE INDEX changes_of_term ON changes (term, number);

CREATE TRIGGER batches_stay BEFORE UPDATE ON batches
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER batches_are_kept BEFORE DELETE ON batches
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER changes_stay BEFORE UPDATE ON changes
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER changes_are_kept BEFORE DELETE ON changes
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- Every id that ever was, with its latest change; `there` 0 when that removed it.
CREATE TABLE terms (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    change INTEGER NOT NULL,
    there INTEGER NOT NULL
);

-- Whose name each spelling is (glossary.term.key); `rank` 0 for the canonical form.
CREATE TABLE names (
    name TEXT PRIMARY KEY,
    term INTEGER NOT NULL REFERENCES terms (key),
    rank INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX names_of_term ON names (term);

CREATE TABLE snapshots (
    name TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    at TEXT NOT NULL,
    author TEXT NOT NULL,
    note TEXT NOT NULL
) WITHOUT ROWID;
"""

# "kwtg" in ASCII.
SCHEMA = Schema(0x6B777467, (_FIRST,))
_BATCH = "b.number, b.at, b.author, b.reason, b.kind, b.of, b.new, b.changed, b.removed"
_STATE = (
    "SELECT t.key, t.id, c.after, b.at, b.author FROM terms t"
    " JOIN changes c ON c.number = t.change JOIN batches b ON b.number = c.batch"
)
_KEPT = 20_000
_CHUNK = 500


class Journal:
    """The journal at `path`. Make one with `Journal.open`."""

    def __init__(self, connection: sqlite3.Connection, path: Path, readonly: bool) -> None:
        self.path = path
        self.readonly = readonly
        self.db = connection
        self._cache: OrderedDict[int, Term] = OrderedDict()
        self._known: dict[str, int] = {}

    @classmethod
    def open(cls, path: Path, *, create: bool = False) -> Journal:
        """Open the journal, made first if `create`.

        Raises UserError and FailedError as `glossary.database.connect` does.
        """
        connection, readonly = connect(path, SCHEMA, create=create)
        made = cls(connection, path, readonly)
        # Looked for first, since a write would wait for whoever is writing.
        if not readonly and not made._one("SELECT 1 FROM meta WHERE name = 'identity'"):
            with sentences(path):
                connection.execute(
                    "INSERT OR IGNORE INTO meta VALUES ('identity', ?)", (uuid.uuid4().hex,)
                )
        return made

    def close(self) -> None:
        """Close the file; everything is on disk already."""
        self.db.close()

    @cached_property
    def identity(self) -> str:
        """What sets this journal apart from any other: 32 hex digits, made with the file."""
        row = self._one("SELECT value FROM meta WHERE name = 'identity'")
        return str(row[0]) if row else ""

    @property
    def position(self) -> int:
        """The number of the last batch, 0 for a new journal; it grows with every change."""
        return int((self._one("SELECT max(number) FROM batches") or (0,))[0] or 0)

    def data_version(self) -> int:
        """A number that changes when another connection commits; cheap to ask."""
        return int((self._one("PRAGMA data_version") or (0,))[0])

    def count(self) -> int:
        """How many terms there are."""
        row = self._one("SELECT total FROM batches ORDER BY number DESC LIMIT 1")
        return int(row[0]) if row else 0

    # The current terms

    def get(self, term_id: str) -> Term | None:
        """The term with this id."""
        term_key = self.key_of(term_id)
        return None if term_key is None else self.term(term_key)

    def key_of(self, term_id: str) -> int | None:
        """The small number that stands for this id in this journal, while the term is there."""
        row = self._one("SELECT key FROM terms WHERE id = ? AND there", (term_id,))
        return int(row[0]) if row else None

    def term(self, term_key: int) -> Term | None:
        """The term with this key."""
        known = self._cache.get(term_key)
        if known is not None:
            self._cache.move_to_end(term_key)
            return known
        row = self._one(f"{_STATE} WHERE t.key = ? AND t.there", (term_key,))
        return self._remember(row) if row else None

    def owner(self, name: str) -> Term | None:
        """The term that has `name` (as `glossary.term.key` gives it) as its form or alias."""
        row = self._one("SELECT term FROM names WHERE name = ?", (name,))
        return self.term(int(row[0])) if row else None

    def get_many(self, ids: Iterable[str]) -> dict[str, Term]:
        """The terms with these ids, in the order given; unknown ids are left out."""
        wanted = list(dict.fromkeys(ids))
        known = {i: self._cache.get(self._known[i]) for i in wanted if i in self._known}
        found: dict[str, Term] = {i: term for i, term in known.items() if term is not None}
        for marks, chunk in _chunks([i for i in wanted if i not in found]):
            for row in self._all(f"{_STATE} WHERE t.there AND t.id IN ({marks})", chunk):
                found[row[1]] = self._remember(row)
        return {term_id: found[term_id] for term_id in wanted if term_id in found}

    def terms_of(self, keys: Sequence[int]) -> list[Term]:
        """The terms with these keys, in the order given; removed ones are left out."""
        found: dict[int, Term] = {}
        for marks, chunk in _chunks(list(keys)):
            for row in self._all(f"{_STATE} WHERE t.there AND t.key IN ({marks})", chunk):
                found[row[0]] = self._remember(row)
        return [found[term_key] for term_key in keys if term_key in found]

    def iterate(self) -> Iterator[tuple[int, Term]]:
        """All terms with their keys, in the order of their keys; none is kept in memory."""
        last = -1
        while True:
            rows = self._all(
                f"{_STATE} WHERE t.there AND t.key > ? ORDER BY t.key LIMIT 5000", (last,)
            )
            for row in rows:
                yield row[0], unpacked(row[1], row[2], row[3], row[4])
            if not rows:
                return
            last = rows[-1][0]

    def in_order(self) -> Iterator[tuple[int, Term]]:
        """All terms with their keys, by canonical form (as `key` gives it), none kept."""
        with sentences(self.path):
            cursor = self.db.execute(
                "SELECT t.key, t.id, c.after, b.at, b.author FROM names n"
                " JOIN terms t ON t.key = n.term JOIN changes c ON c.number = t.change"
                " JOIN batches b ON b.number = c.batch WHERE n.rank = 0 ORDER BY n.name"
            )
            for term_key, *values in cursor:
                yield term_key, unpacked(*values)

    def page(self, offset: int, limit: int) -> list[Term]:
        """Some terms in the order of `in_order`; a far offset costs the way there."""
        rows = self._all(
            "SELECT term FROM names WHERE rank = 0 ORDER BY name LIMIT ? OFFSET ?", (limit, offset)
        )
        return self.terms_of([int(row[0]) for row in rows])

    @contextmanager
    def still(self) -> Iterator[Journal]:
        """The journal as it is now, by a connection of its own, whatever is written meanwhile."""
        other = Journal.open(self.path)
        try:
            with sentences(self.path):
                other.db.execute("BEGIN")
            yield other
        finally:
            other.close()

    def spellings(self) -> Iterator[tuple[str, int]]:
        """Every name (as `glossary.term.key` gives it) with the key of its term."""
        with sentences(self.path):
            yield from self.db.execute("SELECT name, term FROM names")

    def named(self, part: str, limit: int) -> list[Term]:
        """Terms with `part` in a name, in any case of Latin letters; those that begin so first."""
        rows = self._all(
            "SELECT term FROM (SELECT term, rank, instr(lower(name), ?1) AS place,"
            " length(name) AS size FROM names) WHERE place GROUP BY term"
            " ORDER BY min(rank > 0 OR place > 1), min(size), term LIMIT ?2",
            (fold(part), limit),
        )
        return self.terms_of([int(row[0]) for row in rows])

    def not_keywords(self) -> list[Term]:
        """The terms that are no keywords, in no order."""
        rows = self._all(f"{_STATE} WHERE t.there AND json_extract(c.after, '$.keyword') = 0")
        return [self._remember(row) for row in rows]

    def categories(self) -> dict[str, int]:
        """How many terms each category has."""
        rows = self._all(
            "SELECT coalesce(json_extract(c.after, '$.category'), ''), count(*) FROM terms t"
            " JOIN changes c ON c.number = t.change WHERE t.there GROUP BY 1"
        )
        return {str(name): int(count) for name, count in rows}

    def touched(self, since: int, until: int | None = None) -> list[int]:
        """The keys of the terms that batches after `since`, up to `until`, changed."""
        first = self.last_change(since)
        last = self.last_change(until) if until is not None else None
        rows = self._all(
            "SELECT DISTINCT term FROM changes WHERE number > ?1 AND (?2 IS NULL OR number <= ?2)",
            (first, last),
        )
        return [int(row[0]) for row in rows]

    def ids_of(self, keys: Iterable[int]) -> dict[int, str]:
        """The ids of these keys, of removed terms too."""
        found: dict[int, str] = {}
        for marks, chunk in _chunks(list(keys)):
            found.update(self._all(f"SELECT key, id FROM terms WHERE key IN ({marks})", chunk))
        return found

    def last_change(self, position: int) -> int:
        """The number of the last change up to `position`."""
        row = self._one(
            "SELECT last FROM batches WHERE number <= ? ORDER BY number DESC LIMIT 1", (position,)
        )
        return int(row[0]) if row else 0

    def forget(self, keys: Iterable[int] | None = None) -> None:
        """Read these terms anew the next time, or all of them."""
        if keys is None:
            self._cache.clear()
            self._known.clear()
            return
        for term_key in keys:
            self._drop(term_key)

    # Writing

    def transaction(self) -> AbstractContextManager[None]:
        """What surrounds looking and `append`: no other process writes meanwhile."""
        return transaction(self.db, self.path)

    def append(
        self,
        targets: Mapping[str, Term | None],
        *,
        author: str,
        reason: str,
        kind: str = EDIT,
        of: int | None = None,
        keep_stamps: bool = False,
    ) -> Batch:
        """Record what becomes of the terms with these ids; None: it is removed.

        Inside `transaction`. No two terms may have a name in common afterwards
        (sqlite3.IntegrityError otherwise); `glossary.validation` sees to it. `keep_stamps`: times
        and author stay as the terms say.
        """
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        last, total = self._one("SELECT last, total FROM batches ORDER BY number DESC LIMIT 1") or (
            0,
            0,
        )
        old = self.get_many(targets) if total else {}
        kept = {i: t for i, t in targets.items() if t is not None or i in old}
        new = sum(t is not None and i not in old for i, t in kept.items())
        removed = sum(t is None for t in kept.values())
        changed = len(kept) - new - removed
        total += new - removed
        number = self.db.execute(
            "INSERT INTO batches (at, author, reason, kind, of, new, changed, removed, last, total)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (at, author, reason, kind, of, new, changed, removed, last + len(kept), total),
        ).lastrowid
        batch = Batch(int(number or 0), at, author, reason, kind, of, new, changed, removed)
        if not keep_stamps:
            kept = {i: t and stamped(t, old.get(i), at, author) for i, t in kept.items()}
        self._record(batch, last, kept, old)
        return batch

    def _record(
        self, batch: Batch, last: int, kept: Mapping[str, Term | None], old: Mapping[str, Term]
    ) -> None:
        numbers = dict(zip(kept, range(last + 1, last + 1 + len(kept)), strict=True))
        self.db.executemany(
            "INSERT INTO terms (id, change, there) VALUES (?1, ?2, ?3)"
            " ON CONFLICT (id) DO UPDATE SET change = ?2, there = ?3",
            ((i, numbers[i], t is not None) for i, t in kept.items()),
        )
        keys = self._keys(kept)
        self.db.executemany(
            "INSERT INTO changes (number, batch, term, before, after) VALUES (?, ?, ?, ?, ?)",
            (
                (
                    numbers[i],
                    batch.number,
                    keys[i],
                    packed(old[i]) if i in old else None,
                    packed(term, batch.at, batch.author) if term else None,
                )
                for i, term in kept.items()
            ),
        )
        self.db.executemany("DELETE FROM names WHERE term = ?", ((keys[i],) for i in old))
        self.db.executemany(
            "INSERT INTO names (name, term, rank) VALUES (?, ?, ?)",
            (
                (key(surface), keys[i], rank)
                for i, term in kept.items()
                if term
                for rank, surface in enumerate(term.surfaces)
            ),
        )
        self.forget(keys.values())

    def _keys(self, ids: Iterable[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for marks, chunk in _chunks(list(ids)):
            rows = self.db.execute(f"SELECT id, key FROM terms WHERE id IN ({marks})", chunk)
            found.update(rows.fetchall())
        return found

    def batches_where(self, clause: str, values: Sequence[Any]) -> Iterator[Batch]:
        """Batches by a clause of SQL (a constant of ours) with its values."""
        for row in self._all(f"SELECT {_BATCH} FROM batches b {clause}", values):
            yield Batch(*row)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query of ours."""
        return self._all(query, values)

    def _remember(self, row: tuple[Any, ...]) -> Term:
        term = unpacked(row[1], row[2], row[3], row[4])
        self._cache[row[0]] = term
        self._known[term.id] = row[0]
        if len(self._cache) > _KEPT:
            self._drop(next(iter(self._cache)))
        return term

    def _drop(self, term_key: int) -> None:
        term = self._cache.pop(term_key, None)
        if term is not None:
            self._known.pop(term.id, None)

    def _one(self, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        with sentences(self.path):
            found: tuple[Any, ...] | None = self.db.execute(query, values).fetchone()
        return found

    def _all(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with sentences(self.path):
            return self.db.execute(query, values).fetchall()


def _chunks(values: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Pieces of a list with as many marks of SQL each."""
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        yield ",".join("?" * len(chunk)), chunk
