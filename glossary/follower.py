"""A thread that brings the LanceDB table up to the journal, with connections of its own."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from time import monotonic

from glossary.errors import UserError
from glossary.index import TermIndex
from glossary.journal import Journal

# The table waits until nobody has changed anything for so long (seconds), since the next change
# would have to share the disk and the interpreter with it.
_PAUSE = 2.0
# It lags behind by no more than this, however steadily changes come.
_LONGEST = 30.0


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
            while self._due.wait() and self._paused():
                self._due.clear()
                # A disk that refuses now is tried again with the next change.
                with suppress(UserError):
                    index.follow(wait=False, keep=self._retention)
                    journal.checkpoint()
            journal.close()

    def _paused(self) -> bool:
        """Wait for a pause in the changes; False when it is time to stop."""
        end = monotonic() + _LONGEST
        while True:
            self._due.clear()
            if self._stopped.wait(_PAUSE):
                return False
            if not self._due.is_set() or monotonic() > end:
                return True
