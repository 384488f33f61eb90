"""The learner service: trains the quick model at low priority, one training at a time."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

from engines.workspace import Workspace
from kwtui.services.loop import Task
from kwtui.services.messages import Hello

_NICE = 15


class LearnerService:
    """Has the machine only when nobody else wants it."""

    requests = frozenset({"learn", "rank_terms"})

    def __init__(self, hello: Hello) -> None:
        self._workspace = Workspace(hello.workspace) if hello.workspace else None
        self._curation = hello.settings.curation
        os.nice(_NICE)

    def nested(self) -> AbstractContextManager[object]:
        """Nothing here minds being interrupted."""
        return nullcontext()

    def learn(self, task: Task, rank: int = 2000) -> tuple[int, int]:
        """Train on what is labeled; returns the texts learned from and the waiting ones ranked."""
        if self._workspace is None or not self._workspace.corpus_path.exists():
            return 0, 0
        from engines.corpus.session import annotator_name
        from engines.extraction.quick import learn

        name = annotator_name("", self._curation)
        done = learn(self._workspace, name, rank=rank, cancelled=task.cancelled)
        return done.texts, done.ranked

    def rank_terms(self, task: Task) -> int:
        """Rank the waiting texts by glossary terms that nobody has labeled; returns the texts.

        0 without a glossary.
        """
        from glossary.store import Glossary, exists

        space = self._workspace
        if space is None or not space.corpus_path.exists() or not exists(space.glossary_path):
            return 0
        from engines.corpus.ranking import rank_terms
        from engines.corpus.store import Corpus

        matcher = Glossary.open(space.glossary_path).matcher()
        with Corpus.open(space.corpus_path) as corpus:
            return rank_terms(corpus, matcher)
