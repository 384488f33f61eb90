"""What undo, redo and restore make of the terms, and when they refuse."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence

from glossary.changes import REDO, UNDO, Batch, Change, differing
from glossary.errors import UserError
from glossary.history import (
    batch,
    is_undone,
    pieces_of,
    position_of,
    state_at,
    to_redo,
    to_undo,
)
from glossary.i18n import _
from glossary.journal import Journal
from glossary.term import Term, key, same_content
from glossary.text import printable

Counts = tuple[int, int, int]

_SHOWN = 120
# Terms that memory holds at once.
_PIECE = 5_000


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


class Inverse:
    """The undo or redo of a batch, a piece of its terms at a time.

    `count` and `parts` are called in this order inside one transaction.
    """

    def __init__(self, journal: Journal, kind: str, author: str, number: int | None) -> None:
        self._journal, self._kind = journal, kind
        self._author, self._number = author, number
        self.chosen: Batch

    def count(self) -> Counts:
        """Choose the batch (`choose`); how many terms will be new, changed and removed.

        Raises ChangedSince when one of them is not as the batch, or its undo, left it.
        """
        self.chosen = choose(self._journal, self._kind, self._author, self._number)
        found = [0, 0, 0]
        for changes in self._pieces():
            now = self._journal.get_many(change.term_id for change in changes)
            for change in changes:
                left, goal = self._sides(change)
                _same_as_left(self._journal, change, left, now.get(change.term_id), self._kind)
                found[_outcome(left, goal)] += 1
        return found[0], found[1], found[2]

    def parts(self) -> Iterator[dict[str, Term | None]]:
        """The terms as they will be. Raises UserError when a name is another term's by now."""
        number = self.chosen.number
        self._journal.free_names(self._journal.touched(number - 1, number))
        for changes in self._pieces():
            wanted = {change.term_id: self._sides(change)[1] for change in changes}
            refuse_taken_names(self._journal, wanted)
            yield wanted

    def _pieces(self) -> Iterator[list[Change]]:
        return pieces_of(self._journal, self.chosen.number, _PIECE)

    def _sides(self, change: Change) -> tuple[Term | None, Term | None]:
        """How the batch, or its undo, left a term, and how it will be."""
        if self._kind == REDO:
            return change.before, change.after
        return change.after, change.before


class Restoring:
    """What has to become of which terms so that all are as at a moment, a piece at a time.

    `count` and `parts` are called in this order inside one transaction.
    """

    def __init__(self, journal: Journal, moment: str) -> None:
        self._journal, self._moment = journal, moment
        self._position = 0
        self._keys = array("q")

    def count(self) -> Counts:
        """How many terms will be new, changed and removed. UserError for an unknown moment."""
        self._position = position_of(self._journal, self._moment)
        found = [0, 0, 0]
        for keys in _cut(self._journal.touched(self._position)):
            then = state_at(self._journal, self._position, keys)
            now = self._journal.get_many(then)
            for term_key, (term_id, goal) in zip(keys, then.items(), strict=True):
                left = now.get(term_id)
                if not _same(left, goal):
                    found[_outcome(left, goal)] += 1
                    self._keys.append(term_key)
        return found[0], found[1], found[2]

    def parts(self) -> Iterator[dict[str, Term | None]]:
        """The terms as they will be."""
        self._journal.free_names(self._keys)
        for keys in _cut(self._keys):
            yield state_at(self._journal, self._position, keys)


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


def _outcome(left: Term | None, goal: Term | None) -> int:
    """The place in `Counts` of a term that becomes `goal`."""
    if goal is None:
        return 2
    return 1 if left is not None else 0


def _cut(keys: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(keys), _PIECE):
        yield list(keys[start : start + _PIECE])


def _same(one: Term | None, other: Term | None) -> bool:
    if one is None or other is None:
        return one is other
    return same_content(one, other)
