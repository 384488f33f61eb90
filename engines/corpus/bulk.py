"""Many texts at once: indexes of texts are put aside meanwhile and built in one go at the end.

Adding a million texts one index entry after another writes random pages all the time; sorting all
entries once is several times quicker. SQLite keeps all of it, the dropped indexes too, inside the
transaction: when it is killed, the file is what it was before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from engines.corpus.schema import COUNT_TALLIES

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
# So many rows between two words of progress.
_STEP = 5000
# How much of the work is done when the splits are written, and when the texts have followed.
_WRITTEN, _MOVED = 0.3, 0.8

Share = Callable[[float], object]
# Group, split, reason and event of a row of the table splits.
Row = tuple[str, str, str, int]


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
    return _dropped(db, "index", ASIDE)


def _dropped(db: sqlite3.Connection, kind: str, names: Sequence[str]) -> list[str]:
    marks = ", ".join("?" * len(names))
    rows = db.execute(
        f"SELECT name, sql FROM sqlite_master WHERE type = ? AND name IN ({marks})", (kind, *names)
    ).fetchall()
    for name, _statement in rows:
        db.execute(f"DROP {kind} {name}")
    return [statement for _name, statement in rows]


@contextmanager
def without_indexes(db: sqlite3.Connection, share: Share | None = None) -> Iterator[None]:
    """A block of a transaction that changes most texts, with the indexes built at its end.

    `share` hears how much of them is built, 0 to 1. Inside another such block it does nothing.
    """
    statements = put_aside(db)
    yield
    for number, statement in enumerate(statements, 1):
        db.execute(statement)
        if share is not None:
            share(number / len(statements))


@contextmanager
def _texts_follow(db: sqlite3.Connection, where: str, share: Share) -> Iterator[None]:
    """A block that changes most of the table splits; the texts that `where` names follow at its
    end, in the order in which they stand in the file.

    Triggers move them one group after another, and nearly each writes a page of its own then.
    """
    with without_indexes(db, lambda part: share(_MOVED + (1 - _MOVED) * part)):
        triggers = _dropped(db, "trigger", ("splits_begin", "splits_end", "tallies_move"))
        yield
        last = db.execute("SELECT coalesce(max(key), 0) FROM texts").fetchone()[0]
        for key in range(0, last, _STEP):
            db.execute(
                "UPDATE texts SET split = coalesce((SELECT s.split FROM splits s"
                f" WHERE s.grp = texts.grp), '') WHERE key > ? AND key <= ? AND {where}",
                (key, key + _STEP),
            )
            share(_WRITTEN + (_MOVED - _WRITTEN) * min(1.0, (key + _STEP) / last))
        db.execute("DELETE FROM tallies")
        db.execute(COUNT_TALLIES)
        for statement in triggers:
            db.execute(statement)


def place(db: sqlite3.Connection, rows: Iterable[Row], count: int, share: Share) -> None:
    """Put `count` rows into the table splits and their texts into these splits, in a transaction.

    `share` hears how much is done, 0 to 1.
    """

    def told() -> Iterator[Row]:
        for number, row in enumerate(rows):
            if number % _STEP == 0:
                share(_WRITTEN * number / count)
            yield row

    with _texts_follow(db, "split = ''", share):
        db.executemany("INSERT INTO splits (grp, split, reason, event) VALUES (?, ?, ?, ?)", told())


def unplace(db: sqlite3.Connection, share: Share) -> None:
    """Empty the table splits, in a transaction; `share` hears how much is done, 0 to 1."""
    with _texts_follow(db, "split != ''", share):
        db.execute("DELETE FROM splits")
