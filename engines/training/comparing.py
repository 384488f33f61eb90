"""Runs side by side: what differs in their recipes and what came of it."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engines.layers import leaves
from engines.training.runs import Run
from engines.training.series import Series
from engines.training.snapshot import Snapshot, snapshot


@dataclass(frozen=True, slots=True)
class Comparison:
    """`figures` and `differences`: one value a run under each name, None where a run has none."""

    ids: tuple[str, ...]
    figures: dict[str, list[Any]]
    differences: dict[str, list[Any]]
    curves: dict[str, dict[str, list[list[float]]]]

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object; `curves` as [step, mean] of each bucket."""
        return asdict(self)


def compared(runs: Sequence[Run]) -> Comparison:
    """Compare runs by their last figures and their recipes."""
    shots: list[Snapshot] = []
    curves: dict[str, dict[str, list[list[float]]]] = {}
    for run in runs:
        series = Series(run.folder.path)
        series.catch_up()
        shots.append(snapshot(run, series))
        curves[run.id] = {
            name: [[b.first, b.mean] for b in curve if not math.isnan(b.mean)]
            for name, curve in series.curves.items()
            if name in ("loss", "dev_loss", "f1")
        }
    figures: dict[str, list[Any]] = {
        "state": [shot.state for shot in shots],
        "steps": [shot.step for shot in shots],
        "loss": [_finite(shot.loss) for shot in shots],
        "dev_loss": [_finite(shot.dev_loss) for shot in shots],
        "f1": [shot.f1 for shot in shots],
        "best_f1": [shot.best_f1 for shot in shots],
        "best_step": [shot.best_step for shot in shots],
        "tokens_per_second": [shot.tokens_per_second for shot in shots],
        "seconds": [_seconds(run) for run in runs],
    }
    return Comparison(
        tuple(run.id for run in runs), figures, differences([_recipe(r) for r in runs]), curves
    )


def differences(recipes: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """The keys whose values are not the same in all recipes, each with its values."""
    flat = [{".".join(key): value for key, value in leaves(recipe)} for recipe in recipes]
    names = sorted({name for values in flat for name in values})
    found = {name: [values.get(name) for values in flat] for name in names}
    return {name: values for name, values in found.items() if any(v != values[0] for v in values)}


def _recipe(run: Run) -> dict[str, Any]:
    try:
        return tomllib.loads(run.folder.recipe.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _seconds(run: Run) -> float | None:
    start, end = run.values.get("started"), run.values.get("ended")
    if isinstance(start, int | float) and isinstance(end, int | float):
        return round(end - start, 1)
    return None


def _finite(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)
