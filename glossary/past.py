"""The part of a glossary that tells what was: changes, histories, differences, snapshots."""

from __future__ import annotations

from glossary.changes import Batch, Change, Difference, Snapshot
from glossary.history import batches, changes_of, diff, history, position_of, snapshots
from glossary.journal import Journal


class Past:
    """What the journal of a glossary knows of earlier times."""

    journal: Journal

    def batches(self, *, limit: int = 50, before: int | None = None) -> list[Batch]:
        """The latest changes, newest first."""
        return batches(self.journal, limit=limit, before=before)

    def changes_of(self, number: int, *, limit: int = -1) -> list[Change]:
        """The terms that one change touched, before and after."""
        return changes_of(self.journal, number, limit=limit)

    def history(self, term_id: str, *, limit: int = 200) -> list[Change]:
        """The changes of one term, newest first."""
        return history(self.journal, term_id, limit=limit)

    def diff(self, since: str, until: str = "now") -> list[Difference]:
        """What differs between two moments (`glossary.history.position_of`)."""
        return diff(
            self.journal, position_of(self.journal, since), position_of(self.journal, until)
        )

    def snapshots(self) -> list[Snapshot]:
        """All snapshots, oldest position first."""
        return snapshots(self.journal)
