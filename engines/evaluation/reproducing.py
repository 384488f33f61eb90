"""What it takes to measure a ladder again: the commands, and each strategy as it was asked."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from engines.evaluation.answering import cache_folder
from engines.evaluation.results import LadderResult, RungResult
from engines.evaluation.rungs import read_origin
from engines.models.registry import resolve
from engines.settings import StrategySettings
from engines.training.folder import RunFolder
from engines.workspace import Workspace
from glossary.errors import UserError


def commands(
    space: Workspace, result: LadderResult, folders: Sequence[Path | str]
) -> tuple[str, ...]:
    """The trainings of the models that the workspace still knows, then the ladder itself."""
    found: dict[str, None] = {}
    for row in result.rows:
        for line in _trained(space, row.model, folders):
            found[line] = None
    return (*found, *result.commands)


def _trained(space: Workspace, model: str, folders: Sequence[Path | str]) -> list[str]:
    origin = _origin(model, folders)
    run = Path(str(origin.get("run") or "")).name
    if not run or not RunFolder(space.runs / run).recipe.is_file():
        return []
    base = str(origin.get("base") or "")
    changed = _origin(base, folders)
    lines = []
    if changed.get("change") == "extend":
        line = ["kwtui", "tokenizer", "extend", "--model", str(changed.get("base") or "")]
        line += ["--name", base, "--budget", str(len(changed.get("terms") or ()))]
        lines.append(shlex.join(line))
    return [*lines, shlex.join(["kwtui", "train", f"runs/{run}/recipe.toml"])]


def _origin(model: str, folders: Sequence[Path | str]) -> dict[str, Any]:
    try:
        return read_origin(resolve(model, folders)) if model else {}
    except UserError:
        return {}


def strategies(space: Workspace, rows: Iterable[RungResult]) -> dict[str, str]:
    """The section of config.toml that gives each strategy as it was measured, by its name.

    From what its answers are kept with; strategies whose answers are gone are left out.
    """
    found = {}
    for row in rows:
        path = cache_folder(space) / f"{Path(row.key).name}.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))["made_of"]["strategy"]
            found[row.strategy] = _section(row.strategy, values)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return found


def _section(name: str, values: dict[str, Any]) -> str:
    import tomli_w

    usual = StrategySettings().model_dump(mode="json")
    own = {key: value for key, value in values.items() if usual.get(key) != value}
    return tomli_w.dumps({"strategies": {name: own}})
