"""How a run is asked to end: a file `stop` in its folder, or SIGTERM to its process."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Any


class StopRequest:
    """Whether somebody asked the run to save and end; use as a context manager.

    Only the main thread may take signals: elsewhere the file alone counts.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._signalled = False
        self._before: Any = None

    def __enter__(self) -> StopRequest:
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

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signalled = True
