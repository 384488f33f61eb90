"""The process that starts what is due in a queue: `python -P -m engines.training.supervisor RUNS`.

Single by lock, a session of its own. It ends when nothing of the queue is left but what a person
holds back, or when it is killed; the runs it started go on, and the next command of kwtui starts
it anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from engines import hardware
from engines.hardware import GIB, Gpu
from engines.training import gpu_locks, hosts_on_gpu
from engines.training.command_line import launch_of
from engines.training.detached import Terms
from engines.training.folder import RunFolder
from engines.training.preflight_file import foretold_bytes
from engines.training.queue import (
    ATTEMPTS,
    ENDED,
    OUT_OF_HOURS,
    Entry,
    Queue,
    needed_bytes,
    within,
)
from engines.training.recipe import load_recipe
from engines.training.runs import Run, look, resume, stop
from glossary import i18n
from glossary.errors import UserError
from glossary.i18n import _

TICK = 1.0
IDLE_SECONDS = 3.0


class Supervisor:
    """One look after the other at the queue and the machine."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        # Since when (monotonic seconds) each entry's wish for free memory holds on a GPU.
        self._free_since: dict[tuple[str, str], float] = {}

    def work(self, tick: float = TICK, idle: float = IDLE_SECONDS) -> None:
        """Go on until there has been nothing to do for `idle` seconds."""
        last = time.monotonic()
        while time.monotonic() - last < idle:
            self._mourn()
            if self.look():
                last = time.monotonic()
            time.sleep(tick)

    def look(self) -> bool:
        """One look: settle what has ended, start what is due. Whether there is anything left."""
        entries = self.queue.read()
        for entry in entries:
            if entry.state == "started":
                self._watch(entry)
        if not self.queue.paused:
            self._start_due([entry for entry in self.queue.read() if entry.state == "waiting"])
        return self.queue.has_work

    def _watch(self, entry: Entry) -> None:
        """A started run: out of its hours it is stopped, at its end it leaves the queue."""
        run = self._run(entry)
        if run is None or run.state in ("finished", "failed", "broken"):
            self.queue.drop(entry.run)
            self._say(f"{entry.run}: {run.state if run else 'removed'}")
        elif run.state == "interrupted":
            self._again(entry)
        elif run.state == "waiting":
            # A supervisor was killed between the mark and the start.
            self.queue.update(entry.run, state="waiting")
        elif run.state == "stopped":
            if entry.note == OUT_OF_HOURS:
                self.queue.update(entry.run, state="waiting", note="")
            else:
                # A person stopped it; it goes on when a person says so.
                self.queue.drop(entry.run)
        elif not self._in_hours(entry) and entry.note != OUT_OF_HOURS:
            self._say(f"{entry.run}: its hours are over")
            self.queue.update(entry.run, note=OUT_OF_HOURS)
            with contextlib.suppress(UserError):
                stop(run)

    def _again(self, entry: Entry) -> None:
        """A run whose process vanished goes on, but not for ever."""
        if entry.attempts >= ATTEMPTS:
            note = _("Its process vanished {count} times; look at its log.")
            self.queue.update(entry.run, state="paused", note=note.format(count=entry.attempts))
            return
        self._say(f"{entry.run}: vanished, goes on")
        self.queue.update(entry.run, state="waiting", attempts=entry.attempts + 1)

    def _start_due(self, waiting: Sequence[Entry]) -> None:
        """Start in order; what is held back by the hours lets others pass, by GPUs it does not."""
        found = hardware.visible(hardware.gpus())
        kept: set[str] = set()
        for entry in waiting:
            run = self._run(entry)
            if run is None:
                self.queue.drop(entry.run)
                continue
            if run.state not in ("waiting", *ENDED):
                self.queue.update(entry.run, state="started", note="")
                continue
            if not self._in_hours(entry):
                self._note(entry, _("waits for {hours}").format(hours=entry.conditions.hours))
                continue
            try:
                kept |= self._try(entry, run, found, kept)
            except UserError as error:
                self._say(f"{entry.run}: {error.sentence}")
                self.queue.update(entry.run, state="paused", note=error.sentence)

    def _try(self, entry: Entry, run: Run, found: Sequence[Gpu], kept: set[str]) -> set[str]:
        """Start a run where it can be; else the GPUs that are kept for it from those behind it."""
        if not found:
            return self._try_cpu(entry, run, kept)
        launch = launch_of(load_recipe(run.folder.recipe))
        wanted = gpu_locks.named(found, launch.gpus) if launch.gpus else list(found)
        count = len(wanted) if launch.gpus else launch.processes
        if count > len(found):
            gpu_locks.freest(found, count)
        open_ = [gpu for gpu in wanted if gpu.uuid not in kept]
        need = needed_bytes(entry.conditions, foretold_bytes(run.folder.path))
        ready = [gpu for gpu in open_ if self._is_ready(entry, gpu, need)]
        ready.sort(key=lambda gpu: -gpu.free)
        if len(ready) < count:
            self._note(entry, _waits_for(wanted, count, need))
            return {gpu.uuid for gpu in wanted}
        chosen = ready[:count]
        locks = gpu_locks.lock_all(
            [gpu.uuid for gpu in chosen], gpu_locks.about_run(run.folder.path)
        )
        if locks is None:
            return {gpu.uuid for gpu in wanted}
        self._start(entry, run, tuple(gpu.uuid for gpu in chosen), locks)
        return {gpu.uuid for gpu in chosen}

    def _is_ready(self, entry: Entry, gpu: Gpu, need: int) -> bool:
        """Whether nobody holds the GPU and it has been free enough for long enough."""
        key = (entry.run, gpu.uuid)
        if gpu_locks.holder(gpu.uuid) or gpu.free < need:
            if not gpu_locks.holder(gpu.uuid):
                hosts_on_gpu.ask_to_unload(gpu)
            self._free_since.pop(key, None)
            return False
        since = self._free_since.setdefault(key, time.monotonic())
        return time.monotonic() - since >= entry.conditions.free_minutes * 60

    def _try_cpu(self, entry: Entry, run: Run, kept: set[str]) -> set[str]:
        name = gpu_locks.cpu_name()
        if name in kept:
            self._note(entry, _("waits for the run before it"))
            return {name}
        lock = gpu_locks.try_lock(name, gpu_locks.about_run(run.folder.path))
        if lock is None:
            self._note(entry, _("waits for another run to end"))
        else:
            self._start(entry, run, (), [lock])
        return {name}

    def _start(self, entry: Entry, run: Run, gpus: tuple[str, ...], locks: list[int]) -> None:
        terms = Terms(
            gpus,
            tuple(locks),
            entry.conditions.nice,
            entry.conditions.share,
            {"queued": True},
        )
        # Marked first: a supervisor killed between the two finds a run that waits, not two.
        self.queue.update(entry.run, state="started", note="")
        try:
            pid = resume(run, terms)
        except BaseException:
            gpu_locks.release(locks)
            raise
        self._say(f"{entry.run}: started, process {pid}")

    def _run(self, entry: Entry) -> Run | None:
        try:
            return look(RunFolder(self.queue.runs / entry.run))
        except UserError:
            return None

    def _in_hours(self, entry: Entry) -> bool:
        hours = entry.conditions.hours
        return not hours or within(hours, datetime.now().time())

    def _note(self, entry: Entry, note: str) -> None:
        if entry.note != note:
            self.queue.update(entry.run, note=note)

    def _say(self, line: str) -> None:
        print(time.strftime("%Y-%m-%dT%H:%M:%S%z"), line, flush=True)

    def _mourn(self) -> None:
        """Take note of children that ended: they stay zombies until somebody does."""
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass


def _waits_for(wanted: Sequence[Gpu], count: int, need: int) -> str:
    """What a run waits for, with the people who have it."""
    users = sorted({p.user for gpu in wanted for p in gpu.processes if p.user})
    message = _("waits for {count} GPUs with {gib} GiB free").format(
        count=count, gib=f"{need / GIB:.1f}"
    )
    if users:
        message += " " + _("(in use by {users})").format(users=", ".join(users))
    return message


def main(arguments: list[str]) -> int:
    """Supervise the queue of the runs/ folder named on the command line."""
    if len(arguments) != 1:
        raise UserError(_("Name the folder of the runs."))
    queue = Queue(Path(arguments[0]))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    handle = os.open(queue.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return 0
    Supervisor(queue).work()
    while queue.has_work:
        # Something came in the moment in which it wanted to go.
        Supervisor(queue).work()
    return 0


if __name__ == "__main__":
    i18n.take_over(os.environ)
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        print(error.sentence, file=sys.stderr)
        sys.exit(error.exit_code)
