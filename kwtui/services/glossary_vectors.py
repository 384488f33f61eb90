"""The glossary service: vectors of terms and records, made in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glossary.i18n import _
from kwtui.services.glossary_base import GlossaryBase
from kwtui.services.loop import Task
from kwtui.services.messages import Hello

if TYPE_CHECKING:
    from glossary.vectors import Coverage


class GlossaryVectors(GlossaryBase):
    """The part about the embedding model of the settings."""

    requests: frozenset[str] = frozenset({"embed"})

    def __init__(self, hello: Hello) -> None:
        super().__init__(hello)
        self._settings = hello.settings

    def embed(self, task: Task) -> Coverage:
        """Make the vectors that are missing; stopped, it goes on from there the next time.

        To be asked in the background: between two batches other requests are done.
        """
        from engines.finding import items, open_embedding
        from glossary.records import Records
        from glossary.vectors import Vectors

        glossary = self._needed(task)
        root = self._space.root if self._space else None
        vectors = Vectors(glossary.path, open_embedding(self._settings, root))
        task.progress(_("Reading the terms"))
        vectors.sync(
            items(glossary, Records(glossary.path)),
            on_progress=lambda done, total: task.progress(_("Embedding"), done, total),
            cancelled=task.cancelled,
        )
        task.check()
        return vectors.coverage()
