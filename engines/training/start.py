"""A run before it runs: the recipe completed, the folder made, what made it written down."""

from __future__ import annotations

import getpass
import re
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from engines.settings import Settings, StrategySettings
from engines.training.folder import RunFolder, replace_file
from engines.training.recipe import Recipe, load_recipe, to_toml
from engines.training.scratch_recipe import ScratchRecipe
from engines.training.tune_recipe import Prompting, TuneRecipe
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _

PACKAGES = (
    *("torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "datasets"),
    *("safetensors", "sentencepiece", "tokenizers", "numpy"),
)


def complete(recipe: Recipe, settings: Settings, workspace: Workspace | None, base: Path) -> Recipe:
    """The recipe with everything written in that the run takes from elsewhere.

    Files named in it are relative to `base`. Raises UserError where the strategy, the model or a
    file is not there, and where there is nothing to train on.
    """
    if isinstance(recipe, ScratchRecipe):
        return _complete_scratch(recipe, base, settings)
    from engines.extraction.strategy import find_strategy
    from engines.models.registry import check_folder, is_adapter, resolve

    root = workspace.root if workspace else None
    path = resolve(recipe.model, settings.model_folders(root))
    check_folder(path)
    if is_adapter(path):
        message = _("{path} is an adapter: train its base model, or merge it into one first.")
        raise UserError(message.format(path=path))
    data = recipe.data.model_copy(
        update={
            "workspace": str(root) if root else "",
            "sources": [_absolute(source, base) for source in recipe.data.sources],
            "dev": _absolute(recipe.data.dev, base),
        }
    )
    strategy = recipe.prompt.settings or find_strategy(settings.strategies, recipe.prompt.strategy)
    if strategy.kind != "model":
        message = _("The strategy {name} asks no model: name one that does in prompt.strategy.")
        raise UserError(message.format(name=recipe.prompt.strategy))
    name = recipe.name or f"{_plain(path.name)}-{recipe.method}"
    prompt = _complete_prompt(recipe.prompt, strategy, settings, workspace)
    how = recipe.optimisation
    if not how.threads and settings.training.threads:
        how = how.model_copy(update={"threads": settings.training.threads})
    return recipe.model_copy(
        update={"name": name, "data": data, "prompt": prompt, "optimisation": how}
    )


def _complete_prompt(
    prompt: Prompting, strategy: StrategySettings, settings: Settings, workspace: Workspace | None
) -> Prompting:
    """The prompts as they are now: a template that changes later does not change the run."""
    from engines.extraction.prompt import template_source

    if not strategy.template_text:
        text = template_source(strategy.template, workspace.prompts if workspace else None)
        strategy = strategy.model_copy(update={"template_text": text})
    changes: dict[str, Any] = {
        "settings": strategy,
        "plain": prompt.plain or settings.plain_template,
    }
    if not prompt.passage_chars:
        changes["passage_chars"] = settings.extraction.passage_chars
        changes["passage_overlap"] = settings.extraction.passage_overlap
    return prompt.model_copy(update=changes)


def _absolute(source: Any, base: Path) -> Any:
    if not source.file:
        return source
    path = (base / Path(source.file).expanduser()).absolute()
    if not path.is_file():
        raise UserError(_("{path}: the recipe's data file is not there.").format(path=path))
    return source.model_copy(update={"file": str(path)})


def _complete_scratch(recipe: ScratchRecipe, base: Path, settings: Settings) -> ScratchRecipe:
    sources = [_absolute(source, base) for source in recipe.data.sources]
    changes: dict[str, Any] = {"sources": sources}
    for name in ("kinds", "exclude_terms"):
        if value := getattr(recipe.data, name):
            changes[name] = str((base / value).absolute())
    how = recipe.optimisation
    if not how.threads and settings.training.threads:
        how = how.model_copy(update={"threads": settings.training.threads})
    data = recipe.data.model_copy(update=changes)
    first = str((base / Path(recipe.start).expanduser()).absolute()) if recipe.start else ""
    return recipe.model_copy(update={"data": data, "optimisation": how, "start": first})


def prepare(recipe: Recipe, path: Path, workspace: Workspace | None) -> RunFolder:
    """The folder of a run of the completed `recipe`: made, or found when the same run was cut off.

    Raises UserError when `path` holds something else, or a run of another recipe.
    """
    folder = RunFolder(path.absolute())
    if folder.recipe.is_file():
        _check_same(folder, recipe)
        return folder
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        message = _("{path} exists and holds no run; name a new folder.")
        raise UserError(message.format(path=path))
    folder.path.mkdir(parents=True, exist_ok=True)
    replace_file(folder.recipe, to_toml(recipe))
    folder.write(
        {
            "state": "waiting",
            "id": folder.path.name,
            "name": recipe.name,
            "method": recipe.method,
            "model": recipe.model if isinstance(recipe, TuneRecipe) else "",
            "created": round(time.time(), 3),
            "author": _author(),
            "workspace_commit": _commit(workspace.root) if workspace else "",
            "versions": _versions(),
        }
    )
    return folder


def _check_same(folder: RunFolder, recipe: Recipe) -> None:
    if load_recipe(folder.recipe) != recipe:
        message = _("{path} holds a run of another recipe; name a new folder for this one.")
        raise UserError(message.format(path=folder.path))
    if folder.read().get("state") == "finished":
        message = _("The run in {path} is finished; name a new folder to train again.")
        raise UserError(message.format(path=folder.path))


def run_path(workspace: Workspace, recipe: Recipe) -> Path:
    """A new folder in the workspace's runs/, named by time and model."""
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{_plain(recipe.name)}"
    path = workspace.runs / stem
    number = 1
    while path.exists():
        number += 1
        path = workspace.runs / f"{stem}-{number}"
    return path


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "model"


def _author() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _commit(root: Path) -> str:
    """The git commit of the workspace, "" without one."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
