"""Processes of the workbench that sit on a GPU: asked to unload when a run wants it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from engines.hardware import Gpu

# The module that every service of the screen runs as; it leaves in good order on SIGUSR1.
SERVICE = "kwtui.services"


def ask_to_unload(gpu: Gpu) -> list[int]:
    """Ask this user's services on `gpu` to end once they have done what was asked; their pids.

    Only a process that catches the signal is sent it: another would die of it.
    """
    asked: list[int] = []
    for process in gpu.processes:
        if is_service(process.pid) and _catches(process.pid, signal.SIGUSR1):
            try:
                os.kill(process.pid, signal.SIGUSR1)
            except OSError:
                continue
            asked.append(process.pid)
    return asked


def is_service(pid: int) -> bool:
    """Whether a process of this user is a service of the screen."""
    import psutil

    try:
        process = psutil.Process(pid)
        return process.uids().real == os.getuid() and SERVICE in process.cmdline()
    except psutil.Error:
        return False


def _catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal (Linux: SigCgt in /proc/PID/status)."""
    try:
        with Path(f"/proc/{pid}/status").open(encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("SigCgt:"):
                    return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    except (OSError, ValueError):
        return False
    return False
