"""The corpus of a workspace: texts, what each annotator said about them, and every change.

One SQLite file. A change is on disk when the method that makes it returns; the event that records
it is written in the same transaction.
"""

from __future__ import annotations

from engines.corpus.adding import IMPORTER, Adding, Given
from engines.corpus.editing import Edit, Editing, Undone
from engines.corpus.reading import Reading, View
from engines.corpus.splitting import Splitting

__all__ = ["IMPORTER", "Corpus", "Edit", "Given", "Undone", "View"]


class Corpus(Adding, Editing, Splitting, Reading):
    """The texts and labels of a workspace; use as a context manager or call `close`."""
