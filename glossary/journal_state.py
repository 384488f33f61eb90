"""The current terms of a journal and the rows of its past, asked one question at a time."""

from __future__ import annotations

import json
import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from glossary.changes import Batch, unpacked
from glossary.database import sentences
from glossary.term import Term, fold

_BATCH = "b.number, b.at, b.author, b.reason, b.kind, b.of, b.new, b.changed, b.removed"
_STATE = (
    "SELECT t.key, t.id, c.after, b.at, b.author FROM terms t"
    " JOIN changes c ON c.number = t.change JOIN batches b ON b.number = c.batch"
)
_KEPT = 20_000
_CHUNK = 500


class State:
    """What an open journal says; terms that were read are kept (`forget`)."""

    def __init__(self, connection: sqlite3.Connection, path: Path, readonly: bool) -> None:
        self.path = path
        self.readonly = readonly
        self.db = connection
        self._cache: OrderedDict[int, Term] = OrderedDict()
        self._known: dict[str, int] = {}

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
        for marks, chunk in chunks([i for i in wanted if i not in found]):
            for row in self._all(f"{_STATE} WHERE t.there AND t.id IN ({marks})", chunk):
                found[row[1]] = self._remember(row)
        return {term_id: found[term_id] for term_id in wanted if term_id in found}

    def terms_of(self, keys: Sequence[int]) -> list[Term]:
        """The terms with these keys, in the order given; removed ones are left out."""
        found = self.by_key(keys)
        return [found[term_key] for term_key in keys if term_key in found]

    def by_key(self, keys: Sequence[int]) -> dict[int, Term]:
        """The terms with these keys, by key, in no order; removed ones are left out."""
        found: dict[int, Term] = {}
        for marks, chunk in chunks(list(keys)):
            for row in self._all(f"{_STATE} WHERE t.there AND t.key IN ({marks})", chunk):
                found[row[0]] = self._remember(row)
        return found

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

    def values_of(self, field: str) -> Iterator[list[tuple[int, str]]]:
        """A field of text of every term, with the keys, some thousand at a time."""
        usual = {"updated": "b.at", "created": "b.at", "author": "b.author", "language": "'ko'"}
        other, last = usual.get(field, "''"), -1
        while rows := self._all(
            f"SELECT t.key, coalesce(json_extract(c.after, '$.' || ?), {other})"
            " FROM terms t JOIN changes c ON c.number = t.change JOIN batches b"
            " ON b.number = c.batch WHERE t.there AND t.key > ? ORDER BY t.key LIMIT 10000",
            (field, last),
        ):
            yield rows
            last = rows[-1][0]

    def sorted_terms(self) -> Iterator[Term]:
        """All terms in the order of `in_order`; none is kept in memory."""
        last = ""
        while True:
            rows = self._all(
                "SELECT n.name, t.id, c.after, b.at, b.author FROM names n"
                " JOIN terms t ON t.key = n.term JOIN changes c ON c.number = t.change"
                " JOIN batches b ON b.number = c.batch"
                " WHERE n.rank = 0 AND n.name > ? ORDER BY n.name LIMIT 5000",
                (last,),
            )
            for row in rows:
                yield unpacked(*row[1:])
            if not rows:
                return
            last = rows[-1][0]

    def sample(self, count: int) -> list[Term]:
        """So many terms at most, spread evenly over their keys."""
        last = self._one("SELECT max(key) FROM terms WHERE there", ())
        step = max(int(last[0] or 0) // count, 1) if last else 1
        return self.terms_of(list(range(1, step * count + 1, step)))

    def in_order(self) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """All terms by canonical form: key, name and fields without defaults; none is kept."""
        with sentences(self.path):
            cursor = self.db.execute(
                "SELECT n.term, n.name, c.after FROM names n JOIN terms t ON t.key = n.term"
                " JOIN changes c ON c.number = t.change WHERE n.rank = 0 ORDER BY n.name"
            )
            for term_key, name, text in cursor:
                yield term_key, name, json.loads(text)

    def page(self, offset: int, limit: int) -> list[Term]:
        """Some terms in the order of `in_order`; a far offset costs the way there."""
        rows = self._all(
            "SELECT term FROM names WHERE rank = 0 ORDER BY name LIMIT ? OFFSET ?", (limit, offset)
        )
        return self.terms_of([int(row[0]) for row in rows])

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
        last = self.last_change(self.position if until is None else until)
        with sentences(self.path):
            # Not DISTINCT, for which SQLite would walk through an index of all changes.
            rows = self.db.execute(
                "SELECT term FROM changes WHERE number > ? AND number <= ? ORDER BY number",
                (first, last),
            )
            return list(dict.fromkeys(int(row[0]) for row in rows))

    def ids_of(self, keys: Iterable[int]) -> dict[int, str]:
        """The ids of these keys, of removed terms too."""
        found: dict[int, str] = {}
        for marks, chunk in chunks(list(keys)):
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


def chunks(values: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Pieces of a list with as many marks of SQL each."""
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        yield ",".join("?" * len(chunk)), chunk
