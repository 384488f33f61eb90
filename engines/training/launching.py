"""A run from a person's choices to its start: what the command line and the screen share."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.settings import Settings
from engines.training.folder import RunFolder
from engines.training.queue import Conditions, Queue
from engines.training.recipe import Recipe, checked, preset_for
from engines.training.start import complete, prepare, run_path
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _

EMBEDDED = "kw-mini"


@dataclass(frozen=True, slots=True)
class Launched:
    """A run that was started (`pid`) or put into the queue (`place`, from 1)."""

    folder: RunFolder
    pid: int | None = None
    place: int | None = None
    notes: tuple[str, ...] = field(default=())


def default_values(settings: Settings, method: str, model: str) -> dict[str, Any]:
    """The values of a recipe that nothing was said about: what the settings say of its model."""
    if method == "scratch":
        return {}
    return preset_for(settings, Path(model).name if model else EMBEDDED)


def whole_recipe(
    values: Mapping[str, Any],
    settings: Settings,
    workspace: Workspace | None,
    base: Path,
    origin: str,
) -> Recipe:
    """The complete recipe of `values`; UserError as `checked` and `complete` raise it."""
    if values.get("method") == "scratch" and "data" not in values:
        raise UserError(_("A model from nothing needs a recipe file: kwtui train RECIPE.toml."))
    return complete(checked(values, origin), settings, workspace, base)


def guard(
    recipe: Recipe, folder: RunFolder, *, new: bool, force: bool, queued: bool = False
) -> None:
    """Keep what is foretold in the run's folder; FailedError where it cannot fit, unless forced.

    A `new` folder that is refused is removed again.
    """
    from engines.training.preflight import check, preflight
    from engines.training.preflight_file import foretold, write_foretold

    if foretold(folder.path):
        return
    try:
        found = preflight(recipe, folder.path, trial=False)
        if not force:
            check(found, queued=queued)
    except UserError:
        if new:
            shutil.rmtree(folder.path, ignore_errors=True)
        raise
    write_foretold(folder.path, found.to_json())


def enqueue(
    queue: Queue, run: str, conditions: Conditions, *, front: bool = False
) -> tuple[int, str]:
    """Put a run into the queue and see to its supervisor; its place and what may end it, or ""."""
    from engines.training.gpu_locks import about_run
    from engines.training.logout import warning

    author = str(about_run(queue.runs)["user"])
    place = queue.add(run, conditions, author=author, front=front)
    queue.wake()
    return place, warning()


def launch(
    recipe: Recipe,
    workspace: Workspace,
    *,
    force: bool = False,
    conditions: Conditions | None = None,
    tokenised: Path | None = None,
) -> Launched:
    """Make the folder of a complete recipe in the workspace and start it; `conditions`: enqueue it.

    `tokenised`: a folder with the data of this very recipe, if it was tokenised before. Raises
    FailedError where it cannot fit, unless forced, and UserError where its GPUs are taken.
    """
    from engines.training import dataset
    from engines.training.detached import start
    from engines.training.logout import warning

    folder = prepare(recipe, run_path(workspace, recipe), workspace)
    if tokenised is not None and (known := dataset.saved(tokenised)) is not None:
        dataset.save(known, folder.path)
    guard(recipe, folder, new=True, force=force, queued=conditions is not None)
    if conditions is not None:
        queue = Queue(folder.path.parent)
        place, said = enqueue(queue, folder.path.name, conditions)
        return Launched(folder, place=place, notes=(said,) if said else ())
    try:
        pid = start(folder)
    except UserError:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
    said = warning()
    return Launched(folder, pid=pid, notes=(said,) if said else ())
