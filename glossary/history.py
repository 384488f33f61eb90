"""The past of a glossary, read from its journal: who changed what, and what stood there when."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from glossary.changes import REDO, UNDO, Batch, Change, Difference, Snapshot, unpacked
from glossary.errors import UserError
from glossary.i18n import _
from glossary.journal import Journal
from glossary.term import Term, same_content

NOW, START = "now", "start"
_NAME = re.compile(r"[\w가-힣][\w가-힣.-]{0,63}")


def batches(journal: Journal, *, limit: int = 50, before: int | None = None) -> list[Batch]:
    """The latest batches, newest first; `before`: those under this number."""
    values = (before, limit)
    return list(
        journal.batches_where(
            "WHERE (?1 IS NULL OR b.number < ?1) ORDER BY b.number DESC LIMIT ?2", values
        )
    )


def batch(journal: Journal, number: int) -> Batch:
    """One batch; UserError when there is none with this number."""
    for found in journal.batches_where("WHERE b.number = ?", (number,)):
        return found
    raise UserError(_("The history has no change number {number}.").format(number=number))


def history(journal: Journal, term_id: str, *, limit: int = 200) -> list[Change]:
    """The changes of one term, newest first; also of a term that is gone."""
    return list(
        _changes(
            journal,
            "WHERE t.id = ? ORDER BY c.number DESC LIMIT ?",
            (term_id, limit),
        )
    )


def changes_of(journal: Journal, number: int, *, limit: int = -1) -> list[Change]:
    """The changes of one batch, in their order; `limit` -1: all of them."""
    since, until = journal.last_change(number - 1), journal.last_change(number)
    return list(
        _changes(
            journal,
            "WHERE c.number > ? AND c.number <= ? ORDER BY c.number LIMIT ?",
            (since, until, limit),
        )
    )


def pieces_of(journal: Journal, number: int, size: int) -> Iterator[list[Change]]:
    """The changes of one batch, in their order, so many at a time."""
    until = journal.last_change(number)
    for since in range(journal.last_change(number - 1), until, size):
        last = min(since + size, until)
        clause = "WHERE c.number > ? AND c.number <= ? ORDER BY c.number"
        yield list(_changes(journal, clause, (since, last)))


def _changes(journal: Journal, clause: str, values: tuple[Any, ...]) -> Iterator[Change]:
    rows = journal.rows(
        "SELECT c.batch, t.id, c.before, c.after FROM changes c JOIN terms t ON t.key = c.term "
        + clause,
        values,
    )
    known: dict[int, Batch] = {}
    for number, term_id, old, new in rows:
        if number not in known:
            known[number] = batch(journal, number)
        made = known[number]
        before = unpacked(term_id, old) if old is not None else None
        after = unpacked(term_id, new, made.at, made.author) if new is not None else None
        yield Change(made, term_id, before, after)


def ids_named(journal: Journal, name: str) -> list[str]:
    """Ids of terms, gone ones too, that were called `name` by their canonical form; latest first.

    For a name that no term has now; reads the changes of removed terms.
    """
    rows = journal.rows(
        "SELECT t.id FROM terms t JOIN changes c ON c.number = t.change"
        " WHERE NOT t.there AND json_extract(c.before, '$.canonical') = ? ORDER BY c.number DESC",
        (name,),
    )
    return [str(row[0]) for row in rows]


def state_at(journal: Journal, position: int, keys: list[int]) -> dict[str, Term | None]:
    """What the terms with these keys were at `position`, by id; None: not there."""
    last = journal.last_change(position)
    ids = journal.ids_of(keys)
    found: dict[str, Term | None] = {}
    for term_key in keys:
        rows = journal.rows(
            "SELECT c.after, b.at, b.author FROM changes c JOIN batches b ON b.number = c.batch"
            " WHERE c.term = ? AND c.number <= ? ORDER BY c.number DESC LIMIT 1",
            (term_key, last),
        )
        text, at, author = rows[0] if rows else (None, "", "")
        term_id = ids[term_key]
        found[term_id] = unpacked(term_id, text, at, author) if text is not None else None
    return found


def diff(journal: Journal, since: int, until: int) -> list[Difference]:
    """What differs between two positions, by canonical form; an earlier `until` looks back."""
    first, last = sorted((since, until))
    keys = journal.touched(first, last)
    old, new = state_at(journal, since, keys), state_at(journal, until, keys)
    found = [
        Difference(term_id, old[term_id], new[term_id])
        for term_id in old
        if not _same(old[term_id], new[term_id])
    ]
    return sorted(found, key=lambda d: ((d.after or d.before or Term("", "")).canonical, d.term_id))


def _same(one: Term | None, other: Term | None) -> bool:
    if one is None or other is None:
        return one is other
    return same_content(one, other)


def position_of(journal: Journal, moment: str) -> int:
    """The position that a person names: a snapshot, a number, a time, "now" or "start".

    A time is ISO 8601, in local time unless it says otherwise. Raises UserError.
    """
    text = moment.strip()
    rows = journal.rows("SELECT position FROM snapshots WHERE name = ?", (text,))
    if rows:
        return int(rows[0][0])
    if text == START:
        return 0
    if text == NOW:
        return journal.position
    if text.lstrip("#").isdecimal():
        number = int(text.lstrip("#"))
        return batch(journal, number).number if number else 0
    try:
        at = datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="milliseconds")
    except ValueError:
        sentence = _(
            "'{moment}' is no snapshot, no number of a change and no time: `kwtui glossary "
            "snapshot` and `kwtui glossary history` list what there is."
        )
        raise UserError(sentence.format(moment=moment)) from None
    rows = journal.rows("SELECT max(number) FROM batches WHERE at <= ?", (at,))
    return int(rows[0][0] or 0)


# Snapshots


def snapshots(journal: Journal) -> list[Snapshot]:
    """All snapshots, oldest position first."""
    rows = journal.rows(
        "SELECT s.name, s.position, s.at, s.author, s.note, coalesce((SELECT b.total FROM batches b"
        " WHERE b.number <= s.position ORDER BY b.number DESC LIMIT 1), 0)"
        " FROM snapshots s ORDER BY s.position, s.at"
    )
    return [Snapshot(*row) for row in rows]


def add_snapshot(journal: Journal, name: str, *, author: str, note: str = "") -> Snapshot:
    """Name the present position, inside a transaction. UserError for a name that is taken."""
    if not _NAME.fullmatch(name) or name.isdecimal() or name in (NOW, START):
        sentence = _(
            "'{name}' is no name for a snapshot: use letters, digits and _ . - (at most 64), "
            "and not a number alone."
        )
        raise UserError(sentence.format(name=name))
    if any(there.name == name for there in snapshots(journal)):
        raise UserError(_("There is a snapshot '{name}' already.").format(name=name))
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    position = journal.position
    journal.db.execute(
        "INSERT INTO snapshots (name, position, at, author, note) VALUES (?, ?, ?, ?, ?)",
        (name, position, at, author, note),
    )
    return Snapshot(name, position, at, author, note, journal.count())


def drop_snapshot(journal: Journal, name: str) -> None:
    """Forget a name, inside a transaction; the history stays. UserError when there is none."""
    cursor = journal.db.execute("DELETE FROM snapshots WHERE name = ?", (name,))
    if not cursor.rowcount:
        raise UserError(_("There is no snapshot '{name}'.").format(name=name))


# What is to be undone and redone next


def to_undo(journal: Journal, author: str) -> Batch | None:
    """The author's latest edit that is not undone."""
    settled: dict[int | None, str] = {}
    for made in _walk(journal, author):
        if made.kind in (UNDO, REDO):
            settled.setdefault(made.of, made.kind)
        elif settled.get(made.number, REDO) == REDO:
            return made
    return None


def to_redo(journal: Journal, author: str) -> Batch | None:
    """The edit that the author undid last and that no later edit of theirs follows."""
    settled: set[int | None] = set()
    for made in _walk(journal, author):
        if made.kind not in (UNDO, REDO):
            return None
        if made.kind == UNDO and made.of not in settled and made.author == author:
            return batch(journal, int(made.of or 0))
        settled.add(made.of)
    return None


def is_undone(journal: Journal, number: int) -> bool:
    """Whether the last word on this batch is an undo."""
    clause = "WHERE b.of = ? ORDER BY b.number DESC LIMIT 1"
    return any(made.kind == UNDO for made in journal.batches_where(clause, (number,)))


def _walk(journal: Journal, author: str) -> Iterator[Batch]:
    """The author's batches and everybody's undos, newest first, a page at a time."""
    before: int | None = None
    while True:
        page = list(
            journal.batches_where(
                "WHERE (b.author = ?1 OR b.of IS NOT NULL) AND (?2 IS NULL OR b.number < ?2)"
                " ORDER BY b.number DESC LIMIT 200",
                (author, before),
            )
        )
        yield from page
        if len(page) < 200:
            return
        before = page[-1].number
