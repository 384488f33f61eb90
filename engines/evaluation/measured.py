"""The last ladder of each split, as its file in the workspace's reports says."""

from __future__ import annotations

import json
from pathlib import Path

from engines.evaluation.results import LadderResult
from engines.training.folder import replace_file
from engines.workspace import Workspace
from glossary.errors import FailedError
from glossary.i18n import _


def result_file(space: Workspace, split: str) -> Path:
    """Where the last ladder of a split lies."""
    return space.reports / "ladder" / f"{split}.json"


def read_result(space: Workspace, split: str) -> LadderResult | None:
    """The last ladder of a split, None when there was none; FailedError for a damaged file."""
    path = result_file(space, split)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from None
    try:
        return LadderResult.from_json(values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from None


def _damaged(path: Path, reason: str) -> FailedError:
    sentence = _("{path} is no result of a ladder ({reason}); run the ladder again.")
    return FailedError(sentence.format(path=path, reason=reason))


def measured_splits(space: Workspace) -> list[str]:
    """The splits that have a result, by name."""
    return sorted(path.stem for path in (space.reports / "ladder").glob("*.json"))


def mark_stale(space: Workspace, split: str) -> bool:
    """Mark every row of the split's last ladder as measured on other texts; False without one."""
    path = result_file(space, split)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        for row in values["rows"]:
            row["stale"] = True
    except (OSError, ValueError, KeyError, TypeError):
        return False
    replace_file(path, json.dumps(values, ensure_ascii=False, indent=1) + "\n")
    return True
