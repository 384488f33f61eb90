"""Many texts at once: indexes of texts are put aside meanwhile and built in one go at the end.

Adding a million texts one index entry after another writes random pages all the time; sorting all
entries once is several times quicker. SQLite keeps all of it, the dropped indexes too, inside the
transaction: when it is killed, the file is what it was before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

# An index for each order of work, status and split. Not among them: what an import itself looks
# up, the digests, ids and groups.
ASIDE = (
    "texts_by_status",
    "texts_by_split",
    "texts_labeled",
    "texts_labeled_split",
    "texts_wanted",
    "texts_wanted_drawn",
    "texts_wanted_short",
    "texts_wanted_group",
    "labels_by_surface",
)
# From so many new texts, and this share of what is there already, building anew is quicker.
MANY = 20_000
SHARE = 0.1


class Bulk:
    """The indexes of one corpus file; `aside` says whether they are out of the way."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        there = db.execute("SELECT coalesce(sum(texts), 0) FROM tallies").fetchone()[0]
        self._enough = max(MANY, int(there * SHARE))
        self._made: list[str] = []

    @property
    def aside(self) -> bool:
        """Whether the indexes are out of the way."""
        return bool(self._made)

    def grown(self, texts: int) -> None:
        """Tell how many texts are new; puts the indexes aside once they are enough."""
        if texts >= self._enough and not self._made:
            self._made = put_aside(self._db)

    def finish(self) -> None:
        """Build what was put aside."""
        for statement in self._made:
            self._db.execute(statement)
        self._made = []


def put_aside(db: sqlite3.Connection) -> list[str]:
    """Drop the indexes inside a transaction; returns the statements that make them again."""
    marks = ", ".join("?" * len(ASIDE))
    rows = db.execute(
        f"SELECT name, sql FROM sqlite_master WHERE type = 'index' AND name IN ({marks})", ASIDE
    ).fetchall()
    for name, _statement in rows:
        db.execute(f"DROP INDEX {name}")
    return [statement for _name, statement in rows]


@contextmanager
def without_indexes(db: sqlite3.Connection) -> Iterator[None]:
    """A block of a transaction that changes most texts, with the indexes built at its end."""
    statements = put_aside(db)
    yield
    for statement in statements:
        db.execute(statement)
