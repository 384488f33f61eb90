"""Runs that wait in a queue, and GPUs as NVML would report them."""

from engines.hardware import GIB, Gpu, GpuProcess
from engines.training.folder import RunFolder
from engines.training.queue import Queue


def waiting(queue: Queue, *names: str, recipe: str = 'method = "lora"\n') -> None:
    for name in names:
        folder = RunFolder(queue.runs / name)
        folder.path.mkdir(parents=True)
        folder.recipe.write_text(recipe)
        folder.write({"state": "waiting", "id": name})


def gpu(index: int, free: float = 70, *processes: GpuProcess) -> Gpu:
    total = 80 * GIB
    used = total - round(free * GIB)
    return Gpu(index, f"GPU-{index}-uuid", "H100", total, used, total - used, processes=processes)


def states(queue: Queue) -> list[tuple[str, str]]:
    return [(entry.run, entry.state) for entry in queue.read()]


def finish(queue: Queue, name: str, state: str = "finished") -> None:
    RunFolder(queue.runs / name).write({"state": state, "id": name})
