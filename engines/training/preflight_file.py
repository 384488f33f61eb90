"""What a preflight foretold, kept in the run's folder for those who come after it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engines.training.folder import replace_file

NAME = "preflight.json"


def write_foretold(folder: Path, values: dict[str, Any]) -> None:
    """Keep a preflight's result in a run's folder."""
    replace_file(folder / NAME, json.dumps(values, ensure_ascii=False, indent=1) + "\n")


def foretold(folder: Path) -> dict[str, Any]:
    """What was foretold for a run; {} when nothing was."""
    try:
        values = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def foretold_bytes(folder: Path) -> int:
    """Bytes that the run is to take on its fullest device; 0 when nothing was foretold."""
    total = foretold(folder).get("total")
    return int(total) if isinstance(total, int | float) else 0
