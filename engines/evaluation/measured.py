"""The last ladder of each split, as its file in the workspace's reports says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from engines.evaluation.results import LadderResult
from engines.training.folder import replace_file
from engines.workspace import Workspace
from glossary.errors import FailedError
from glossary.i18n import _

_CURVE = "curve-"


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """F1 by number of labeled texts: (texts, F1, low, high), as measured and as fitted."""

    strategy: str
    words: str
    points: tuple[tuple[float, float, float, float], ...]
    fit: tuple[tuple[float, float, float, float], ...] = ()


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
    return sorted(
        path.stem for path in (space.reports / "ladder").glob("*.json") if _is_result(path)
    )


def _is_result(path: Path) -> bool:
    """Whether a file of the folder is the result of the split that it is named after."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return bool("rows" in values and values["split"] == path.stem)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def read_curve(space: Workspace, split: str) -> LearningCurve | None:
    """The learning curve measured on a split, None where there is none that can be read."""
    path = result_file(space, f"{_CURVE}{split}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        points = tuple(
            (float(p["examples"]), float(p["f1"]), float(p["low"]), float(p["high"]))
            for p in values["points"]
        )
        fit = tuple((float(n), float(f), float(a), float(b)) for n, f, a, b in values["fit"])
        words = (str(values.get("strategy", "")), str(values.get("words", "")))
        return LearningCurve(*words, points, fit)
    except (OSError, ValueError, KeyError, TypeError):
        return None


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
