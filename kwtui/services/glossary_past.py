"""The glossary service: changes taken back, histories, snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kwtui.services.glossary_base import GlossaryBase
from kwtui.services.loop import Task

if TYPE_CHECKING:
    from glossary.changes import Batch, Change, Difference, Snapshot


class GlossaryPast(GlossaryBase):
    """The part about what was."""

    requests: frozenset[str] = frozenset(
        {"undo", "redo", "batches", "changes_of", "history", "diff", "snapshots", "snapshot",
         "drop_snapshot", "restore", "take_back"}
    )  # fmt: skip

    def undo(self, task: Task, author: str, number: int | None = None) -> Batch:
        """Undo the author's latest change, or the one with this number."""
        return self._needed(task).undo(author=author, number=number)

    def redo(self, task: Task, author: str, number: int | None = None) -> Batch:
        """Redo what the author undid last, or the undone change with this number."""
        return self._needed(task).redo(author=author, number=number)

    def batches(self, task: Task, limit: int = 50, before: int | None = None) -> tuple[Batch, ...]:
        """The latest changes, newest first."""
        glossary = self._opened()
        return tuple(glossary.batches(limit=limit, before=before)) if glossary else ()

    def changes_of(self, task: Task, number: int, limit: int = 500) -> tuple[Change, ...]:
        """The terms that one change touched."""
        return tuple(self._needed(task).changes_of(number, limit=limit))

    def history(self, task: Task, term_id: str) -> tuple[Change, ...]:
        """The changes of one term, newest first."""
        glossary = self._opened()
        return tuple(glossary.history(term_id)) if glossary else ()

    def diff(self, task: Task, since: str, until: str = "now") -> tuple[Difference, ...]:
        """What differs between two moments."""
        return tuple(self._needed(task).diff(since, until))

    def snapshots(self, task: Task) -> tuple[Snapshot, ...]:
        """All snapshots, oldest position first."""
        glossary = self._opened()
        return tuple(glossary.snapshots()) if glossary else ()

    def snapshot(self, task: Task, name: str, author: str, note: str = "") -> Snapshot:
        """Name the present state."""
        return self._needed(task).snapshot(name, author=author, note=note)

    def drop_snapshot(self, task: Task, name: str, author: str) -> str:
        """Forget a snapshot's name, and say which it was."""
        self._needed(task).drop_snapshot(name, author=author)
        return name

    def take_back(self, task: Task, number: int, author: str) -> tuple[str, Batch]:
        """Undo the change with this number, or redo it where it is undone; says which."""
        from glossary.history import is_undone

        glossary = self._needed(task)
        if is_undone(glossary.journal, number):
            return "redo", glossary.redo(author=author, number=number)
        return "undo", glossary.undo(author=author, number=number)

    def restore(self, task: Task, moment: str, author: str, reason: str = "") -> int:
        """Make all terms as they were; returns how many that touched."""
        return self._needed(task).restore(moment, author=author, reason=reason)
