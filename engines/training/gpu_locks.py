"""Who has which GPU: one lock a GPU, outside every workspace, held by the run itself.

A lock is an open file that the run inherits (flock): the system frees it when the run ends,
however it ends. Files lie in the folder for temporary files, where all users of the machine meet.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engines.hardware import Gpu, gpus, visible
from engines.training.command_line import launch_of
from engines.training.recipe import Recipe
from glossary.errors import UserError
from glossary.i18n import _


def lock_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of the locks, writable for every user (sticky, like the one it lies in)."""
    folder = Path(environ.get("TMPDIR") or "/tmp") / "kwtui-gpus"
    if not folder.is_dir():
        folder.mkdir(exist_ok=True)
        with contextlib.suppress(PermissionError):
            folder.chmod(0o1777)
    return folder


def cpu_name() -> str:
    """The name under which runs of this user without a GPU take turns."""
    return f"cpu-{os.getuid()}"


def try_lock(name: str, about: Mapping[str, Any]) -> int | None:
    """An open file that holds the lock `name` (a GPU's UUID), or None when another has it.

    `about` is left in the file for whoever finds the lock taken.
    """
    path = _file(name)
    handle = _open(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    note = json.dumps({**about, "pid": os.getpid(), "time": round(time.time(), 3)})
    # Another user's file can be locked but perhaps not written; the lock is what counts.
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, note.encode(), 0)
    return handle


def holder(name: str) -> dict[str, Any]:
    """What the holder of a lock said about itself; {} when nobody holds it."""
    path = _file(name)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return {}
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        try:
            values = json.loads(os.pread(handle, 4096, 0))
        except (OSError, ValueError):
            values = {}
        return values if isinstance(values, dict) and values else {"run": "?"}
    finally:
        os.close(handle)
    return {}


def _file(name: str) -> Path:
    return lock_folder() / f"{name}.lock"


def _open(path: Path) -> int:
    """Open a lock file for writing, or for reading where it is another user's.

    Linux refuses O_CREAT on another user's file in a sticky folder (fs.protected_regular).
    """
    for flags in (os.O_RDWR, os.O_RDONLY, os.O_RDWR | os.O_CREAT | os.O_EXCL):
        try:
            handle = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except (FileNotFoundError, PermissionError, FileExistsError):
            continue
        if flags & os.O_CREAT:
            os.fchmod(handle, 0o666)
        return handle
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)


def lock_all(names: Sequence[str], about: Mapping[str, Any]) -> list[int] | None:
    """All these locks, or none of them."""
    held: list[int] = []
    for name in names:
        handle = try_lock(name, about)
        if handle is None:
            release(held)
            return None
        held.append(handle)
    return held


def release(locks: Sequence[int]) -> None:
    """Give locks back that no run has inherited."""
    for lock in locks:
        with contextlib.suppress(OSError):
            os.close(lock)


def about_run(folder: Path) -> dict[str, Any]:
    """What a lock says about the run that holds it."""
    import getpass

    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = str(os.getuid())
    return {"run": str(folder), "user": user}


@contextlib.contextmanager
def taken_for(recipe: Recipe, folder: Path) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
    """The UUIDs and locks of the GPUs that a run started at once is to use.

    On a machine without GPUs the locks hold the place of this user's run on the CPU, where that
    is free: several may run there at the same time when a person wants it.
    """
    found = visible(gpus())
    if not found:
        lock = try_lock(cpu_name(), about_run(folder))
        yield (), () if lock is None else (lock,)
        return
    launch = launch_of(recipe)
    chosen = named(found, launch.gpus) if launch.gpus else freest(found, launch.processes)
    locks = lock_all([gpu.uuid for gpu in chosen], about_run(folder))
    if locks is None:
        raise UserError(_taken(chosen))
    try:
        yield tuple(gpu.uuid for gpu in chosen), tuple(locks)
    except BaseException:
        release(locks)
        raise


def named(found: Sequence[Gpu], indices: Sequence[int]) -> list[Gpu]:
    """The GPUs with these indices; UserError when one is not there."""
    by_index = {gpu.index: gpu for gpu in found}
    missing = [index for index in indices if index not in by_index]
    if missing:
        message = _("launch.gpus names GPU {index}; here are {known}.")
        known = ", ".join(str(gpu.index) for gpu in found) or "-"
        raise UserError(message.format(index=missing[0], known=known))
    return [by_index[index] for index in indices]


def freest(found: Sequence[Gpu], count: int) -> list[Gpu]:
    """The `count` GPUs to take now: those nobody holds first, of them those with most memory free.

    Raises UserError when there are not so many.
    """
    if len(found) < count:
        message = _("The recipe asks for {count} processes, one a GPU; here are {known} GPUs.")
        raise UserError(message.format(count=count, known=len(found)))
    order = sorted(found, key=lambda gpu: (bool(holder(gpu.uuid)), -gpu.free))
    return sorted(order[:count], key=lambda gpu: gpu.index)


def _taken(chosen: Sequence[Gpu]) -> str:
    for gpu in chosen:
        if by := holder(gpu.uuid):
            message = _(
                "GPU {index} is taken by the run {run} of {user}. Put this one into the queue "
                "(--queue), or name another GPU with --set launch.gpus=[N]."
            )
            return message.format(index=gpu.index, run=by.get("run"), user=by.get("user", "?"))
    return _("A GPU was just taken by another run; try again, or use --queue.")
