"""What to change in a recipe that does not fit, each with what it saves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from engines.training.memory import Job, estimate
from engines.training.preflight_job import Setting
from engines.training.recipe import Recipe
from engines.training.tune_recipe import TuneRecipe
from glossary.i18n import _


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change of the recipe. `total` and `saves` in bytes; `fits`: it is then small enough.

    `changes` are keys of the recipe with their new values, applied as they stand by the screen;
    `options` is the same for the command line.
    """

    title: str
    changes: dict[str, Any]
    total: int
    saves: int
    fits: bool

    @property
    def options(self) -> str:
        """The changes as options of `kwtui train`."""
        return " ".join(
            f"--method {value}" if key == "method" else f"--set {key}={_toml(value)}"
            for key, value in self.changes.items()
        )

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object, with `options`."""
        return {**asdict(self), "options": self.options}


def proposals(recipe: Recipe, setting: Setting, job: Job, free: int) -> list[Proposal]:
    """Changes that save memory, one by one and then together until the run fits into `free`.

    In the order in which they cost least: the same batch in smaller pieces costs hardly anything,
    checkpointing a third more time, 8-bit states and bf16 or 4-bit weights a little exactness.
    """
    if not isinstance(recipe, TuneRecipe):
        return []
    shape, before = setting.shape, estimate(setting.shape, job).total
    found: list[Proposal] = []
    together: dict[str, Any] = {}
    sum_job = job
    for title, changes, change in _steps(recipe, job, free, setting):
        total = estimate(shape, replace(job, **change)).total
        if total < before:
            found.append(Proposal(title, changes, total, before - total, total <= free))
        smaller = replace(sum_job, **change)
        if estimate(shape, sum_job).total > free:
            together |= changes
            sum_job = smaller
    total = estimate(shape, sum_job).total
    if before > free and len(together) > 1 and not any(p.fits for p in found) and total < before:
        title = _("all of these together")
        found.append(Proposal(title, together, total, before - total, total <= free))
    return found


def _steps(
    recipe: TuneRecipe, job: Job, free: int, setting: Setting
) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(what it is, keys of the recipe, fields of the job) of each change that is possible."""
    how = recipe.optimisation
    if job.rows > 1:
        rows = _rows(setting, job, free)
        times = -(-job.rows // rows)
        accumulation = how.accumulation * times
        size: dict[str, Any] = {"optimisation.batch_size": max(1, how.batch_size // times)}
        if how.batch_tokens:
            size = {"optimisation.batch_tokens": max(1, how.batch_tokens // times)}
        yield (
            _("smaller batches, added up"),
            {**size, "optimisation.accumulation": accumulation},
            {"rows": rows, "accumulation": accumulation},
        )
    if not job.checkpointing:
        yield (
            _("activations computed again"),
            {"optimisation.checkpointing": True},
            {"checkpointing": True, "head": 0},
        )
    if job.gpu and job.method == "full" and how.optimizer in ("auto", "adamw"):
        yield (
            _("8-bit optimizer"),
            {"optimisation.optimizer": "adamw_8bit"},
            {"optimizer": "adamw_8bit"},
        )
    if job.gpu and job.method == "full" and not job.pure_bf16:
        yield (
            _("trained weights in bf16, less exact"),
            {"optimisation.precision": "pure_bf16"},
            {"pure_bf16": True, "bf16": True},
        )
    if job.method != "qlora":
        title = _("4-bit weights with an adapter") if job.method == "full" else _("4-bit weights")
        yield title, {"method": "qlora"}, {"method": "qlora"}


def _rows(setting: Setting, job: Job, free: int) -> int:
    """The most rows, by halving, with which the run fits; one where none does."""
    rows = (job.rows + 1) // 2
    while (
        rows > 1 and estimate(setting.shape, replace(job, rows=rows, accumulation=2)).total > free
    ):
        rows = (rows + 1) // 2
    return rows


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
