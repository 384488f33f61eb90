"""Where the screen stood when it was left: pane, filters, cursors. One small file a workspace."""

from __future__ import annotations

import contextlib
import json
import zlib
from pathlib import Path
from typing import Any

from engines.workspace import state_folder


def state_file(workspace: Path) -> Path:
    """The file of a workspace, among the user's own: a workspace may be shared or read-only."""
    mark = zlib.crc32(str(workspace).encode("utf-8", "surrogateescape"))
    return state_folder() / "screens" / f"{workspace.name}-{mark:08x}.json"


class ScreenState:
    """The state as it was read; `write` replaces the file. `path` None keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._values: dict[str, Any] = {}
        if path is not None:
            with contextlib.suppress(OSError, ValueError):
                found = json.loads(path.read_text(encoding="utf-8"))
                self._values = found if isinstance(found, dict) else {}

    def get(self, name: str, default: object = None) -> Any:
        """One value of the app."""
        return self._values.get(name, default)

    def put(self, name: str, value: object) -> None:
        """Set one value of the app."""
        self._values[name] = value

    def of(self, pane: str) -> dict[str, Any]:
        """What a pane kept, {} when nothing."""
        found = self._values.get("panes", {})
        kept = found.get(pane) if isinstance(found, dict) else None
        return kept if isinstance(kept, dict) else {}

    def put_pane(self, pane: str, state: dict[str, Any]) -> None:
        """Set what a pane keeps."""
        found = self._values.get("panes")
        self._values["panes"] = {**(found if isinstance(found, dict) else {}), pane: state}

    def write(self) -> None:
        """Replace the file; a full or read-only disk loses the state and nothing else."""
        if self._path is None:
            return
        fresh = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh.write_text(json.dumps(self._values, ensure_ascii=False), encoding="utf-8")
            fresh.replace(self._path)
