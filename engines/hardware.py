"""What this machine has: GPUs and who is on them, memory, disk.

GPUs are read through NVML (nvidia-ml-py), which loads neither torch nor a CUDA context. A machine
without one, or without the driver, simply has none.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

GIB = 2**30


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process on a GPU; `used` in bytes, None where the driver does not tell."""

    pid: int
    user: str
    name: str
    used: int | None


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU as it is now. Bytes, percent, degrees Celsius, watts; None: not told."""

    index: int
    uuid: str
    name: str
    total: int
    used: int
    free: int
    utilisation: int | None = None
    temperature: int | None = None
    power: float | None = None
    power_limit: float | None = None
    processes: tuple[GpuProcess, ...] = field(default=())

    def strangers(self, own: Collection[int]) -> tuple[GpuProcess, ...]:
        """The processes on this GPU that are none of `own`."""
        return tuple(process for process in self.processes if process.pid not in own)

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Memory:
    """Main memory in bytes, within the limit of the control group this process is in."""

    total: int
    available: int


def gpus() -> list[Gpu]:
    """Every GPU that the driver knows, in PCI order; [] without a driver or a GPU."""
    with _nvml() as nvml:
        if nvml is None:
            return []
        found: list[Gpu] = []
        for index in range(nvml.nvmlDeviceGetCount()):
            # A GPU that fell off the bus is as good as absent; the others still count.
            with contextlib.suppress(nvml.NVMLError):
                found.append(_gpu(nvml, index))
        return found


def visible(found: Sequence[Gpu], environ: Mapping[str, str] = os.environ) -> list[Gpu]:
    """Those that CUDA_VISIBLE_DEVICES leaves, in its order: indices, UUIDs or their beginnings.

    As in CUDA, what comes after the first entry that names no GPU is not seen.
    """
    wanted = environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return list(found)
    chosen: list[Gpu] = []
    for entry in (part.strip() for part in wanted.split(",")):
        match = next((gpu for gpu in found if _named(gpu, entry)), None)
        if match is None or match in chosen:
            break
        chosen.append(match)
    return chosen


def _named(gpu: Gpu, entry: str) -> bool:
    if entry.isdigit():
        return gpu.index == int(entry)
    return len(entry) > 4 and gpu.uuid.startswith(entry)


@contextlib.contextmanager
def _nvml() -> Iterator[Any]:
    """NVML, started for the block; None where there is none."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:
        # No module, no driver library, no GPU, no right to ask: all mean the same to us.
        yield None
        return
    try:
        yield pynvml
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _gpu(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)

    def told(call: str, *arguments: Any) -> Any:
        with contextlib.suppress(nvml.NVMLError, AttributeError):
            return getattr(nvml, call)(handle, *arguments)
        return None

    rates = told("nvmlDeviceGetUtilizationRates")
    power, limit = told("nvmlDeviceGetPowerUsage"), told("nvmlDeviceGetEnforcedPowerLimit")
    return Gpu(
        index=index,
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        name=_text(nvml.nvmlDeviceGetName(handle)),
        total=int(memory.total),
        used=int(memory.used),
        free=int(memory.free),
        utilisation=None if rates is None else int(rates.gpu),
        temperature=told("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
        power=None if power is None else power / 1000,
        power_limit=None if limit is None else limit / 1000,
        processes=_processes(told),
    )


def _processes(told: Any) -> tuple[GpuProcess, ...]:
    used: dict[int, int | None] = {}
    for call in ("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses"):
        for process in told(call) or ():
            memory = process.usedGpuMemory
            used[int(process.pid)] = None if memory is None else int(memory)
    return tuple(GpuProcess(pid, *_who(pid), memory) for pid, memory in sorted(used.items()))


def _who(pid: int) -> tuple[str, str]:
    """User and name of a process; "" for what another user's process hides."""
    import psutil

    user = name = ""
    with contextlib.suppress(psutil.Error, KeyError):
        process = psutil.Process(pid)
        name = process.name()
        user = process.username()
    return user, name


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def memory() -> Memory:
    """Main memory now."""
    import psutil

    now = psutil.virtual_memory()
    total, available = int(now.total), int(now.available)
    limit, used = _cgroup("memory.max"), _cgroup("memory.current")
    if limit is not None and limit < total:
        total, available = limit, min(available, max(0, limit - (used or 0)))
    return Memory(total, available)


def _cgroup(name: str) -> int | None:
    """A number of this process's control group (version 2); None where there is no limit."""
    try:
        text = Path("/sys/fs/cgroup", name).read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def disk_free(path: Path) -> int:
    """Bytes that this user may still write where `path` lies, or will lie."""
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """The name of the CPU, "" where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return ""


def host() -> str:
    """The name by which runs remember the machine they are on."""
    return socket.gethostname()
