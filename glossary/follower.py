"""A thread that brings the LanceDB table up to the journal, with connections of its own."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from glossary.errors import UserError
from glossary.index import TermIndex
from glossary.journal import Journal

# A change is shown first; those that come meanwhile are taken along.
_PAUSE = 0.2


class Follower:
    """Works from the first `wake` on; ends with the process, or with `stop`."""

    def __init__(self, path: Path, journal: Path, retention: timedelta) -> None:
        self._path = path
        self._journal = journal
        self._retention = retention
        self._due = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """There may be something to do."""
        self._due.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True, name="glossary-index")
            self._thread.start()

    def stop(self) -> None:
        """End once what is being done is done."""
        self._stopped.set()
        self._due.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with suppress(UserError):
            journal = Journal.open(self._journal)
            index = TermIndex(self._path, journal)
            while self._due.wait() and not self._stopped.wait(_PAUSE):
                self._due.clear()
                # A disk that refuses now is tried again with the next change.
                with suppress(UserError):
                    index.follow(wait=False, keep=self._retention)
            journal.close()
