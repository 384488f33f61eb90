"""A bundle that someone handed over, opened: nothing in it may reach outside of it.

What it may start or call is held back as in any workspace (engines.trust), and its strategy may
name neither a server nor a path.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engines.export.bundle import EMBEDDING, FORMAT, MANIFEST, digest
from engines.extraction.strategy import find_strategy
from engines.settings import Settings, StrategySettings, load
from engines.workspace import Workspace, is_workspace
from glossary.errors import UserError
from glossary.i18n import _

_WEIGHTS = ".safetensors"
# Folders in which a file more would change what is loaded.
_READ = ("models", "prompts", EMBEDDING)


def open_bundle(folder: Path) -> tuple[Settings, Workspace, str]:
    """(settings, workspace, strategy) of the bundle in `folder`.

    UserError when it is none, was damaged on the way, or reaches outside of its folder.
    """
    folder = folder.absolute()
    manifest = _manifest(folder)
    _refuse_links(folder)
    _compare(folder, manifest)
    name = str(manifest.get("strategy") or "")
    settings = load(folder)
    strategy = find_strategy(settings.strategies, name)
    _refuse_reaching(folder, name, strategy, settings)
    # A model or an embedding of the user's own must not take the place of the bundle's.
    models = settings.models.model_copy(update={"folders": ["models"]})
    inside = settings.model_copy(update={"models": models})
    return inside, Workspace(folder), name


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        values = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        values = None
    if not isinstance(values, dict) or not is_workspace(folder):
        message = _("{path} is no bundle; `kwtui export bundle` makes one.")
        raise UserError(message.format(path=folder))
    if values.get("format") != FORMAT:
        message = _("{path} is a bundle of another kwtui (format {format}); update this one.")
        raise UserError(message.format(path=folder, format=values.get("format")))
    return values


def _refuse_links(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            message = _("{path} is no plain file or folder; a bundle has nothing else.")
            raise UserError(message.format(path=path))


def _compare(folder: Path, manifest: dict[str, Any]) -> None:
    """Everything is there as it was packed; weights by their size alone, which takes no time."""
    files = manifest.get("files")
    told_all = isinstance(files, dict) and all(isinstance(one, dict) for one in files.values())
    if not isinstance(files, dict) or not told_all or "config.toml" not in files:
        raise UserError(_("{path} is damaged; copy the bundle again.").format(path=folder))
    for part in _READ:
        for path in (folder / part).rglob("*"):
            if path.is_file() and path.relative_to(folder).as_posix() not in files:
                message = _("{path} was not packed; copy the bundle again.")
                raise UserError(message.format(path=path))
    for name, told in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            raise UserError(_("{path} is missing; copy the bundle again.").format(path=path))
        size, known = told.get("size"), told.get("sha256")
        same = path.stat().st_size == size
        if same and path.suffix != _WEIGHTS:
            same = digest(path) == known
        if not same:
            message = _("{path} is not as it was packed; copy the bundle again.")
            raise UserError(message.format(path=path))


def _refuse_reaching(
    folder: Path, name: str, strategy: StrategySettings, settings: Settings
) -> None:
    """UserError for a server or a path in the strategy of the bundle."""
    if strategy.server:
        message = _("The strategy '{name}' asks a server, which does not fit into a folder.")
        raise UserError(message.format(name=name))
    if strategy.kind == "model" and not _lies_in(folder / "models", strategy.model):
        message = _("{path}: the model {model} is not in the bundle.")
        raise UserError(message.format(path=folder, model=strategy.model))
    template = strategy.template
    if not strategy.template_text and strategy.kind == "model" and Path(template).name != template:
        message = _("{path}: the prompt template {template} is not in the bundle.")
        raise UserError(message.format(path=folder, template=template))
    if settings.glossary.embedding not in ("", EMBEDDING):
        message = _("{path}: the embedding model {model} is not in the bundle.")
        raise UserError(message.format(path=folder, model=settings.glossary.embedding))


def _lies_in(folder: Path, name: str) -> bool:
    return Path(name).name == name and (folder / name / "config.json").is_file()
