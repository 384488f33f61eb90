"""All runs of a workspace at a glance, looked at again and again: what has ended is read once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.training.folder import RunFolder
from engines.training.queue import Entry, Queue
from engines.training.runs import Run, list_runs, look
from engines.training.snapshot import Snapshot, Watcher, snapshot
from glossary.errors import UserError

Mark = tuple[float, int, float]


@dataclass(frozen=True, slots=True)
class Row:
    """One run with its figures, and its entry in the queue of this machine when it has one."""

    run: Run
    shot: Snapshot
    entry: Entry | None = None
    place: int | None = None


class Board:
    """The runs of one workspace's runs/; `look` is cheap when nothing has changed."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.queue = Queue(runs)
        self._watchers: dict[str, Watcher] = {}
        self._seen: dict[str, tuple[Mark, Snapshot]] = {}

    def watcher(self, run: Run) -> Watcher:
        """The one that follows a run; its series is level after each look at the board."""
        if run.id not in self._watchers:
            self._watchers[run.id] = Watcher(run.folder)
        return self._watchers[run.id]

    def look(self, others: Sequence[Path] = ()) -> list[Row]:
        """Every run, the newest first, and after them those in the folders `others`."""
        places: dict[str, tuple[int, Entry]] = {}
        if self.queue.file.exists():
            with contextlib.suppress(OSError, UserError):
                places = {e.run: (n, e) for n, e in enumerate(self.queue.read(), start=1)}
        rows = []
        for run in [*list_runs(self.runs), *_elsewhere(others)]:
            place, entry = places.get(run.id, (None, None))
            rows.append(Row(run, self._shot(run), entry, place))
        gone = self._watchers.keys() - {row.run.id for row in rows}
        for name in gone:
            del self._watchers[name]
            self._seen.pop(name, None)
        return rows

    def _shot(self, run: Run) -> Snapshot:
        """The figures of a run; those of one that has not changed since the last look are kept."""
        mark = _mark(run)
        seen = self._seen.get(run.id)
        if seen is not None and seen[0] == mark and not run.alive and seen[1].state == run.state:
            return seen[1]
        watcher = self.watcher(run)
        watcher.new = watcher.series.catch_up()
        shot = snapshot(run, watcher.series, watcher.foretold())
        self._seen[run.id] = (mark, shot)
        return shot


def _elsewhere(folders: Sequence[Path]) -> Iterator[Run]:
    """The runs in folders outside the workspace; what is gone or broken is left out."""
    for folder in folders:
        with contextlib.suppress(OSError, UserError):
            yield look(RunFolder(folder))


def _mark(run: Run) -> Mark:
    """What differs when a run has written something."""
    try:
        events = run.folder.events.stat()
        state = run.folder.state_file.stat()
    except OSError:
        return (0.0, 0, 0.0)
    return (events.st_mtime, events.st_size, state.st_mtime)
