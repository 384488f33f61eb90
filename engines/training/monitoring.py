"""What a training process tells about itself while it learns: memory, and curves kept short."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from engines.events import EventLog
from engines.training.series import Series

# Seconds between two writings of series.json, and between two looks at the memory.
INTERVAL = 10.0


class MonitorCallback(TrainerCallback):
    """Keeps series.json level with events.jsonl and writes `resources` events.

    Stands last in the list of callbacks. A resources event has `rss` and `rss_peak` (bytes of
    this process), and on a GPU `gpu_allocated`, `gpu_reserved` and `gpu_peak` (bytes of torch's
    allocator, the GPU with the most). Nothing here may end a run: a full disk is told by the
    checkpoint.
    """

    def __init__(self, folder: Path, events: EventLog, *, interval: float = INTERVAL) -> None:
        self._events = events
        self._interval = interval
        self._series = Series(folder)
        self._next = 0.0

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Look at the memory and write the curves, where it is time for it."""
        now = time.monotonic()
        if state.is_world_process_zero and now >= self._next:
            self._next = now + self._interval
            self._tell(state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the curves of the whole run."""
        if state.is_world_process_zero:
            self._tell(state.global_step)

    def _tell(self, step: int) -> None:
        with contextlib.suppress(OSError):
            self._events.write("resources", step=step, **resources())
            self._series.catch_up()
            self._series.write()


def resources() -> dict[str, int]:
    """Bytes that this process holds, and held at its peak."""
    import psutil
    import torch

    found = {"rss": int(psutil.Process().memory_info().rss), "rss_peak": peak_rss()}
    if torch.cuda.is_available():
        devices = range(torch.cuda.device_count())
        found["gpu_allocated"] = max(torch.cuda.memory_allocated(d) for d in devices)
        found["gpu_reserved"] = max(torch.cuda.memory_reserved(d) for d in devices)
        found["gpu_peak"] = max(torch.cuda.max_memory_allocated(d) for d in devices)
    return found


def peak_rss() -> int:
    """Most bytes that this process ever held.

    On Linux ru_maxrss of a new program begins at the peak of the one that started it (exec keeps
    it), so the kernel's own figure for this program is read instead (VmHWM, proc(5)).
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
