"""The judgements of a run with their sample extractions, out of a long file of events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_SIGN = '"kind": "evaluation"'


class Judgements:
    """The evaluations of one run in order; each `look` reads only what is new.

    After a resume the evaluations that are made again take the place of those before.
    """

    def __init__(self, events: Path) -> None:
        self._path = events
        self._offset = 0
        self.found: list[dict[str, Any]] = []

    def look(self) -> list[dict[str, Any]]:
        """Every evaluation so far; lines of other kinds are passed over unread."""
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._offset:
                    self._offset, self.found = 0, []
                file.seek(self._offset)
                for raw in file:
                    if not raw.endswith(b"\n"):
                        break
                    self._offset += len(raw)
                    line = raw.decode("utf-8", "replace")
                    if _SIGN in line[:200]:
                        self._take(line)
        except OSError:
            return self.found
        return self.found

    def _take(self, line: str) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return
        step = event.get("step")
        if isinstance(step, int):
            self.found = [one for one in self.found if one["step"] < step]
            self.found.append(event)
