"""How a run is asked to end: a file `stop` in its folder, or SIGTERM to its process."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import FrameType
from typing import Any


def is_first() -> bool:
    """Whether this process is the one of its run that writes: rank 0, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def process_count() -> int:
    """Processes of this run, as its launcher says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def agreed(asked: bool) -> bool:
    """The same in every process of the run: whether it is so in one of them.

    All of them must call it at the same step.
    """
    import torch

    distributed: Any = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return asked
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    flag = torch.tensor([int(asked)], device=device)
    distributed.all_reduce(flag, op=distributed.ReduceOp.MAX)
    return bool(flag.item())


class StopRequest:
    """Whether somebody asked the run to save and end; use as a context manager.

    Only the main thread may take signals: elsewhere the file alone counts.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._signalled = False
        self._before: Any = None

    def __enter__(self) -> StopRequest:
        if is_first():
            self._file.unlink(missing_ok=True)
        try:
            self._before = signal.signal(signal.SIGTERM, self._on_signal)
        except ValueError:
            self._before = None
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    def __call__(self) -> bool:
        """Whether to stop; cheap enough for every step."""
        return self._signalled or self._file.exists()

    def agreed(self) -> bool:
        """The same in every process of the run: whether one of them was asked to stop."""
        return agreed(self())

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signalled = True
