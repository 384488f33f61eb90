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

    requests = frozenset({"learn"})

    def __init__(self, hello: Hello) -> None:
        self._workspace = Workspace(hello.workspace) if hello.workspace else None
        os.nice(_NICE)

    def nested(self) -> AbstractContextManager[object]:
        """Nothing here minds being interrupted."""
        return nullcontext()

    def learn(self, task: Task, rank: int = 2000) -> tuple[int, int]:
        """Train on what is labeled; returns the texts learned from and the waiting ones ranked."""
        if self._workspace is None or not self._workspace.corpus_path.exists():
            return 0, 0
        from engines.extraction.quick import learn

        done = learn(self._workspace, rank=rank, cancelled=task.cancelled)
        return done.texts, done.ranked
