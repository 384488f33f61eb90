"""The truth of a glossary: an append-only journal of changes in one SQLite file.

A change is on disk (synchronous FULL) when `append`'s transaction has ended. The current terms are
the latest changes; `terms` and `names` are indexes to them, written in the same transaction, so
that a question about one term costs the same at a million.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from glossary.changes import EDIT, Batch, packed, stamped
from glossary.database import Schema, connect, sentences, transaction
from glossary.journal_state import State, chunks
from glossary.term import Term, key

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

# 40 MB of log.
_PAGES = 10_000
# "kwtg" in ASCII.
SCHEMA = Schema(0x6B777467, (_FIRST,))


class Journal(State):
    """The journal at `path`. Make one with `Journal.open`."""

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

    def spare_commits(self) -> None:
        """Let the log of changes grow, for who calls `checkpoint` now and then.

        SQLite's own checkpoint is part of a commit: every so often a change would wait for it.
        """
        with sentences(self.path):
            self.db.execute(f"PRAGMA wal_autocheckpoint = {_PAGES}")

    def checkpoint(self) -> None:
        """Write the log of changes back into the file, as far as nobody reads what was before."""
        with sentences(self.path):
            self.db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

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
        last, total = self._end()
        old = self.get_many(targets) if total else {}
        kept = {i: t for i, t in targets.items() if t is not None or i in old}
        new = sum(t is not None and i not in old for i, t in kept.items())
        removed = sum(t is None for t in kept.values())
        counts = new, len(kept) - new - removed, removed
        batch = self._begin(counts, author, reason, kind, of)
        if not keep_stamps:
            kept = {i: t and stamped(t, old.get(i), batch.at, author) for i, t in kept.items()}
        self._record(batch, last, kept, old)
        return batch

    def append_parts(
        self,
        parts: Iterable[Mapping[str, Term | None]],
        *,
        counts: tuple[int, int, int],
        author: str,
        reason: str,
        kind: str = EDIT,
        of: int | None = None,
    ) -> Batch:
        """Record one change of many terms, part by part, so that memory holds one part.

        `counts`: how many of them are new, changed and removed. Inside `transaction`; each stands
        in one part only, and gets no name that another one has when its part comes (`free_names`).
        Raises ValueError when the parts hold another number of terms.
        """
        last, _total = self._end()
        batch = self._begin(counts, author, reason, kind, of)
        done = 0
        for part in parts:
            old = self.get_many(part)
            kept = {i: t and stamped(t, old.get(i), batch.at, author) for i, t in part.items()}
            self._record(batch, last + done, kept, old)
            done += len(part)
        if done != sum(counts):
            raise ValueError(f"{done} terms in the parts, not {sum(counts)}")
        return batch

    def free_names(self, keys: Iterable[int]) -> None:
        """Take the names of these terms from them before `append_parts` gives all of them new ones.

        Inside `transaction`. A name may so go from a term of a later part to one of an earlier.
        """
        self.db.executemany("DELETE FROM names WHERE term = ?", ((term_key,) for term_key in keys))

    def _end(self) -> tuple[int, int]:
        """The number of the last change, and how many terms there are."""
        row = self._one("SELECT last, total FROM batches ORDER BY number DESC LIMIT 1")
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def _begin(
        self,
        counts: tuple[int, int, int],
        author: str,
        reason: str,
        kind: str = EDIT,
        of: int | None = None,
    ) -> Batch:
        """The row of a batch that makes so many terms new, changed and removed."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        (last, total), (new, _changed, removed) = self._end(), counts
        number = self.db.execute(
            "INSERT INTO batches (at, author, reason, kind, of, new, changed, removed, last, total)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (at, author, reason, kind, of, *counts, last + sum(counts), total + new - removed),
        ).lastrowid
        return Batch(int(number or 0), at, author, reason, kind, of, *counts)

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
        for marks, chunk in chunks(list(ids)):
            rows = self.db.execute(f"SELECT id, key FROM terms WHERE id IN ({marks})", chunk)
            found.update(rows.fetchall())
        return found
