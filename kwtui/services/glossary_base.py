"""What the parts of the glossary service share: the glossary as it is now."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _
from kwtui.services.messages import Hello

if TYPE_CHECKING:
    from glossary.store import Glossary
    from kwtui.services.loop import Task


class GlossaryBase:
    """Opens the glossary of one workspace once, and sees what other processes wrote since."""

    def __init__(self, hello: Hello) -> None:
        self._space = Workspace(hello.workspace) if hello.workspace else None
        self._settings = hello.settings
        self._retention = timedelta(days=hello.settings.glossary.retention_days)
        self._glossary: Glossary | None = None
        self._task: Task | None = None

    def nested(self) -> AbstractContextManager[object]:
        """Nothing here minds being interrupted."""
        return nullcontext()

    def _opened(self, create: bool = False) -> Glossary | None:
        """The glossary as it is now; None while there is none."""
        if self._glossary is not None:
            self._glossary.refresh()
            return self._glossary
        if self._space is None:
            if not create:
                return None
            raise UserError(_("There is no workspace here, and so no glossary to add terms to."))
        from glossary.store import Glossary, exists

        path = self._space.glossary_path
        if not create and not exists(path):
            return None
        self._glossary = Glossary.open(
            path,
            create=create,
            on_wait=self._waits,
            retention=self._retention,
            background=True,
        )
        return self._glossary

    def _needed(self, task: Task, create: bool = False) -> Glossary:
        """The same for a request that may change it; UserError when there is none.

        Where it has to wait for another program's write, the request says for whose.
        """
        self._task = task
        glossary = self._opened(create)
        if glossary is None:
            raise UserError(_("There is no glossary yet: import or add terms first."))
        return glossary

    def _waits(self, sentence: str) -> None:
        if self._task is not None:
            self._task.progress(sentence)

    def _corpus_path(self) -> Path | None:
        """The corpus beside the glossary, if there is one."""
        if self._space is None or not self._space.corpus_path.exists():
            return None
        return self._space.corpus_path
