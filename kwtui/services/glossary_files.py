"""The glossary service: files of terms, and the words of the corpus beside the glossary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from glossary.i18n import _
from kwtui.services.glossary_base import GlossaryBase
from kwtui.services.loop import Task

if TYPE_CHECKING:
    from engines.corpus.vocabulary import MissingTerm, TermPreview
    from glossary.columns import Table
    from glossary.importing import Preview
    from glossary.term import Term


class GlossaryFiles(GlossaryBase):
    """The part about files and the corpus."""

    requests: frozenset[str] = frozenset(
        {"show_table", "preview_import", "import_file", "export_file", "preview_term",
         "missing_terms"}
    )  # fmt: skip

    def show_table(
        self, task: Task, file: Path, encoding: str = "", columns: Mapping[str, str] | None = None
    ) -> Table | None:
        """The columns of a file and what they are taken for; None: it has none."""
        from glossary.exchange import show_table

        return show_table(file, encoding or None, columns=columns)

    def preview_import(
        self,
        task: Task,
        file: Path,
        encoding: str = "",
        columns: Mapping[str, str] | None = None,
        mode: str = "complete",
    ) -> Preview:
        """What importing the file would do, row by row."""
        from glossary.exchange import read_terms
        from glossary.importing import checked_mode, preview

        task.progress(_("Reading the file"))
        found = read_terms(file, encoding or None, columns=columns)
        return preview(found, self._opened(), mode=checked_mode(mode))

    def import_file(
        self,
        task: Task,
        file: Path,
        author: str,
        encoding: str = "",
        columns: Mapping[str, str] | None = None,
        mode: str = "complete",
        reason: str = "",
    ) -> dict[str, int]:
        """Import the file as one change; returns the counts of its preview."""
        from glossary.exchange import read_terms
        from glossary.importing import carry_out, checked_mode, preview, reason_for

        task.progress(_("Reading the file"))
        found = read_terms(file, encoding or None, columns=columns)
        glossary = self._needed(task, create=True)
        made = preview(found, glossary, mode=checked_mode(mode))
        task.progress(_("Writing the terms"))
        carry_out(glossary, made, author=author, reason=reason_for(file, reason))
        return made.counts()

    def export_file(self, task: Task, file: Path) -> int:
        """Write all terms to a file, its format by its ending; returns how many."""
        from glossary.exchange import write_terms

        task.progress(_("Writing the terms"))
        return write_terms(file, self._needed(task).in_order())

    def preview_term(
        self, task: Task, term: Term, lines: int = 5, seconds: float = 2.0
    ) -> TermPreview:
        """What a term, stored or not, would match in the corpus."""
        from engines.corpus.store import Corpus
        from engines.corpus.vocabulary import TermPreview, preview

        path = self._corpus_path()
        if path is None:
            return TermPreview()
        with Corpus.open(path, readonly=True) as corpus:
            return preview(corpus, term, lines=lines, seconds=seconds, stopped=task.cancelled)

    def missing_terms(
        self, task: Task, limit: int = 50, at_least: int = 2
    ) -> tuple[MissingTerm, ...]:
        """Words of the corpus that the glossary lacks; to be asked in the background."""
        from engines.corpus.store import Corpus
        from engines.corpus.vocabulary import missing_terms

        path, glossary = self._corpus_path(), self._opened()
        if path is None:
            return ()
        with Corpus.open(path, readonly=True) as corpus:
            found = missing_terms(
                corpus,
                lambda word: glossary is not None and glossary.lookup(word) is not None,
                limit=limit,
                at_least=at_least,
                on_progress=lambda done, total: task.progress(_("Reading texts"), done, total),
                stopped=task.cancelled,
            )
        task.check()
        return tuple(found)
