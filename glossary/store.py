"""The glossary of a workspace: terms in a journal, searched in LanceDB, changed under a lock.

The journal (glossary.sqlite beside the LanceDB folder) is the truth; a change is on disk when the
method that makes it returns. The table of LanceDB follows it after each write and on the next
search. The cost of an edit does not grow with the number of terms. `refresh` brings what is kept in
memory (terms, matcher) up to what other processes wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from glossary import present
from glossary.changes import EDIT, REDO, UNDO, Batch, Snapshot
from glossary.common import SAMPLE, CommonPairs
from glossary.errors import FailedError, UserError
from glossary.follower import Follower
from glossary.history import add_snapshot, drop_snapshot, position_of
from glossary.i18n import _
from glossary.index import LEVEL, RETENTION, TermIndex, read_terms
from glossary.inverse import Counts, Inverse, Restoring, refuse_taken_names
from glossary.journal import Journal
from glossary.lock import held
from glossary.matching import Matcher
from glossary.place import (
    LOCK,
    carry_over,
    exists,
    has_table,
    journal_path,
    make_folder,
    refusals,
    refuse_foreign,
)
from glossary.term import Term
from glossary.validation import merged

__all__ = ["Glossary", "exists", "journal_path"]

_KEPT_LIST = 50_000
_KEPT_OVERLAY = 5000

Targets = Mapping[str, Term | None]


class Glossary(present.Present):
    """The terms of one workspace. Make one with `Glossary.open`.

    For one thread, and so is everything it gives out.
    """

    def __init__(
        self,
        path: Path,
        journal: Journal,
        *,
        on_wait: Callable[[str], None] | None = None,
        retention: timedelta = RETENTION,
        background: bool = False,
    ) -> None:
        self.path = path
        self.journal = journal
        self.index = TermIndex(path, journal)
        self._on_wait = on_wait
        self._retention = retention
        self._follower = Follower(path, journal.path, retention) if background else None
        if background and not journal.readonly:
            journal.spare_commits()
        self._seen = journal.position
        self._marker = journal.data_version()
        self._matcher: Matcher | None = None
        self._terms: list[Term] | None = None
        self._excluded: list[Term] | None = None
        self._common: CommonPairs | None = None

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        create: bool = False,
        on_wait: Callable[[str], None] | None = None,
        retention: timedelta = RETENTION,
        background: bool = False,
    ) -> Glossary:
        """Open the glossary of the LanceDB folder `path`; with `create` a missing one is made.

        `on_wait` gets a sentence when a write waits for another process. `retention`: how long
        old versions of the LanceDB table stay; those of snapshots always do. `background`: the
        table follows in a thread of its own, so that an edit never waits for it. A folder of
        terms without a journal gets one. Raises UserError when there is no glossary, when the
        folder belongs to another program or to a newer kwtui, and FailedError when it cannot be
        read or made.
        """
        file = journal_path(path)
        if not file.exists():
            refuse_foreign(path, create)
        # Read before the journal is made, so that what cannot be read leaves nothing behind.
        carried = list(read_terms(path)) if not file.exists() and has_table(path) else None
        make_folder(path, create or file.exists())
        journal = Journal.open(file, create=True)
        try:
            if not journal.position and not journal.readonly and has_table(path):
                carry_over(path, journal, carried)
        except BaseException:
            journal.close()
            raise
        return cls(path, journal, on_wait=on_wait, retention=retention, background=background)

    def close(self) -> None:
        """Close the files; everything is on disk already."""
        if self._follower is not None:
            self._follower.stop()
        self.journal.close()

    def __enter__(self) -> Glossary:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Reading

    @property
    def version(self) -> int:
        """The number of the last change seen; it grows with every change."""
        return self._seen

    @property
    def database(self) -> Any:
        """The LanceDB connection to the folder, for tables beside that of the terms."""
        return self.index.database()

    def refresh(self) -> bool:
        """See the writes of other processes; returns whether there were any."""
        marker = self.journal.data_version()
        if marker == self._marker:
            return False
        self._marker = marker
        before, position = self._seen, self.journal.position
        if position == before:
            return False
        self._seen = position
        self._take_note(before)
        return True

    def terms(self) -> list[Term]:
        """All terms, ordered by canonical form. Reads everything: `iterate` keeps less."""
        if self._terms is not None:
            return list(self._terms)
        found = sorted(self.iterate(), key=lambda term: (term.canonical, term.id))
        if len(found) <= _KEPT_LIST:
            self._terms = found
        return list(found)

    def excluded(self) -> list[Term]:
        """The not-a-keyword list."""
        if self._excluded is None:
            found = self.journal.not_keywords()
            self._excluded = sorted(found, key=lambda term: (term.canonical, term.id))
        return list(self._excluded)

    def matcher(self) -> Matcher:
        """The matcher over all terms; changes are laid over it."""
        if self._matcher is None or self._matcher.worn:
            spellings = ((term, (name,)) for name, term in self.journal.spellings())
            self._matcher = Matcher.over(spellings, self.journal.term)
        return self._matcher

    def common_pairs(self) -> CommonPairs:
        """The pairs of letters that are too common to search by; of a sample, kept for good."""
        if self._common is None:
            self._common = CommonPairs(self.journal.sample(SAMPLE))
        return self._common

    def ngram_search(self, text: str, limit: int) -> list[tuple[Term, float]]:
        """Terms that share 2- and 3-grams with `text`, best BM25 score first, at most `limit`."""
        if not self.count():
            return []
        self.level(wait=not self._has_index())
        if not self._has_index():
            return []
        try:
            scores = self.index.search(text, limit)
        except FailedError:
            if self.journal.readonly:
                raise
            self.index.distrust()
            self.index.follow(keep=self._retention)
            scores = self.index.search(text, limit)
        found = self.get_many(term_id for term_id, _score in scores)
        return [(found[term_id], score) for term_id, score in scores if term_id in found]

    def level(self, *, wait: bool = True) -> bool:
        """Bring the LanceDB table up to the journal; returns whether it is.

        Without `wait` a process or thread that is at it already is left to it.
        """
        if self._follower is not None and self._has_index():
            self._follower.wake()
            return self.index.is_level()
        return self.index.follow(wait=wait, keep=self._retention, on_wait=self._on_wait)

    # Changing

    def upsert(self, terms: Iterable[Term], *, author: str, reason: str = "") -> int:
        """Add or replace terms, all or none; returns how many were new or changed.

        A term without id replaces the entry with its canonical form. Raises UserError with the
        first refusal (empty, too long, control characters, a name that another term has) and
        FailedError when the disk refuses.
        """
        given = list(terms)

        def make() -> Targets:
            outcome = self.plan(given)
            if outcome.refused:
                raise UserError(refusals(outcome))
            return {term.id: term for term in (*outcome.new, *outcome.changed)}

        return _size(self._change(make, author, reason))

    def delete(self, ids: Iterable[str], *, author: str = "", reason: str = "") -> int:
        """Remove the terms with these ids; returns how many there were. Unknown ids are ignored."""
        wanted = list(ids)
        return _size(self._change(lambda: dict.fromkeys(self.get_many(wanted)), author, reason))

    def merge(self, kept: str, other: str, *, author: str, reason: str = "") -> Term:
        """Make one term of two: `kept` gets the names and texts of `other`, which goes.

        Both by id. One change, to be undone as one. Raises UserError when one is not there.
        """
        if kept == other:
            raise UserError(_("A term cannot be merged with itself: name two terms."))

        def make() -> Targets:
            found = self.get_many([kept, other])
            if len(found) < 2:
                raise UserError(_("One of the two terms is gone: nothing was merged."))
            return {kept: merged(found[kept], found[other]), other: None}

        self._change(make, author, reason or _("merged"))
        term = self.get(kept)
        assert term is not None
        return term

    def undo(self, *, author: str, number: int | None = None) -> Batch:
        """Undo the author's latest change, or the one with this number, by its inverse.

        Raises UserError when there is none, and `glossary.inverse.ChangedSince` with both versions
        when one of its terms was changed since.
        """
        return self._invert(UNDO, author, number)

    def redo(self, *, author: str, number: int | None = None) -> Batch:
        """Redo what the author undid last, or the undone change with this number."""
        return self._invert(REDO, author, number)

    def _invert(self, kind: str, author: str, number: int | None) -> Batch:
        inverse = Inverse(self.journal, kind, author, number)
        self.change_parts(
            inverse.count,
            inverse.parts,
            author=author,
            reason=lambda: inverse.chosen.reason,
            kind=kind,
            of=lambda: inverse.chosen.number,
        )
        return inverse.chosen

    def restore(self, moment: str, *, author: str, reason: str = "") -> int:
        """Make all terms as they were at a moment (`position_of`), itself a change to be undone.

        Returns how many terms that touched. Raises UserError for an unknown moment.
        """
        why = reason or _("restored: {moment}").format(moment=moment)
        back = Restoring(self.journal, moment)
        return self.change_parts(back.count, back.parts, author=author, reason=why)

    def write_lock(self, author: str, what: str) -> AbstractContextManager[None]:
        """The lock that every write holds; not to be taken twice."""
        return held(self.path / LOCK, author=author, what=what, on_wait=self._on_wait)

    def _change(self, make: Callable[[], Targets], author: str, reason: str) -> Batch | None:
        """The way to change some terms: lock, look, record; then caches and the table follow."""
        with self.write_lock(author, reason or _("a change")):
            with self.journal.transaction():
                self.refresh()
                wanted = make()
                if not wanted:
                    return None
                refuse_taken_names(self.journal, wanted)
                batch = self.journal.append(wanted, author=author, reason=reason)
            self._note_own(batch)
        self._try_to_level()
        return batch

    def change_parts(
        self,
        count: Callable[[], Counts],
        parts: Callable[[], Iterable[Targets]],
        *,
        author: str,
        reason: str | Callable[[], str] = "",
        kind: str = EDIT,
        of: Callable[[], int] | None = None,
    ) -> int:
        """One change of any number of terms, held in memory part by part; returns how many.

        `count()` says how many are new, changed and removed, then `parts()` gives them
        (`Journal.append_parts`), both while nobody else writes; `reason` and `of` after `count`.
        """
        what = reason if isinstance(reason, str) else ""
        with self.write_lock(author, what or _("a change")):
            with self.journal.transaction():
                self.refresh()
                counts = count()
                if not any(counts):
                    return 0
                batch = self.journal.append_parts(
                    parts(),
                    counts=counts,
                    author=author,
                    reason=reason if isinstance(reason, str) else reason(),
                    kind=kind,
                    of=of() if of else None,
                )
            self._note_own(batch)
        self._try_to_level()
        return _size(batch)

    def _note_own(self, batch: Batch) -> None:
        self._seen = batch.number
        self._take_note(batch.number - 1)

    def _try_to_level(self) -> None:
        # The change is on disk; what hinders the table now is done on the next search.
        with suppress(FailedError):
            self.level(wait=False)

    def _take_note(self, since: int) -> None:
        """Bring the caches up to the changes after the batch `since`."""
        self._terms = self._excluded = None
        last, first = self.journal.last_change(self._seen), self.journal.last_change(since)
        if last - first > _KEPT_OVERLAY:
            self.journal.forget()
            self._matcher = None
            return
        keys = self.journal.touched(since, self._seen)
        self.journal.forget(keys)
        if self._matcher is None:
            return
        ids = list(self.journal.ids_of(keys).values())
        put = self.get_many(ids)
        self._matcher = self._matcher.changed(put.values(), [i for i in ids if i not in put])

    def _has_index(self) -> bool:
        return (self.path / LEVEL).exists()

    def snapshot(self, name: str, *, author: str, note: str = "") -> Snapshot:
        """Name the present state and keep its LanceDB version; UserError for a taken name."""
        with self.write_lock(author, _("a snapshot")), self.journal.transaction():
            made = add_snapshot(self.journal, name, author=author, note=note)
        if self.count() and self.index.follow(keep=self._retention):
            self.index.tag(made.position)
        return made

    def drop_snapshot(self, name: str, *, author: str) -> None:
        """Forget a snapshot's name; the history stays. UserError when there is none."""
        position = position_of(self.journal, name)
        with self.write_lock(author, _("a snapshot")), self.journal.transaction():
            drop_snapshot(self.journal, name)
        if self._has_index() and not any(s.position == position for s in self.snapshots()):
            self.index.untag(position)


def _size(batch: Batch | None) -> int:
    return batch.new + batch.changed + batch.removed if batch else 0
