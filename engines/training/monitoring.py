"""What a training process tells about itself while it learns: memory, load, curves kept short."""

from __future__ import annotations

import contextlib
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from engines.events import EventLog
from engines.training.series import Series
from engines.training.tensorboard import BoardWriter

# Seconds between two writings of series.json, and between two looks at memory and load.
SERIES_SECONDS = 10.0
INTERVAL = 2.0


class MonitorCallback(TrainerCallback):
    """Keeps series.json level with events.jsonl and writes `resources` events.

    Stands last in the list of callbacks. The resources are looked at by a thread, so that a long
    evaluation is watched too and no step waits for a driver. `board`: write TensorBoard's files
    too. Nothing here may end a run: a full disk is told by the checkpoint.
    """

    def __init__(
        self, folder: Path, events: EventLog, *, interval: float = INTERVAL, board: bool = False
    ) -> None:
        self._events = events
        self._interval = interval
        self._series = Series(folder)
        # What was there before this start is in TensorBoard's files already.
        self._series.catch_up()
        self._board = BoardWriter(folder / "tensorboard") if board else None
        self._next = 0.0
        self._step = 0
        self._end = threading.Event()
        self._meter = Meter()
        self._thread: threading.Thread | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin to look at memory and load."""
        if state.is_world_process_zero and self._thread is None:
            self._step = state.global_step
            self._thread = threading.Thread(target=self._watch, daemon=True, name="resources")
            self._thread.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Know the step."""
        self._step = state.global_step

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take in what is new; write the curves where it is time for it."""
        if state.is_world_process_zero:
            now = time.monotonic()
            self._take(write=now >= self._next)
            if now >= self._next:
                self._next = now + SERIES_SECONDS

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the curves of the whole run."""
        if not state.is_world_process_zero:
            return
        self._end.set()
        if self._thread is not None:
            self._thread.join()
            self._thread, self._end = None, threading.Event()
        self._tell()
        self._take(write=True)
        if self._board is not None:
            self._board.close()

    def _take(self, *, write: bool) -> None:
        with contextlib.suppress(OSError):
            new = self._series.catch_up()
            if self._board is not None:
                self._board.take(new)
            if write:
                self._series.write()

    def _watch(self) -> None:
        end = self._end
        while True:
            self._tell()
            if end.wait(self._interval):
                return

    def _tell(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._events.write("resources", step=self._step, **self._meter.resources())


class Meter:
    """Looks at this process; the load is that since the look before."""

    def __init__(self) -> None:
        import psutil

        self._process = psutil.Process()
        self._process.cpu_percent()

    def resources(self) -> dict[str, Any]:
        """Bytes and percents, as a `resources` event has them.

        `rss`, `rss_peak`: of this process; `cpu`: percent of one core; `memory_total` and
        `memory_free`: of the machine. On a GPU `gpu_allocated`, `gpu_reserved` and `gpu_peak`
        (torch's allocator) and `gpu_utilisation` (percent), of the fullest; `gpus`: the same of
        each, with `used` and `total` by everybody, `temperature` (Celsius) and `power` (watts).
        """
        from engines.hardware import memory

        now = memory()
        found: dict[str, Any] = {
            "rss": int(self._process.memory_info().rss),
            "rss_peak": peak_rss(),
            "cpu": round(self._process.cpu_percent(), 1),
            "memory_total": now.total,
            "memory_free": now.available,
        }
        if each := _gpus():
            fullest = max(each, key=lambda gpu: gpu["allocated"])
            for name in ("allocated", "reserved", "peak", "utilisation"):
                if fullest.get(name) is not None:
                    found[f"gpu_{name}"] = fullest[name]
            found["gpus"] = each
        return found


def _gpus() -> list[dict[str, Any]]:
    """What torch holds on each GPU it sees, with what the driver says of the same one."""
    import torch

    if not torch.cuda.is_available():
        return []
    from engines.hardware import gpus, visible

    told = visible(gpus())
    found = []
    for device in range(torch.cuda.device_count()):
        mine: dict[str, Any] = {
            "allocated": int(torch.cuda.memory_allocated(device)),
            "reserved": int(torch.cuda.memory_reserved(device)),
            "peak": int(torch.cuda.max_memory_allocated(device)),
        }
        if device < len(told):
            gpu = told[device]
            mine |= {"index": gpu.index, "name": gpu.name, "used": gpu.used, "total": gpu.total}
            mine |= {
                "utilisation": gpu.utilisation,
                "temperature": gpu.temperature,
                "power": gpu.power,
            }
        found.append(mine)
    return found


def resources() -> dict[str, Any]:
    """What this process holds now, and held at its peak."""
    return Meter().resources()


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
