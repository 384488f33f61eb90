"""What a long job writes while it runs: one JSON object a line, flushed at once.

A screen or a script follows the file; nothing reads a pipe, so the job never waits for a reader.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any


class EventLog:
    """Appends events to a file; each has `time` (seconds since the epoch) and `kind`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        if _ends_in_a_line(path):
            self._file.write("\n")

    def write(self, kind: str, **values: Any) -> None:
        """Append one event and flush it; any thread may."""
        event = {"time": round(time.time(), 3), "kind": kind, **values}
        line = json.dumps(event, ensure_ascii=False) + "\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """All whole events of a file, in order.

    A line still being written is left for the next look, and one that a kill cut off is passed
    over. After a resume the steps go back to those of the checkpoint.
    """
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.endswith("\n") and (event := _event(line)) is not None:
                yield event


class EventTail:
    """Follows a file of events: each `poll` gives the whole lines written since the last one.

    `offset` is the byte after the last whole line; a line still being written waits for its end.
    `restarted` is true after a poll that found another, shorter file: it was read from its start.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self.offset = offset
        self.restarted = False

    def poll(self, limit: int = 2**24) -> list[dict[str, Any]]:
        """The next whole events, out of at most `limit` bytes (one line is read in any case)."""
        self.restarted = False
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, 2)
                if size < self.offset:
                    self.offset, self.restarted = 0, True
                file.seek(self.offset)
                data = file.read(limit)
                if b"\n" not in data and len(data) == limit:
                    data += file.readline()
        except FileNotFoundError:
            return []
        end = data.rfind(b"\n") + 1
        self.offset += end
        lines = data[:end].decode("utf-8", "replace").split("\n")
        return [event for line in lines if line and (event := _event(line)) is not None]


def _event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _ends_in_a_line(path: Path) -> bool:
    """Whether a killed process left the last line of the file without its end."""
    with path.open("rb") as file:
        if file.seek(0, 2) == 0:
            return False
        file.seek(-1, 2)
        return file.read(1) != b"\n"
