"""What runs of a soak: found by the mark that every process of it inherits, wherever it went."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

APP, HOST = "kwtui", "kwtui.services"
RUN, SUPERVISOR = "engines.training.worker", "engines.training.supervisor"


@dataclass(frozen=True)
class Creature:
    """A process of the soak. `role`: who started it or its parents; `module`: what it runs."""

    pid: int
    role: str
    module: str
    arguments: tuple[str, ...]

    def kill(self) -> bool:
        """End it without a word; whether it was there."""
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True


def creatures(mark: str) -> list[Creature]:
    """Every living process with the mark, but for this one."""
    return list(_creatures(mark))


def _creatures(mark: str) -> Iterator[Creature]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            raw = (folder / "environ").read_bytes().split(b"\0")
            if f"SOAK_MARK={mark}".encode() not in raw:
                continue
            words = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")[:-1]
        except OSError:
            continue
        roles = [v.partition(b"=")[2].decode() for v in raw if v.startswith(b"SOAK_ROLE=")]
        if words:
            yield Creature(int(folder.name), roles[0], _module(words), tuple(words))


def _module(words: list[str]) -> str:
    """What `python -m` runs; the program's own name for anything else."""
    return words[words.index("-m") + 1] if "-m" in words[:-1] else Path(words[0]).name


def gone(pids: list[int], seconds: float) -> list[int]:
    """Those of the processes that still live after so long."""
    processes = []
    for pid in pids:
        try:
            processes.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            continue
    alive = psutil.wait_procs(processes, timeout=seconds)[1]
    return [p.pid for p in alive if p.status() != psutil.STATUS_ZOMBIE]
