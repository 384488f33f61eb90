"""A run as a process session of its own, that no terminal and no parent can end."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.children import python_environment
from engines.training import gpu_locks
from engines.training.command_line import worker_command
from engines.training.folder import RunFolder, replace_file
from engines.training.liveness import whoami
from engines.training.recipe import load_recipe

LAUNCH = "launch.json"


@dataclass(frozen=True, slots=True)
class Terms:
    """Under what terms a run may use the machine.

    `gpus`: UUIDs of the GPUs it sees, already locked by the open files `locks` (none: as the
    environment says). `nice`: added to its priority number, 0 to 19. `share`: of each GPU's
    memory that it may take at most, 0 to 1; 0: all.
    """

    gpus: tuple[str, ...] = ()
    locks: tuple[int, ...] = ()
    nice: int = 0
    share: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict)


def start(folder: RunFolder, terms: Terms | None = None) -> int:
    """Start the run of `folder`; the pid of its session. What it prints goes to its log.

    Without `terms` it locks the GPUs that it is going to use. Raises UserError when another run
    has them.
    """
    recipe = load_recipe(folder.recipe)
    if terms is not None:
        return _start(folder, worker_command(recipe, folder.path), terms)
    with gpu_locks.taken_for(recipe, folder.path) as (uuids, locks):
        return _start(folder, worker_command(recipe, folder.path), Terms(uuids, locks))


def _start(folder: RunFolder, command: Sequence[str], terms: Terms) -> int:
    _make_waiting(folder)
    nice = shutil.which("nice")
    if terms.nice and nice:
        command = [nice, "-n", str(terms.nice), *command]
    with folder.log.open("ab") as log, _kept(terms.locks):
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=Path("/"),
            env=environment(terms),
            start_new_session=True,
            pass_fds=terms.locks,
        )
    started = {
        **whoami(process.pid),
        "time": round(time.time(), 3),
        "gpus": list(terms.gpus),
        "nice": terms.nice,
        "share": terms.share,
        **terms.extra,
    }
    replace_file(folder.path / LAUNCH, json.dumps(started, indent=1) + "\n")
    return process.pid


def environment(terms: Terms) -> dict[str, str]:
    """The environment of the run: offline, its GPUs by UUID, its share of their memory."""
    environ = python_environment()
    if terms.gpus:
        environ["CUDA_VISIBLE_DEVICES"] = ",".join(terms.gpus)
    if terms.share:
        # https://docs.pytorch.org/docs/stable/notes/cuda.html, per_process_memory_fraction
        options = [o for o in environ.get("PYTORCH_CUDA_ALLOC_CONF", "").split(",") if o]
        options.append(f"per_process_memory_fraction:{terms.share:g}")
        environ["PYTORCH_CUDA_ALLOC_CONF"] = ",".join(options)
    return environ


def launched(folder: RunFolder) -> dict[str, Any]:
    """What `start` wrote about the run's session; {} when it was not started here."""
    try:
        values = json.loads((folder.path / LAUNCH).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _make_waiting(folder: RunFolder) -> None:
    """Until the run writes its first word its state is not that of its former life."""
    (folder.path / LAUNCH).unlink(missing_ok=True)
    values = folder.read()
    if values.get("state", "waiting") != "waiting":
        for name in ("reason", "ended"):
            values.pop(name, None)
        folder.write({**values, "state": "waiting"})


@contextlib.contextmanager
def _kept(locks: Sequence[int]) -> Iterator[None]:
    """Let go of the locks here once the run has inherited them: they now end with it."""
    try:
        yield
    finally:
        for lock in locks:
            with contextlib.suppress(OSError):
                os.close(lock)
