"""The last ladder of each split, as its file in the workspace's reports says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from engines.evaluation.results import LadderResult
from engines.training.folder import replace_file
from engines.workspace import Workspace
from glossary.errors import FailedError, UserError
from glossary.i18n import _


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


def curve_file(space: Workspace, split: str) -> Path:
    """Where the last learning curve measured on a split lies."""
    return space.reports / "ladder" / "curves" / f"{split}.json"


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


def inside(space: Workspace, relative: str) -> Path:
    """A file of the workspace; UserError for a name that leads out of it.

    A result may have been handed over by someone, and names the files that are read.
    """
    path = (space.root / relative).resolve()
    if not path.is_relative_to(space.root.resolve()):
        sentence = _("{path} lies outside the workspace; run the ladder again.")
        raise UserError(sentence.format(path=relative))
    return path


def pair_of(result: LadderResult, first: str = "", second: str = "") -> tuple[str, str]:
    """Which two of at least two strategies are compared where not both are named.

    The second is the one with the highest F1; the first what its gain was measured against, else
    the one before it in the table. A name that was not measured counts as none.
    """
    rows = {row.strategy: row for row in result.rows}
    names = list(rows)
    if second not in rows:
        others = [row for row in rows.values() if row.strategy != first]
        second = max(others, key=lambda row: row.scores.f1).strategy
    if first not in rows or first == second:
        delta, at = rows[second].delta, names.index(second)
        before = names[at - 1] if at else names[1]
        first = delta.against if delta is not None and delta.against in rows else before
    return first, second


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
    try:
        values = json.loads(curve_file(space, split).read_text(encoding="utf-8"))
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
