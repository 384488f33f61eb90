"""The order of work: which text an annotator labels next, claimed so that nobody else does.

A claim is a lease that lasts `LEASE` seconds unless `Queue.heartbeat` renews it. Nothing here
counts texts: every order stands in an index, so a million texts wait no longer than ten.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from engines.corpus.connection import sentences
from engines.corpus.core import Core
from engines.corpus.schema import STATUSES
from glossary.errors import UserError
from glossary.i18n import _

LEASE = 600.0
# A lease that ends later was given by a clock that has been set back since, and counts no more.
LONGEST = LEASE + 300.0
PATTERN_SECONDS = 10.0
_TEXT_SECONDS = 0.2
# Orders by an index of the texts; the others come from predictions and ranks.
_PLAIN = {
    "imported": "t.key",
    "random": "substr(t.digest, 9, 8), t.key",
    "shortest": "length(t.text), t.key",
    "duplicates": "t.grp, t.key",
}
RANKED = ("uncertain", "disagreement", "terms")
ORDERS = (*_PLAIN, *RANKED)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which texts are wanted; empty fields want all of them.

    `statuses`: instead of the texts that wait for a label. `annotator`: texts that this person
    labeled. `surfaces`: one of them stands in the text. `pattern`: a regular expression.
    """

    statuses: tuple[str, ...] = ()
    source: str = ""
    annotator: str = ""
    surfaces: tuple[str, ...] = ()
    pattern: str = ""
    split: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A text in the queue."""

    key: int
    id: str
    text: str
    status: str


class Queue:
    """One annotator's way through the corpus.

    `session` tells two programs of one annotator apart. `ranking`: for "uncertain" the strategy,
    for "disagreement" what `ranking.disagreement_name` says. Raises UserError for an unknown
    order or status and for a pattern that is none.
    """

    def __init__(
        self,
        corpus: Core,
        annotator: str,
        *,
        order: str = "imported",
        ranking: str = "",
        wanted: Filter | None = None,
        session: str = "",
    ) -> None:
        if order not in ORDERS:
            sentence = _("Order '{order}' is unknown: give one of {known}.")
            raise UserError(sentence.format(order=order, known=", ".join(ORDERS)))
        self._wanted = wanted or Filter()
        for status in self._wanted.statuses:
            if status not in STATUSES:
                sentence = _("Status '{status}' is unknown: give one of {known}.")
                raise UserError(sentence.format(status=status, known=", ".join(STATUSES)))
        self._corpus = corpus
        self._annotator = annotator
        self._order = order
        self._ranking = ranking
        self._session = session
        self._pattern = _Pattern(self._wanted.pattern) if self._wanted.pattern else None

    def take(self, count: int = 1) -> list[Item]:
        """The next texts, claimed; those that this session has claimed already come first.

        Calling it again gives the same texts until they are labeled, skipped, flagged or let go.
        """
        with sentences(self._corpus.path):
            items = self._claimed()[:count]
        self._claim(items, certain=True)
        # A pattern is searched before the file is locked for a claim; another annotator may have
        # been faster then, and the search goes on.
        while len(items) < count:
            held = {item.key for item in items}
            found = self._first(count - len(items), held)
            items += self._claim(found)
            if not found:
                break
        return items

    def _first(self, count: int, held: set[int]) -> list[Item]:
        """The first `count` texts of the walk that are not in `held`."""
        with sentences(self._corpus.path):
            return list(islice((i for i in self._walk() if i.key not in held), count))

    def _claim(self, items: list[Item], *, certain: bool = False) -> list[Item]:
        """Claim texts, or renew their claim; those that still may be had, `certain`: all."""
        now = time.time()
        with self._corpus.transaction():
            self._corpus.db.execute(
                "DELETE FROM claims WHERE until < ? OR until > ?", (now, now + LONGEST)
            )
            got = [item for item in items if certain or self._free(item.key, now)]
            self._corpus.db.executemany(
                "INSERT INTO claims VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " until = excluded.until",
                ((i.key, self._annotator, self._session, now + LEASE) for i in got),
            )
        return got

    def _free(self, key: int, now: float) -> bool:
        """Whether a text found a moment ago still waits and nobody else is at it."""
        conditions, values = self._conditions()
        conditions.append(self._unclaimed())
        query = f"SELECT 1 FROM texts t WHERE t.key = :key AND {' AND '.join(conditions)}"
        values |= {"key": key, "now": now, "longest": now + LONGEST}
        return self._corpus.db.execute(query, values).fetchone() is not None

    def peek(self, count: int = 1) -> list[Item]:
        """What would come next, without a claim."""
        found: list[Item] = []
        with sentences(self._corpus.path):
            for item in self._walk():
                if len(found) == count:
                    break
                found.append(item)
        return found

    def heartbeat(self) -> int:
        """Renew this session's claims, say every minute; returns how many."""
        until = time.time() + LEASE
        with self._corpus.transaction():
            cursor = self._corpus.db.execute(
                "UPDATE claims SET until = ? WHERE annotator = ? AND session = ?",
                (until, self._annotator, self._session),
            )
        return cursor.rowcount

    def release(self) -> int:
        """Let this session's claims go, at the end of work; returns how many."""
        with self._corpus.transaction():
            cursor = self._corpus.db.execute(
                "DELETE FROM claims WHERE annotator = ? AND session = ?",
                (self._annotator, self._session),
            )
        return cursor.rowcount

    def _claimed(self) -> list[Item]:
        """The claims of this session that are still to be labeled and pass the filter, in order."""
        conditions, values = self._conditions()
        rows = self._corpus.db.execute(
            "SELECT t.key, t.id, t.text, t.status FROM claims c JOIN texts t ON t.key = c.text_key"
            " WHERE c.annotator = :me AND c.session = :session"
            f" AND {' AND '.join(conditions)} ORDER BY c.until, t.key",
            values,
        ).fetchall()
        return [Item(*row) for row in rows if self._passes(row[2])]

    def _walk(self) -> Iterator[Item]:
        """The texts in order that nobody else is at."""
        conditions, values = self._conditions()
        conditions.append(self._unclaimed())
        now = time.time()
        values |= {"now": now, "longest": now + LONGEST}
        for query in self._queries(" AND ".join(conditions)):
            for row in self._corpus.db.execute(query, values):
                if self._passes(row[2]):
                    yield Item(*row)

    def _unclaimed(self) -> str:
        """The condition that a text has room for one more annotator."""
        return (
            "(SELECT count(*) FROM claims c WHERE c.text_key = t.key"
            " AND (c.annotator != :me OR c.session != :session)"
            " AND c.until BETWEEN :now AND :longest)"
            + (" < 1" if self._wanted.statuses else " < t.wants")
        )

    def _queries(self, where: str) -> Iterator[str]:
        """The query of the order; texts without a rank come after those that have one."""
        columns = "SELECT t.key, t.id, t.text, t.status FROM"
        if self._order in _PLAIN:
            yield f"{columns} texts t WHERE {where} ORDER BY {_PLAIN[self._order]}"
            return
        if self._order == "uncertain":
            table, name, value = "predictions", "strategy", "uncertainty"
            known = "p.uncertainty IS NOT NULL"
        else:
            table, name, value, known = "ranks", "name", "value", "1"
        join = f"{table} p CROSS JOIN texts t ON t.key = p.text_key WHERE p.{name} = :ranking"
        yield f"{columns} {join} AND {known} AND {where} ORDER BY p.{value} DESC, p.text_key"
        ranked = (
            f"SELECT 1 FROM {table} p WHERE p.text_key = t.key AND p.{name} = :ranking AND {known}"
        )
        yield f"{columns} texts t WHERE NOT EXISTS ({ranked}) AND {where} ORDER BY t.key"

    def _conditions(self) -> tuple[list[str], dict[str, Any]]:
        wanted = self._wanted
        values: dict[str, Any] = {"me": self._annotator, "session": self._session}
        values["ranking"] = self._ranking or self._order
        if wanted.statuses:
            names = {f"status{n}": status for n, status in enumerate(wanted.statuses)}
            conditions = [f"t.status IN ({', '.join(f':{name}' for name in names)})"]
            values |= names
        else:
            conditions = [
                "t.wants > 0",
                "NOT EXISTS (SELECT 1 FROM labelings m WHERE m.text_key = t.key"
                " AND m.annotator = :me AND m.status != 'draft')",
            ]
        if wanted.source:
            conditions.append("t.source = :source")
            values["source"] = wanted.source
        if wanted.split is not None:
            conditions.append("t.split = :split")
            values["split"] = wanted.split
        if wanted.annotator:
            conditions.append(
                "EXISTS (SELECT 1 FROM labelings a WHERE a.text_key = t.key"
                " AND a.annotator = :whose AND a.status != 'draft')"
            )
            values["whose"] = wanted.annotator
        if wanted.surfaces:
            terms = {f"term{n}": surface for n, surface in enumerate(wanted.surfaces)}
            conditions.append(f"({' OR '.join(f'instr(t.text, :{name})' for name in terms)})")
            values |= terms
        return conditions, values

    def _passes(self, text: str) -> bool:
        return self._pattern is None or self._pattern.found(text)


class _Pattern:
    """A regular expression that can neither hang on one text nor search for ever."""

    def __init__(self, pattern: str) -> None:
        import regex

        try:
            self._regex = regex.compile(pattern)
        except regex.error as error:
            sentence = _("'{pattern}' is no regular expression: {reason}.")
            raise UserError(sentence.format(pattern=pattern, reason=error)) from None
        self._shown = pattern
        self._spent = 0.0

    def found(self, text: str) -> bool:
        """Whether the text holds it. Raises UserError when the search takes too long."""
        began = time.monotonic()
        try:
            hit = self._regex.search(text, timeout=_TEXT_SECONDS) is not None
        except TimeoutError:
            sentence = _("The pattern '{pattern}' takes too long on one text: write a simpler one.")
            raise UserError(sentence.format(pattern=self._shown)) from None
        self._spent = 0.0 if hit else self._spent + time.monotonic() - began
        if self._spent > PATTERN_SECONDS:
            self._spent = 0.0
            sentence = _("No text with the pattern '{pattern}' was found in {seconds} seconds.")
            shown = sentence.format(pattern=self._shown, seconds=round(PATTERN_SECONDS))
            raise UserError(shown)
        return hit
