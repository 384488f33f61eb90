"""Whether the process of a run lives: judged by host, boot, pid and start time, never by hope."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from engines.hardware import host
from engines.training.folder import boot_id, process_start

Life = Literal["alive", "gone", "elsewhere"]
# Start times are read from clock ticks and may differ by rounding.
_SAME_START = 1.0


def whoami(pid: int) -> dict[str, Any]:
    """What identifies a process for `life_of`, as long as there is a record of it."""
    return {
        "pid": pid,
        "process_start": process_start(pid),
        "host": host(),
        "boot_id": boot_id(),
    }


def life_of(values: Mapping[str, Any], lock: Path | None = None) -> Life:
    """Whether the process that wrote `values` into run.json lives.

    "elsewhere": it is another machine's, of which nothing can be known here. `lock`: a file that
    the process keeps locked; a held lock is life whatever the numbers say (another container on
    this machine counts its processes anew).
    """
    if values.get("host") != host():
        return "elsewhere"
    if values.get("boot_id") != boot_id():
        return "gone"
    pid, start = values.get("pid"), values.get("process_start")
    if isinstance(pid, int) and isinstance(start, int | float) and is_process(pid, float(start)):
        return "alive"
    return "alive" if lock is not None and is_locked(lock) else "gone"


def is_process(pid: int, start: float) -> bool:
    """Whether `pid` is the process that began at `start`; one that ended unmourned is none."""
    import psutil

    try:
        process = psutil.Process(pid)
        same = abs(process_start(pid) - start) <= _SAME_START
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock on `path`."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(handle)
