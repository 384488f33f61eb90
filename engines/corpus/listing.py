"""The texts of a corpus as rows of a table, read a page at a time."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from engines.corpus.connection import connect, sentences

_WHERE = """
FROM texts t LEFT JOIN splits s ON s.grp = t.grp
WHERE (?1 = '' OR instr(t.text, ?1) OR t.id = ?1)
  AND (?2 IS NULL OR coalesce(s.split, '') = ?2) AND (?3 IS NULL OR t.status = ?3)
"""


@dataclass(frozen=True, slots=True)
class TextRow:
    """One text with its split ("" for none), its status and how many keywords are labeled."""

    id: str
    text: str
    split: str
    status: str
    keywords: int


class Listing:
    """A read-only view of the corpus at `path`; open, read and close in one thread.

    `filter`: a piece of the text, or an id. `split` and `status`: None for all of them.
    """

    def __init__(
        self,
        path: Path,
        *,
        filter: str = "",
        split: str | None = None,
        status: str | None = None,
    ) -> None:
        self.path = path
        self._db: sqlite3.Connection = connect(path, create=False, readonly=True)
        self._values = (filter, split, status)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def count(self) -> int:
        """Number of texts that pass."""
        with sentences(self.path):
            return int(self._db.execute(f"SELECT count(*) {_WHERE}", self._values).fetchone()[0])

    def rows(self, offset: int, limit: int) -> list[TextRow]:
        """Some rows in the order of import; the keywords are those of the latest labeling."""
        with sentences(self.path):
            found = self._db.execute(
                "SELECT t.id, t.text, coalesce(s.split, ''), t.status, (SELECT count(*) FROM"
                " labels l WHERE l.text_key = t.key AND l.annotator = (SELECT m.annotator FROM"
                " labelings m WHERE m.text_key = t.key ORDER BY m.event DESC LIMIT 1))"
                f" {_WHERE} ORDER BY t.key LIMIT ?4 OFFSET ?5",
                (*self._values, limit, offset),
            ).fetchall()
        return [TextRow(*row) for row in found]


def read_rows(
    path: Path, offset: int, limit: int, *, filter: str = "", split: str | None = None
) -> tuple[int, list[TextRow]]:
    """How many texts pass and some of them; opens and closes the file."""
    listing = Listing(path, filter=filter, split=split)
    try:
        return listing.count(), listing.rows(offset, limit)
    finally:
        listing.close()
