"""The queue of runs on this machine: what waits, in which order and on what conditions.

It lies in runs/.queue/HOST/queue.json, so that machines which share a workspace keep theirs
apart. A supervisor (`engines.training.supervisor`), a process session of its own and single by
lock, starts what is due; every command of kwtui that finds a queue without one starts it anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from datetime import time as clock
from pathlib import Path
from typing import Any

from engines.children import python_command, python_environment
from engines.hardware import GIB, host
from engines.training.folder import replace_file
from engines.training.liveness import is_locked
from glossary.errors import UserError
from glossary.i18n import _

_HOURS = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")
ENDED = ("finished", "failed", "stopped", "interrupted", "broken")
# A run whose process vanishes is started again so often, then waits for a person.
ATTEMPTS = 3
# The note on a run that was stopped because its hours are over.
OUT_OF_HOURS = "out of hours"


@dataclass(frozen=True, slots=True)
class Conditions:
    """When a run may start and how it may use the machine.

    `free_gib`: memory that each of its GPUs must have free, for `free_minutes` without a break
    (0: as foretold by the preflight, else any). `hours`: "22:00-08:00", local time; outside it is
    stopped with a checkpoint and goes on the next time. `share`: of a GPU's memory at most.
    """

    free_gib: float = 0.0
    free_minutes: float = 0.0
    hours: str = ""
    nice: int = 0
    share: float = 0.0

    def checked(self) -> Conditions:
        """These; UserError for values that mean nothing."""
        if self.hours:
            within(self.hours, datetime.now().time())
        if not 0 <= self.nice <= 19:
            raise UserError(_("The nice level is 0 to 19."))
        if not 0 <= self.share <= 1:
            raise UserError(_("The share of a GPU's memory is 0 to 1."))
        if self.free_gib < 0 or self.free_minutes < 0:
            raise UserError(_("Memory and minutes to wait for are not negative."))
        return self


@dataclass(frozen=True, slots=True)
class Entry:
    """A run in the queue. `state`: waiting, paused or started; `note`: what it waits for."""

    run: str
    state: str = "waiting"
    author: str = ""
    added: float = 0.0
    conditions: Conditions = field(default_factory=Conditions)
    attempts: int = 0
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return asdict(self)


class Queue:
    """The queue of this machine in a workspace's runs/; a change is on disk when it returns."""

    def __init__(self, runs: Path, machine: str | None = None) -> None:
        self.runs = runs.absolute()
        self.folder = self.runs / ".queue" / (machine or host())
        self.file = self.folder / "queue.json"

    @property
    def lock_file(self) -> Path:
        """Locked by the supervisor as long as it lives."""
        return self.folder / "supervisor.lock"

    @property
    def log(self) -> Path:
        """What the supervisor says."""
        return self.folder / "log.txt"

    def read(self) -> list[Entry]:
        """The entries, the first to start first."""
        return self._read()[1]

    @property
    def paused(self) -> bool:
        """Whether the whole queue starts nothing."""
        return self._read()[0]

    @property
    def has_work(self) -> bool:
        """Whether a supervisor has something to see to: what is held back is no such thing."""
        paused, entries = self._read()
        return any(e.state == "started" or (e.state == "waiting" and not paused) for e in entries)

    def add(
        self, run: str, conditions: Conditions, *, author: str = "", front: bool = False
    ) -> int:
        """Put a run at the end (or the front); its place, from 1. UserError if it is in already."""
        entry = Entry(run, "waiting", author, round(time.time(), 3), conditions.checked())
        with self._edit() as entries:
            if any(known.run == run for known in entries):
                raise UserError(_("The run {id} is in the queue already.").format(id=run))
            first = sum(known.state == "started" for known in entries) if front else len(entries)
            entries.insert(first, entry)
        return first + 1

    def move(self, run: str, place: int) -> None:
        """Put a waiting run at `place`, counted from 1 over all entries."""
        with self._edit() as entries:
            entry = self._entry(entries, run)
            entries.remove(entry)
            entries.insert(max(0, place - 1), entry)

    def pause(self, run: str | None, *, on: bool = True) -> None:
        """Hold a waiting run back, or the whole queue (None), or let it go on."""
        if run is None:
            with self._locked():
                self._write(on, self._read()[1])
            return
        with self._edit() as entries:
            entry = self._entry(entries, run)
            if entry.state == "started":
                message = _("The run {id} has started; `kwtui runs stop {id}` saves and ends it.")
                raise UserError(message.format(id=run))
            changed = replace(entry, state="paused" if on else "waiting", note="", attempts=0)
            entries[entries.index(entry)] = changed

    def cancel(self, run: str) -> Entry:
        """Take a run out of the queue; what it was. A started one goes on without it."""
        with self._edit() as entries:
            entry = self._entry(entries, run)
            entries.remove(entry)
        return entry

    def update(self, run: str, **changes: Any) -> None:
        """Change fields of an entry, where it still is in the queue."""
        with self._edit() as entries:
            for at, entry in enumerate(entries):
                if entry.run == run:
                    entries[at] = replace(entry, **changes)

    def drop(self, run: str) -> None:
        """Take a run out if it is in."""
        with self._edit() as entries:
            entries[:] = [entry for entry in entries if entry.run != run]

    def drop_if_there(self, run: str) -> None:
        """The same where there is a queue at all."""
        if self.file.exists():
            self.drop(run)

    def wake(self) -> bool:
        """Start a supervisor where there is something to do and none lives; whether it did."""
        if not self.file.exists() or not self.has_work or is_locked(self.lock_file):
            return False
        with self.log.open("ab") as log:
            subprocess.Popen(
                python_command("engines.training.supervisor", str(self.runs)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=Path("/"),
                env=python_environment(),
                start_new_session=True,
            )
        return True

    def _entry(self, entries: list[Entry], run: str) -> Entry:
        for entry in entries:
            if entry.run == run:
                return entry
        raise UserError(_("The run {id} is not in the queue.").format(id=run))

    @contextlib.contextmanager
    def _edit(self) -> Iterator[list[Entry]]:
        """The entries, to be changed in place; written at the end of the block."""
        with self._locked():
            paused, entries = self._read()
            before = list(entries)
            yield entries
            if entries != before or not self.file.exists():
                self._write(paused, entries)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.folder / "edit.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _read(self) -> tuple[bool, list[Entry]]:
        try:
            content = json.loads(self.file.read_text(encoding="utf-8"))
            return bool(content["paused"]), [_entry(values) for values in content["entries"]]
        except FileNotFoundError:
            return False, []
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            message = _("{path} cannot be read: {error}. Remove it to begin a new queue.")
            raise UserError(message.format(path=self.file, error=error)) from None

    def _write(self, paused: bool, entries: list[Entry]) -> None:
        content = {"paused": paused, "entries": [entry.to_json() for entry in entries]}
        replace_file(self.file, json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def _entry(values: dict[str, Any]) -> Entry:
    known = {f.name for f in fields(Conditions)}
    conditions = {k: v for k, v in values["conditions"].items() if k in known}
    return Entry(
        str(values["run"]),
        str(values["state"]),
        str(values.get("author", "")),
        float(values.get("added", 0)),
        Conditions(**conditions),
        int(values.get("attempts", 0)),
        str(values.get("note", "")),
    )


def within(hours: str, now: clock) -> bool:
    """Whether `now` is within "HH:MM-HH:MM", which may go over midnight.

    Raises UserError for anything else.
    """
    match = _HOURS.fullmatch(hours.replace(" ", ""))
    numbers = [int(part) for part in match.groups()] if match else []
    if not numbers or numbers[0] > 23 or numbers[2] > 24 or numbers[1] > 59 or numbers[3] > 59:
        message = _("{hours} are no hours; write them as 22:00-08:00.")
        raise UserError(message.format(hours=hours))
    start, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
    minute = now.hour * 60 + now.minute
    if start <= end:
        return start <= minute < end
    return minute >= start or minute < end


def needed_bytes(conditions: Conditions, foretold: int) -> int:
    """The free memory that a GPU must have: as asked for, else as the preflight foretold."""
    return round(conditions.free_gib * GIB) if conditions.free_gib else foretold


def wake(runs: Path) -> None:
    """Start the supervisor of `runs` where its queue wants one; never raises."""
    with contextlib.suppress(OSError, UserError):
        Queue(runs).wake()
