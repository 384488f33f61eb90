"""What undo, redo and restore make of the terms, and when they refuse."""

from __future__ import annotations

from collections.abc import Mapping

from glossary.changes import REDO, UNDO, Batch, Change, differing
from glossary.errors import UserError
from glossary.history import batch, changes_of, is_undone, state_at, to_redo, to_undo
from glossary.i18n import _
from glossary.journal import Journal
from glossary.term import Term, key, same_content
from glossary.text import printable

_SHOWN = 120


class ChangedSince(UserError):  # noqa: N818
    """A term that is to be undone or redone was changed by someone since.

    `expected` and `found` are the two versions; None: the term is not there.
    """

    def __init__(self, sentence: str, expected: Term | None, found: Term | None) -> None:
        super().__init__(sentence)
        self.expected = expected
        self.found = found


def choose(journal: Journal, kind: str, author: str, number: int | None) -> Batch:
    """The batch to undo or redo: the author's next one, or that with this number.

    Raises UserError when there is nothing to undo or redo.
    """
    if number is None:
        found = to_undo(journal, author) if kind == UNDO else to_redo(journal, author)
        if found is None:
            sentence = _("There is no change of yours to undo.")
            if kind == REDO:
                sentence = _("There is no undone change of yours to redo.")
            raise UserError(sentence)
        return found
    found = batch(journal, number)
    if found.of is not None:
        sentence = _("Change {number} is itself an undo or redo: name change {of}.")
        raise UserError(sentence.format(number=number, of=found.of))
    if is_undone(journal, number) != (kind == REDO):
        sentence = _("Change {number} is undone already.")
        if kind == REDO:
            sentence = _("Change {number} is not undone.")
        raise UserError(sentence.format(number=number))
    return found


def targets(journal: Journal, chosen: Batch, kind: str) -> dict[str, Term | None]:
    """The terms of a batch as they are after its undo or redo.

    Raises ChangedSince when one of them is not as the batch, or its undo, left it, and UserError
    when a name has gone to another term meanwhile.
    """
    changes = changes_of(journal, chosen.number)
    now = journal.get_many(change.term_id for change in changes)
    wanted: dict[str, Term | None] = {}
    for change in changes:
        left, goal = (change.after, change.before)
        if kind == REDO:
            left, goal = goal, left
        _same_as_left(journal, change, left, now.get(change.term_id), kind)
        wanted[change.term_id] = goal
    refuse_taken_names(journal, wanted)
    return wanted


def restored(journal: Journal, position: int) -> dict[str, Term | None]:
    """What has to become of which terms so that all are as at `position`."""
    keys = journal.touched(position)
    then = state_at(journal, position, keys)
    now = journal.get_many(then)
    return {i: term for i, term in then.items() if not _same(term, now.get(i))}


def refuse_taken_names(journal: Journal, wanted: Mapping[str, Term | None]) -> None:
    """UserError when a term would get a name that a term outside of `wanted` has."""
    for term in filter(None, wanted.values()):
        for surface in term.surfaces:
            other = journal.owner(key(surface))
            if other is not None and other.id not in wanted:
                sentence = _(
                    "'{name}' of '{term}' now belongs to '{other}': nothing was changed. "
                    "Rename or merge that term first."
                )
                raise UserError(
                    sentence.format(
                        name=surface, term=term.canonical, other=printable(other.canonical)
                    )
                )


def _same_as_left(
    journal: Journal, change: Change, left: Term | None, found: Term | None, kind: str
) -> None:
    if _same(left, found):
        return
    name = (left or found or change.before or Term("", "")).canonical
    sentence = _(
        "'{term}' was changed since by {author} ({at}), so nothing was undone. "
        "Then: {then}. Now: {now}."
    )
    if kind == REDO:
        sentence = _(
            "'{term}' was changed since by {author} ({at}), so nothing was redone. "
            "Then: {then}. Now: {now}."
        )
    author, at = _last_change(journal, change.term_id)
    shown = {"then": _version(left, found), "now": _version(found, left)}
    raise ChangedSince(
        sentence.format(term=name, author=author or "?", at=at, **shown), left, found
    )


def _last_change(journal: Journal, term_id: str) -> tuple[str, str]:
    rows = journal.rows(
        "SELECT b.author, b.at FROM terms t JOIN changes c ON c.number = t.change"
        " JOIN batches b ON b.number = c.batch WHERE t.id = ?",
        (term_id,),
    )
    return (str(rows[0][0]), str(rows[0][1])) if rows else ("", "")


def _version(term: Term | None, other: Term | None) -> str:
    """The fields of `term` in which it differs from `other`, in one line."""
    if term is None:
        return _("not there")
    parts = []
    for name, mine, _theirs in differing(term, other):
        text = ", ".join(mine) if isinstance(mine, tuple) else str(mine)
        text = " ".join(printable(text).split())
        if text or other is not None:
            parts.append(f"{name} = {text[:_SHOWN]}")
    return "; ".join(parts) or term.canonical


def _same(one: Term | None, other: Term | None) -> bool:
    if one is None or other is None:
        return one is other
    return same_content(one, other)
