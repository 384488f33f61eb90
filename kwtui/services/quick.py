"""The quick service: what a labeler needs ahead of the next key, from memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from engines.corpus.session import annotator_name
from engines.corpus.store import Corpus
from engines.extraction.candidates import CRF, Prepared
from engines.extraction.offering import SOURCES, Offering
from engines.extraction.quick import model_path, training_texts
from engines.records import Keyword
from engines.workspace import Workspace
from glossary.errors import UserError
from kwtui.services.loop import Task
from kwtui.services.messages import Hello

if TYPE_CHECKING:
    from glossary.store import Glossary

Suggested = Mapping[str, Sequence[Keyword]]
# Labeled texts that are read again at the start, so that what was accepted is known.
RECALLED = 2000


class QuickService:
    """Morphemes and candidates of texts; learns from each labeled one at once."""

    requests = frozenset({"prepare", "observe", "recall", "use"})

    def __init__(self, hello: Hello) -> None:
        self._workspace = Workspace(hello.workspace) if hello.workspace else None
        self._curation = hello.settings.curation
        self._offering = Offering()
        self._glossary: Glossary | None = None
        self._model_time = 0.0
        self._recalled = False

    def nested(self) -> AbstractContextManager[object]:
        """Nothing here minds being interrupted."""
        return nullcontext()

    def use(self, task: Task, sources: Sequence[str] = SOURCES) -> None:
        """Offer candidates of these sources only."""
        self._offering.sources = frozenset(sources)

    def prepare(
        self, task: Task, texts: Sequence[tuple[str, str, Suggested]]
    ) -> tuple[Prepared, ...]:
        """Stops and candidates of texts, each with its id and what strategies answered for it."""
        self._refresh()
        made = []
        for text_id, text, suggested in texts:
            task.check()
            prepared = self._offering.prepare(text_id, text, suggested)
            made.append(prepared)
            if task.stream:
                task.partial(prepared)
        return tuple(made)

    def observe(
        self, task: Task, text: str, labeled: Sequence[str], suggested: Suggested | None = None
    ) -> None:
        """Learn from a text whose keywords a person has settled."""
        self._offering.observe(text, labeled, suggested)

    def recall(self, task: Task) -> int:
        """Learn once from what was labeled before; returns the number of texts."""
        if self._recalled or self._workspace is None or not self._workspace.corpus_path.exists():
            return 0
        self._recalled = True
        self._refresh()
        offering = Offering(self._offering.sources - {CRF})
        offering.matcher, offering.trust = self._offering.matcher, self._offering.trust
        count = 0
        with Corpus.open(self._workspace.corpus_path, readonly=True) as corpus:
            for example in training_texts(corpus, latest=RECALLED):
                task.check()
                offering.observe(example.text, [k.surface for k in example.keywords])
                count += 1
        return count

    def _refresh(self) -> None:
        """Take up what has changed: the glossary, and a quick model trained since."""
        space = self._workspace
        if space is None:
            return
        self._open_glossary(space)
        path = model_path(space, annotator_name("", self._curation))
        time = path.stat().st_mtime if path.exists() else 0.0
        if time and time != self._model_time:
            from engines.extraction.crf import CharacterCRF

            self._model_time = time
            try:
                self._offering.crf = CharacterCRF.load(path)
            except UserError:
                self._offering.crf = None

    def _open_glossary(self, space: Workspace) -> None:
        if self._glossary is None:
            from glossary.store import Glossary, exists

            if not exists(space.glossary_path):
                return
            self._glossary = Glossary.open(space.glossary_path)
        else:
            self._glossary.refresh()
        self._offering.matcher = self._glossary.matcher()
