"""The runs of a workspace: what they are, how they stand, and what can be done to them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.training import detached
from engines.training.checkpoints import last_checkpoint, step_of, whole_checkpoints
from engines.training.folder import RunFolder
from engines.training.liveness import is_locked, is_process, life_of
from glossary.errors import FailedError, UserError
from glossary.i18n import _

WORKING = ("starting", "running")
TRASH = ".removed"
# A process that got its signal ends within this; the kernel may have gigabytes to give back.
KILL_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it stands now.

    `state` is that of run.json, but "interrupted" for one whose process is gone on this machine
    and "stopping" for one that was asked to end. `elsewhere`: it is another machine's, and
    `values` are the last that is known.
    """

    folder: RunFolder
    values: dict[str, Any]
    state: str
    alive: bool
    elsewhere: bool

    @property
    def id(self) -> str:
        """The name of its folder."""
        return self.folder.path.name

    @property
    def step(self) -> int:
        """The optimizer step it has reached."""
        return int(self.values.get("step") or 0)

    @property
    def steps(self) -> int:
        """The optimizer steps it is to do; 0 while that is not known."""
        return int(self.values.get("steps") or 0)

    @property
    def silent_seconds(self) -> float | None:
        """Seconds since its last heartbeat; None when there was none or it has ended."""
        beat = self.values.get("heartbeat")
        if self.state not in (*WORKING, "stopping") or not isinstance(beat, int | float):
            return None
        return max(0.0, time.time() - beat)

    @property
    def checkpoint(self) -> int | None:
        """The step of the last whole checkpoint."""
        last = last_checkpoint(self.folder.checkpoints)
        return None if last is None else step_of(last)

    def to_json(self) -> dict[str, Any]:
        """run.json with the state that is true now."""
        return {
            **self.values,
            "id": self.id,
            "folder": str(self.folder.path),
            "state": self.state,
            "alive": self.alive,
            "elsewhere": self.elsewhere,
            "silent_seconds": self.silent_seconds,
        }


def look(folder: RunFolder) -> Run:
    """The run in `folder` as it stands; UserError when it holds none."""
    if not folder.recipe.is_file() and not folder.state_file.is_file():
        raise UserError(_("{path} holds no run.").format(path=folder.path))
    values = folder.read()
    written = str(values.get("state") or "waiting")
    if written == "waiting":
        return _look_at_waiting(folder, values)
    if written not in WORKING:
        return Run(folder, values, written, alive=False, elsewhere=False)
    life = life_of(values, folder.path / ".lock")
    state = written
    if life == "gone":
        # It may have ended between the two looks.
        values = folder.read()
        state = str(values.get("state"))
        state = "interrupted" if state in WORKING else state
    elif folder.stop_file.exists():
        state = "stopping"
    return Run(folder, values, state, life == "alive", life == "elsewhere")


def _look_at_waiting(folder: RunFolder, values: dict[str, Any]) -> Run:
    """A run that wrote nothing yet: not started, just starting, or dead before its first word."""
    started = detached.launched(folder)
    if not started:
        return Run(folder, values, "waiting", alive=False, elsewhere=False)
    life = life_of(started)
    if life == "gone" and str(folder.read().get("state", "waiting")) != "waiting":
        return look(folder)
    state = "interrupted" if life == "gone" else "starting"
    return Run(folder, values, state, life == "alive", life == "elsewhere")


def list_runs(runs: Path) -> list[Run]:
    """Every run in a workspace's runs/, the newest first; a broken one is listed as "broken"."""
    found = []
    for path in _folders(runs):
        folder = RunFolder(path.absolute())
        try:
            found.append(look(folder))
        except UserError as error:
            values = {"reason": error.sentence}
            found.append(Run(folder, values, "broken", alive=False, elsewhere=False))
    return sorted(found, key=lambda run: (run.values.get("created", 0), run.id), reverse=True)


def _folders(runs: Path) -> Iterator[Path]:
    if not runs.is_dir():
        return
    for path in runs.iterdir():
        folder = RunFolder(path)
        named = not path.name.startswith(".") and path.is_dir()
        if named and (folder.recipe.is_file() or folder.state_file.is_file()):
            yield path


def find(runs: Path | None, name: str) -> Run:
    """The run named by its id, the beginning of it, its folder, or "last".

    Raises UserError when there is none, or several begin so.
    """
    path = Path(name).expanduser()
    if ("/" in name or runs is None) and path.is_dir():
        return look(RunFolder(path.absolute()))
    if runs is None:
        raise UserError(_("There is no workspace here; name the folder of the run."))
    ids = sorted(path.name for path in _folders(runs))
    if name == "last" and ids:
        return list_runs(runs)[0]
    chosen = [name] if name in ids else [i for i in ids if i.startswith(name)]
    if not chosen:
        chosen = [i for i in ids if name in i]
    if len(chosen) == 1:
        return look(RunFolder((runs / chosen[0]).absolute()))
    if not ids:
        raise UserError(_("There is no run here yet: `kwtui train` starts one."))
    if not chosen:
        known = ", ".join(ids[-5:])
        raise UserError(
            _("There is no run {name}; the last are {known}.").format(name=name, known=known)
        )
    message = _("{name} may be each of {known}; name one.")
    raise UserError(message.format(name=name, known=", ".join(chosen[:8])))


def stop(run: Run, *, wait: float = 0.0) -> Run:
    """Ask a run to save a checkpoint and end; wait up to `wait` seconds until it has.

    Works for runs of other machines too: the request is a file in the run's folder. Raises
    UserError when it does not run.
    """
    if run.state not in (*WORKING, "stopping"):
        raise _not_running(run)
    if run.values.get("state", "waiting") == "waiting":
        # It has not come to reading requests, and has nothing to save.
        return stop_now(run)
    run.folder.stop_file.touch()
    return wait_for_end(run, wait) if wait else look(run.folder)


def wait_for_end(run: Run, seconds: float) -> Run:
    """The run once it has ended, or as it stands after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        run = look(run.folder)
        if run.state not in (*WORKING, "stopping") or time.monotonic() >= deadline:
            return run
        time.sleep(0.1)


def stop_now(run: Run) -> Run:
    """End every process of a run at once; it can go on from its last whole checkpoint.

    Raises UserError when it does not run or runs on another machine, FailedError when it does
    not end.
    """
    if run.elsewhere:
        message = _("The run {id} is on {host}; end it there, or stop it without --now.")
        raise UserError(message.format(id=run.id, host=run.values.get("host", "?")))
    if run.state not in (*WORKING, "stopping"):
        raise _not_running(run)
    processes = _processes(run)
    for process in processes:
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + KILL_SECONDS
    while look(run.folder).alive:
        if time.monotonic() > deadline:
            raise FailedError(_("The processes of {id} do not end.").format(id=run.id))
        time.sleep(0.05)
    return settle(run.folder, "stopped", _("Ended at once; goes on from its last checkpoint."))


def _processes(run: Run) -> list[int]:
    """The pids of a run: launcher first, so that it starts nothing anew, then all below it."""
    import psutil

    found: dict[int, None] = {}
    for record in (detached.launched(run.folder), run.values):
        pid, start = record.get("pid"), record.get("process_start")
        if not isinstance(pid, int) or not is_process(pid, float(start or 0)):
            continue
        found[pid] = None
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(pid).children(recursive=True):
                found[child.pid] = None
    return list(found)


def settle(folder: RunFolder, state: str, reason: str) -> Run:
    """Write the end of a run whose processes are gone; nothing when one lives after all."""
    with contextlib.suppress(OSError):
        folder.stop_file.unlink()
    if not is_locked(folder.path / ".lock"):
        values = folder.read()
        values |= {"state": state, "reason": reason, "ended": round(time.time(), 3)}
        folder.write(values)
    return look(folder)


def resume(run: Run, terms: detached.Terms | None = None) -> int:
    """Start a run again from its last whole checkpoint; its pid.

    Also starts one that waits. Raises UserError when it runs or is finished.
    """
    if run.state == "finished":
        raise UserError(_("The run {id} is finished.").format(id=run.id))
    if run.state == "broken":
        raise UserError(str(run.values.get("reason", "")))
    if run.state in (*WORKING, "stopping"):
        raise UserError(_("The run {id} is at work; stop it first.").format(id=run.id))
    if not run.folder.recipe.is_file():
        raise UserError(_("{path} has no recipe.toml.").format(path=run.folder.path))
    return detached.start(run.folder, terms)


def remove(run: Run) -> int:
    """Delete a run's folder; the bytes freed. Models it published stay.

    Raises UserError when it is at work.
    """
    if run.state in (*WORKING, "stopping"):
        raise UserError(_("The run {id} is at work; stop it first.").format(id=run.id))
    path = run.folder.path
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    # Renamed first: a kill in the middle leaves no half of a run in the list.
    gone = path.with_name(f"{TRASH}-{path.name}-{os.getpid()}")
    path.replace(gone)
    shutil.rmtree(gone)
    return size


def sweep(runs: Path) -> None:
    """Delete what removals that were cut off left behind."""
    for path in runs.glob(f"{TRASH}-*"):
        shutil.rmtree(path, ignore_errors=True)


def checkpoints(run: Run) -> list[int]:
    """The steps of its whole checkpoints."""
    return [step_of(path) for path in whole_checkpoints(run.folder.checkpoints)]


def _not_running(run: Run) -> UserError:
    message = _("The run {id} does not run; its state is {state}.")
    return UserError(message.format(id=run.id, state=run.state))
